"""`presence check`, the radio without bluetoothd (`radio.path: user-channel`): is the adapter ours,
and does it hear?
"""

from typing import Final

from presence.config import Settings
from presence.diagnosis.findings import Finding, Verdict
from presence.edges.host.clock import SystemClock
from presence.edges.kernel.user_channel import UserChannelScanner, user_channel_radios
from presence.errors import RadioError, RadioFault
from presence.language import Sentence

LISTEN_S: Final = 10.0
"""Of all that is on air one report in 64 is a sign of life: a street gives several in this time."""
RUNS_STEP: Final = Sentence(
    "where the gateway runs, `presence status` says how its radio does; stop it to have the "
    "adapter checked"
)
NOBODY_STEP: Final = Sentence("hold a phone near with its Bluetooth settings open, and check again")


async def look_at_user_channel(
    settings: Settings,
    *,
    listen_s: float = LISTEN_S,
    radios: list[UserChannelScanner] | None = None,
) -> list[Finding]:
    """`radios`: those of the settings where None."""
    if radios is None:
        radios = user_channel_radios(
            settings, clock=SystemClock(), emit=lambda _event: None, open_at=lambda _utc_s: True
        )
    return [finding for radio in radios for finding in await _look_at(radio, listen_s)]


async def _look_at(radio: UserChannelScanner, listen_s: float) -> list[Finding]:
    name = radio.antenna
    try:
        adapter, kind, signs = await radio.listen(listen_s)
    except RadioError as error:
        taken = error.fault is RadioFault.ADAPTER_TAKEN
        verdict = Verdict.WARN if taken else Verdict.FAIL
        step = RUNS_STEP if taken else error.fault.value
        no_scan = Sentence("{antenna}: no scan: {reason}", antenna=name, reason=error.detail)
        return [Finding("radio", verdict, no_scan, step)]
    scans = Sentence(
        "{antenna}: {adapter} ({address}) is ours, without bluetoothd; scan {kind}",
        antenna=name,
        adapter=adapter.name,
        address=adapter.address,
        kind=kind,
    )
    path = Finding("radio path", Verdict.PASS, scans)
    if not signs:
        found = Sentence(
            "{antenna}: nobody was on air for {seconds:.0f} s", antenna=name, seconds=listen_s
        )
        return [path, Finding("radio", Verdict.WARN, found, NOBODY_STEP)]
    return [path, Finding("radio", Verdict.PASS, Sentence("{antenna}: hears", antenna=name))]
