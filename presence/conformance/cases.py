"""The cases: what can happen to events between a gateway and an engine, each a short play.

A silence that is expected is proven by an ordinary event after it, which is answered; so an engine
that has ended passes nothing. Newer minors come last, because they end some engines.
"""

import asyncio
import secrets
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Final

from presence.conformance import rules
from presence.conformance.rules import Rule
from presence.conformance.shop import (
    DAY_S,
    OFFERS,
    VALID_S,
    PlayedVisit,
    of_a_newer_minor,
    with_times_of_an_sdk,
)
from presence.conformance.stage import CasePlay, NotPlayed, NotTestable, Wanted
from presence.diagnosis.findings import Verdict

LATE: Final = PlayedVisit(began_s=VALID_S - 300, valid_s=300)
EXPIRED: Final = PlayedVisit(began_s=VALID_S + 300, valid_s=-300)
YESTERDAY: Final = PlayedVisit(began_s=DAY_S + 30, valid_s=VALID_S - DAY_S - 30)
NOTHING: Final = PlayedVisit(purpose=OFFERS, allow=())
UNKNOWN_CATEGORY: Final = PlayedVisit(purpose=OFFERS, allow=("kit:nothing",))
PADDED_BYTES: Final = 2048
CUT_S: Final = 2.0
QUIET_EVENTS: Final = 3
BACK_S: Final = 30.0
"""Clients wait longer after each attempt that failed; so much is a broker's restart, too."""


@dataclass(frozen=True, slots=True)
class Case:
    name: str
    rule: Rule
    shows: str
    """What the engine did where all is well."""
    play: Callable[[CasePlay], Awaitable[None]]
    in_quiet_hours: bool = False
    usual_s: float = 0.5
    """What it takes where the engine answers at once."""


async def plain(play: CasePlay) -> None:
    await play.answer(play.entered(), "an ordinary event")


async def allow(play: CasePlay) -> None:
    await play.silence(play.entered(NOTHING), "an event that allows nothing")
    await play.silence(play.entered(UNKNOWN_CATEGORY), "an event that allows another category")
    await play.proven()


async def copies(play: CasePlay) -> None:
    event = play.entered()
    await play.answer(event, "one event, told three times,")
    await play.send(event, event)
    await play.proven()


async def reconnect(play: CasePlay) -> None:
    """As a gateway does that has not seen the acknowledgement, or another one of the store."""
    event = play.entered()
    await play.answer(event, "one event, told again over another connection,")
    await play.stage.link.close()
    await play.stage.link.open()
    await play.send(event)
    await play.proven()


async def withdrawn(play: CasePlay) -> None:
    event = play.entered()
    play.expect(Wanted.CANCELLED, event, "an event that was withdrawn")
    await play.send(event)
    await play.stage.answered(event)
    await play.send(play.stage.shop.withdrawn(event, play.now_s()), event)
    await play.proven()


async def withdrawn_first(play: CasePlay) -> None:
    event = play.entered()
    told = play.stage.shop.withdrawn(event, play.now_s())
    await play.send(told, told)  # a gateway whose power was cut may tell it twice
    await play.silence(event, "an event that came after its withdrawal")
    await play.proven()


async def expired(play: CasePlay) -> None:
    await play.silence(play.entered(EXPIRED), "an event that was valid until five minutes ago")
    await play.proven()


async def late(play: CasePlay) -> None:
    await play.answer(
        play.entered(LATE),
        "an event that came late, with five minutes left,",
        otherwise=Verdict.WARN,
    )


async def replayed(play: CasePlay) -> None:
    await play.silence(play.entered(YESTERDAY), "an event of yesterday, played again,")
    await play.proven()


async def foreign(play: CasePlay) -> None:
    shop, stranger = play.stage.shop, secrets.token_bytes(16)
    await play.silence(shop.entered(stranger, play.now_s()), "the subject of somebody unknown")
    await play.silence(
        play.entered(PlayedVisit(day=-2)), "a customer's subject of the day before yesterday"
    )
    await play.proven()


async def days(play: CasePlay) -> None:
    for how, what in (
        (PlayedVisit(day=-1), "a visit that began before midnight"),
        (PlayedVisit(day=1), "a visit told by a clock that is ahead"),
        (PlayedVisit(stable=True), "a visit of a customer who agreed to profiling"),
    ):
        await play.answer(play.entered(how), what, otherwise=Verdict.WARN)


