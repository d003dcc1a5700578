"""The live view: the shop from above, who is there, what was said, and the counts. At least 80 × 24
characters.

It repaints the other screen of the terminal, so that nothing flickers and the shell's own lines
come back.
"""

import textwrap
import time
from typing import Any, Final

from rich.console import Console, Group
from rich.layout import Layout
from rich.live import Live
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from presence.demo.lines import broker_text, clock_text, reasons
from presence.demo.plan import plan, style_of
from presence.demo.scene import Role, words
from presence.demo.stage import Play, Spectator
from presence.demo.story import CAMPAIGNS, CHAIN, SECONDS, STORE

REPAINT_S: Final = 0.1
COUNTS_ROWS: Final = 5
BAR_DBM: Final = (-100, -68)
BAR_CELLS: Final = 6
FADES_S: Final = 4.0
"""A signal is shown for so long after it was last heard."""
STYLES: Final = {
    "walk": "bright_black",
    "entered": "green",
    "offer": "bold green",
    "list": "magenta",
    "withdrawn": "yellow",
    "cancelled": "yellow",
    "left": "cyan",
}


class LiveView(Spectator):
    def __init__(self) -> None:
        self._console = Console()
        self._live = Live(
            console=self._console, screen=True, auto_refresh=False, redirect_stdout=False
        )
        self._painted_s = 0.0

    def begin(self, play: Play) -> None:
        self._live.start()
        self.frame(play)

    def frame(self, play: Play) -> None:
        now_s = time.monotonic()
        if now_s - self._painted_s >= REPAINT_S:
            self._painted_s = now_s
            width, height = self._console.size
            self._live.update(screen(play, width=width, height=height), refresh=True)

    def end(self, play: Play) -> None:  # noqa: ARG002 - the picture vanishes with the screen
        self._live.stop()


def screen(play: Play, *, width: int, height: int) -> Layout:
    """One picture of the whole."""
    people_rows = len(play.people) + 3
    left = max(47, width * 52 // 100)
    body = height - 1 - COUNTS_ROWS
    layout = Layout()
    layout.split_column(
        Layout(_headline(play, width), size=1),
        Layout(name="body"),
        Layout(_counts(play), size=COUNTS_ROWS),
    )
    layout["body"].split_row(
        Layout(name="left", size=left), Layout(_said(play, width - left - 4, body - 2))
    )
    shop = plan(
        play.scene.roles.values(),
        (phone for phone in play.shop.phones if not phone.customer),
        play.scene.now_s,
        width=left - 4,
        height=max(3, body - people_rows - 2),
    )
    layout["left"].split_column(
        Layout(Panel(shop, title="the shop, ▲ gateway, · strangers", border_style="blue")),
        Layout(_people(play), size=people_rows),
    )
    return layout


def _headline(play: Play, width: int) -> Text:
    broker = broker_text(play.broker.kind, play.broker.protocol.value)
    left = f" presence demo  {CHAIN}/{STORE}  {broker}"
    right = f"speed {play.clock.speed:g}  {clock_text(play.scene.now_s)} of {clock_text(SECONDS)} "
    return Text(
        left + right.rjust(max(0, width - len(left))), style="bold white on blue", no_wrap=True
    )


def _people(play: Play) -> Panel:
    table = Table(box=None, padding=(0, 1, 0, 0), expand=True, header_style="bright_black")
    table.add_column("who", width=6, no_wrap=True)
    table.add_column("agreed to", width=15, no_wrap=True)
    table.add_column("signal", width=BAR_CELLS, no_wrap=True)
    table.add_column("", no_wrap=True, min_width=13)
    for role in play.scene.roles.values():
        name = Text(role.person.name, style=style_of(role))
        permission = Text(role.person.permission, style="white" if role.person.in_force else "red")
        table.add_row(name, permission, _bar(play, role.person.name), _status(role))
    return Panel(table, title="customers of the chain", border_style="blue", padding=(0, 0, 0, 1))


def _status(role: Role) -> Text:
    return Text(role.status, style=style_of(role) if role.said else "white", overflow="ellipsis")


def _bar(play: Play, name: str) -> Text:
    last_heard = {**play.shop.last_heard, **play.doorbell.last_heard}
    heard_s, rssi_dbm = last_heard.get(name, (-FADES_S, 0))
    if play.scene.now_s - heard_s >= FADES_S:
        return Text("")
    low, high = BAR_DBM
    share = min(1.0, max(0.0, (rssi_dbm - low) / (high - low)))
    cells = max(1, round(share * BAR_CELLS))
    near, far = play.entry.enter_rssi_dbm, play.entry.exit_rssi_dbm
    style = "green" if rssi_dbm >= near else "yellow" if rssi_dbm >= far else "red"
    return Text("▮" * cells, style=style).append("▯" * (BAR_CELLS - cells), style="bright_black")


def _said(play: Play, width: int, height: int) -> Panel:
    """The latest happenings that fit, oldest first."""
    lines: list[tuple[str, str]] = []
    for happening in play.scene.happenings:
        text = f"{clock_text(happening.at_s)} {happening.text}"
        wrapped = textwrap.wrap(text, width, subsequent_indent=" " * 6, break_long_words=True)
        lines += [(line, STYLES[happening.kind]) for line in wrapped]
    body = Text("\n", no_wrap=True).join(Text(line, style) for line, style in lines[-height:])
    return Panel(body, title=f"campaigns: {words(CAMPAIGNS)}", border_style="blue")


def _counts(play: Play) -> Panel:
    counts: dict[str, Any] = dict(play.gateway.pipeline.counts)
    strangers = counts["other_format"] + counts["unknown"] + counts["ambiguous"]
    offers = sum(len(role.offers) for role in play.scene.roles.values())
    cancelled = sum(role.cancelled for role in play.scene.roles.values())
    visits = f"{counts['entered']} entered, {counts['left']} left"
    said = (
        f"{counts['published']}; {offers} offers, {cancelled} cancelled; {visits}, "
        f"{counts['withdrawn']} withdrawn"
    )
    heard = (
        f"{counts['heard']:,} = {strangers:,} of strangers, dropped + "
        f"{counts['recognised']:,} of customers + refused"
    )
    rows = (
        ("heard", heard),
        ("refused", reasons(counts["refused"])),
        ("published", said),
    )
    lines = [Text(f"{name:10}", "bright_black").append(text, "white") for name, text in rows]
    return Panel(Group(*lines), title="counts: how many, never who", border_style="blue")