async def two_ids(play: CasePlay) -> None:
    key = play.stage.next_key()
    first, second = (play.stage.shop.entered(key, play.now_s()) for _ in range(2))
    await play.answer(first, "the first of a visit's two ids")
    await play.silence(
        second, "one visit under a second id, as by gateways cut off from each other,",
        otherwise=Verdict.WARN,
    )  # fmt: skip
    await play.proven()


async def padded(play: CasePlay) -> None:
    await play.answer(
        play.entered(PlayedVisit(pad_to_bytes=PADDED_BYTES)), "an event with spaces behind its JSON"
    )


async def spelling(play: CasePlay) -> None:
    event = play.entered().rewritten(with_times_of_an_sdk)
    what = "an event with times as SDKs write them"
    await play.answer(event, what, otherwise=Verdict.WARN)  # our schema, taken strictly, refuses it


def _named(kind: str) -> Callable[[dict[str, Any]], None]:
    return lambda body: body.update(type=kind)


async def kinds(play: CasePlay) -> None:
    shop, event = play.stage.shop, play.entered()
    await play.send(shop.left(event, play.now_s()))
    for kind in ("presence.entered.v2", "presence.greeted.v1"):
        await play.silence(play.entered().rewritten(_named(kind)), f"an event of type {kind}")
    await play.proven()


async def minor(play: CasePlay) -> None:
    newer = play.entered().rewritten(of_a_newer_minor)
    await play.answer(newer, "an event of minor 1.1 with fields of its own")
    await play.proven()


async def cut(play: CasePlay) -> None:
    wire = play.stage.wire
    if wire is None:
        raise NotPlayed("it needs --listen PORT, and the engine connected through it")
    if not wire.used:
        raise NotPlayed("nobody is connected through --listen: point the engine at that port")
    event = play.entered()
    wire.cut()
    await asyncio.sleep(CUT_S / 2)
    play.expect(Wanted.ANSWER, event, "an event that was told while the engine was cut off")
    await play.send(event)
    await asyncio.sleep(CUT_S / 2)
    wire.mend()
    await wire.used_again(BACK_S)
    await play.stage.answered(event)
    await play.proven()


async def quiet(play: CasePlay) -> None:
    """Silence cannot be proven here, so it is tried again: an engine may come late to the first."""
    heard = False
    for _ in range(QUIET_EVENTS):
        event = play.entered()
        heard = await play.silence(event, "an event in quiet hours")
        await play.stage.answered(event)
    if not heard:
        raise NotTestable(f"nobody is subscribed to {play.stage.shop.events_topic}")


CASES: Final = (
    Case("plain", rules.FORM, "an event is answered", plain),
    Case("allow", rules.ALLOW, "nothing that was not allowed is offered", allow),
    Case("copies", rules.ONCE, "three copies make one offer", copies),
    Case("reconnect", rules.ONCE, "a copy over a new connection makes none", reconnect),
    Case("withdrawn", rules.WITHDRAWN, "the offer is cancelled, once for all", withdrawn),
    Case("withdrawn-first", rules.WITHDRAWN, "nothing is offered", withdrawn_first),
    Case("expired", rules.VALID, "nothing is offered", expired),
    Case("late", rules.VALID, "five minutes left are enough", late),
    Case("replayed", rules.VALID, "an event of yesterday is not answered", replayed),
    Case("foreign", rules.SUBJECTS, "who is unknown today is not answered", foreign),
    Case("days", rules.SUBJECTS, "yesterday, tomorrow and `stable` are known", days),
    Case("two-ids", rules.MANNERS, "one visit under two ids is answered once", two_ids),
    Case("padded", rules.NEWER, "spaces behind the JSON do no harm", padded),
    Case("spelling", rules.NEWER, "a time is read as SDKs write it, too", spelling),
    Case("kinds", rules.NEWER, "types of another day are passed over", kinds),
    Case("cut", rules.BE_BACK, "what was told meanwhile is answered", cut, usual_s=6),
    Case("minor", rules.NEWER, "minor 1.1 is read as 1.0", minor),
    Case("quiet", rules.MANNERS, "nothing is offered", quiet, in_quiet_hours=True, usual_s=15),
)
"""In the order in which they are played."""
