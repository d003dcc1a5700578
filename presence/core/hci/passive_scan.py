"""Keeps one controller scanning: what the host says when, and what it does without an answer.

    STOPPED ◄── stop ── from everywhere
       │ begin
       ▼        a descriptor          reset, abilities, masks,
    OPENING ───────────────► STARTING ── parameters, enable ──► SCANNING
       ▲  │ none to be had     │    ▲                              │
       │  ▼                    │    └── reset ◄── failed, silent ──┤ asked whether it is there, in
       WAITING ◄───────────────┴──── close ◄── and again ──────────┘ silence
                   closed, or gone

1. One command at a time, as the controller allows (Num_HCI_Command_Packets, Core 5.4, Vol 4 Part E
   §4.4). Each answer has `answer_s`.
2. Silence is no fault: no customer is there. After `ask_s` of it the controller is asked for its
   version; after `renew_s` the scan is said anew, for a controller that has reset itself says
   nothing of it.
3. A controller that scanned and fails (no answer, hardware error, a refusal) is reset. One that
   fails again before a scan has lasted, or does not even start, is closed: the kernel switches it
   off then, and on when it is opened again. The pause between doubles, up to `max_pause_s`.
4. The best scan comes first: extended with LE Coded (where it is wished for), extended, legacy.
   What the controller refuses is not asked of it again until it is opened anew.

No socket and no clock: events and the time go in, what is to be done comes out. Times are monotonic
seconds. Who drives it calls `advance` at `due_s`.
"""

import struct
from collections import deque
from dataclasses import dataclass
from enum import Enum
from typing import Final

from presence.core.hci import commands, packets
from presence.core.hci.events import CommandAnswer, Event, HardwareError, scan_abilities


@dataclass(frozen=True, kw_only=True)
class ScanPace:
    """How long each thing may take; tests are in a hurry."""

    answer_s: float = 2.0
    """Linux gives a controller as long (HCI_CMD_TIMEOUT)."""
    ask_s: float = 5.0
    """With two answers that do not come and `off_s` that is 10 s: within the 15 s of R-61."""
    renew_s: float = 60.0
    lasts_s: float = 60.0
    """A scan that lasted so long was sound: what follows is a new failure."""
    off_s: float = 1.0
    """Between closing and opening: controllers need a moment to forget."""
    again_s: float = 3.0
    """From one look for an adapter that is gone to the next."""
    max_pause_s: float = 12.0
    """R-61 holds still."""


SCAN_PACE: Final = ScanPace()
INTERVAL: Final = 0x00A0
"""100 ms in slots; a window as long is all of the time (§7.8.10: "scanning should be run
continuously").
"""
CODED_WINDOW: Final = INTERVAL // 4
"""Of what LE Coded takes from LE 1M: a radio hears one PHY at a time."""


class Phase(Enum):
    STOPPED = "nothing is wanted"
    OPENING = "a descriptor is being asked for"
    WAITING = "until it is time to ask for a descriptor"
    STARTING = "the controller is told what to do"
    SCANNING = "it hears"


LEGACY_ONLY: Final = "the controller has no extended scan: it hears legacy advertisements only"
NOT_CODED: Final = "the controller has no LE Coded: it hears LE 1M only"


class ScanKind(Enum):
    """What a controller's scan hears; the value is the word for an operator."""

    CODED = "extended, with LE Coded"
    EXTENDED = "extended"
    LEGACY = "legacy"


@dataclass(frozen=True, slots=True)
class OpenChannel:
    """Ask for a descriptor; then `opened` or `refused`."""


@dataclass(frozen=True, slots=True)
class SendCommand:
    packet: bytes


@dataclass(frozen=True, slots=True)
class CloseChannel:
    """Let go of the descriptor; the kernel switches the controller off."""


@dataclass(frozen=True, slots=True)
class ScanBegan:
    """A scan runs."""

    kind: ScanKind


@dataclass(frozen=True, slots=True)
class Recovers:
    """What is done about a failure, for the journal."""

    step: str
    """`hci_reset` or `power_cycle`."""
    reason: str
    attempt: int
    """Since a scan has lasted, from 1."""


Deed = OpenChannel | SendCommand | CloseChannel | ScanBegan | Recovers

_QUESTIONS: Final = {
    packets.READ_LOCAL_VERSION,
    packets.READ_LOCAL_COMMANDS,
    packets.LE_READ_LOCAL_FEATURES,
}
"""A refusal is an answer. Without any of the other commands there is no scan."""
_NAMES: Final = {
    packets.RESET: "Reset",
    packets.READ_LOCAL_VERSION: "Read Local Version Information",
    packets.READ_LOCAL_COMMANDS: "Read Local Supported Commands",
    packets.LE_READ_LOCAL_FEATURES: "LE Read Local Supported Features",
    packets.SET_EVENT_MASK: "Set Event Mask",
    packets.LE_SET_EVENT_MASK: "LE Set Event Mask",
    packets.LE_SET_RANDOM_ADDRESS: "LE Set Random Address",
    packets.LE_SET_SCAN_PARAMETERS: "LE Set Scan Parameters",
    packets.LE_SET_SCAN_ENABLE: "LE Set Scan Enable",
    packets.LE_SET_EXTENDED_SCAN_PARAMETERS: "LE Set Extended Scan Parameters",
    packets.LE_SET_EXTENDED_SCAN_ENABLE: "LE Set Extended Scan Enable",
}
"""As the specification calls them: what stands in a log can be looked up."""


class PassiveScan:
    """Of one controller, through all its descriptors."""

    def __init__(self, *, coded: bool = False, pace: ScanPace = SCAN_PACE) -> None:
        """`coded`: LE Coded too, where the controller has it; it takes a quarter of the time."""
        self._wishes_coded = coded
        self._pace = pace
        self.phase = Phase.STOPPED
        self.due_s: float | None = None
        """When `advance` is to be called next; None: only something else goes on."""
        self.kind: ScanKind | None = None
        """Of the scan that runs or is being started."""
        self.strays = 0
        """Answers to what was not asked: late ones, garbled ones."""
        self._steps: deque[bytes] = deque()
        self._asked: int | None = None
        """The opcode that is to be answered."""
        self._may_send = 1
        self._commands = b""
        self._kinds: list[ScanKind] = []
        """Still to be tried, the best first."""
        self._renewed_s = self._began_s = 0.0
        self._resets = self._cycles = 0
        """Since a scan has lasted."""
        self._refusals = 0

    @property
    def falls_short(self) -> str | None:
        """Why the scan hears less than could be wished for."""
        if self.kind is ScanKind.LEGACY:
            return LEGACY_ONLY
        return NOT_CODED if self._wishes_coded and self.kind is ScanKind.EXTENDED else None

    def begin(self) -> list[Deed]:
        """Listen from now on."""
        if self.phase is not Phase.STOPPED:
            return []
        return self._open()

    def stop(self) -> list[Deed]:
        """Nothing is to be heard: the shop has closed."""
        if self.phase not in (Phase.STARTING, Phase.SCANNING):
            self._rest(Phase.STOPPED, None)
            return []
        deeds: list[Deed] = [CloseChannel()]
        # To be closed ends no scan: the kernel resets few controllers then. One that owes an answer
        # takes no other command, and goes on until it is opened anew.
        if self.phase is Phase.SCANNING and self.kind and self._asked is None and self._may_send:
            deeds.insert(0, SendCommand(_enable(self.kind, on=False)))
        self._rest(Phase.STOPPED, None)
        return deeds

    def opened(self, now_s: float) -> list[Deed]:
        """A descriptor is there."""
        if self.phase is not Phase.OPENING:
            return [CloseChannel()]
        self._refusals = 0
        self._kinds = []
        return self._reset(now_s)

    def refused(self, now_s: float, *, gone: bool) -> list[Deed]:
        """None is to be had; `gone`: because the adapter is not there."""
        if self.phase is Phase.OPENING:
            self._refusals += 1
            doublings = 0 if gone else min(self._refusals - 1, 8)
            self._rest(
                Phase.WAITING,
                now_s + min(self._pace.max_pause_s, self._pace.again_s * 2**doublings),
            )
        return []

    def lost(self, now_s: float) -> list[Deed]:
        """The descriptor is dead: the adapter was pulled out, or its driver let go of it."""
        if self.phase in (Phase.STARTING, Phase.SCANNING):
            self._rest(Phase.WAITING, now_s + self._pace.again_s)
            return [CloseChannel()]
        return []

    def heard(self, now_s: float) -> None:
        """Somebody's advertisement was reported."""
        if self.phase is Phase.SCANNING:
            self._renewed_s = now_s
            if self._asked is None:
                self.due_s = now_s + self._pace.ask_s

    def restart(self, now_s: float) -> list[Deed]:
        """From the beginning, whatever the controller thinks of itself."""
        return self._reset(now_s) if self.phase is Phase.SCANNING else []

    def cycle(self, now_s: float) -> list[Deed]:
        """Off and on."""
        if self.phase not in (Phase.STARTING, Phase.SCANNING):
            return []
        self._rest(Phase.WAITING, now_s + self._pace.off_s)
        return [CloseChannel()]

    def received(self, event: Event, now_s: float) -> list[Deed]:
        """What the controller says beside its reports."""
        if self.phase not in (Phase.STARTING, Phase.SCANNING):
            return []
        if isinstance(event, HardwareError):
            return self._failed(now_s, f"the controller reports hardware error {event.code}")
        self._may_send = event.may_send
        if event.opcode and event.opcode == self._asked:
            return [] if event.pending else self._answered(event, now_s)
        self.strays += bool(event.opcode)
        return self._next(now_s)

    def advance(self, now_s: float) -> list[Deed]:
        """Time passes."""
        if self.due_s is None or now_s < self.due_s:
            return []
        if self.phase is Phase.WAITING:
            return self._open()
        if self._asked is not None:
            return self._failed(now_s, f"no answer to {_NAMES[self._asked]}")
        if self._steps:
            return self._failed(now_s, "the controller takes no command")
        if now_s - self._renewed_s >= self._pace.renew_s and self.kind is not None:
            self._renewed_s = now_s
            self._steps.extend((_enable(self.kind, on=False), *_setup(self.kind)))
        else:
            self._steps.append(commands.read_local_version())
        return self._next(now_s)

    def _open(self) -> list[Deed]:
        self._rest(Phase.OPENING, None)
        return [OpenChannel()]

    def _rest(self, phase: Phase, due_s: float | None) -> None:
        """Without a descriptor."""
        self.phase, self.due_s, self.kind = phase, due_s, None
        self._steps.clear()
        self._asked, self._may_send = None, 1

    def _reset(self, now_s: float) -> list[Deed]:
        """After it the controller takes one command, whatever it said before (§7.3.2)."""
        self.phase = Phase.STARTING
        self._asked, self._may_send = None, 1
        self._commands = b""
        self._steps.clear()
        self._steps.append(commands.reset())
        if not self._kinds:
            self._steps.extend((commands.read_local_commands(), commands.le_read_local_features()))
        else:
            self._steps.extend(_setup(self._kinds[0]))
        return self._next(now_s)

    def _next(self, now_s: float) -> list[Deed]:
        """Say the next command, once it may be said."""
        if self._asked is not None or not self._steps:
            return []
        self.due_s = now_s + self._pace.answer_s
        if not self._may_send:
            return []
        packet = self._steps.popleft()
        (self._asked,) = struct.unpack_from("<H", packet, 1)
        return [SendCommand(packet)]

    def _answered(self, answer: CommandAnswer, now_s: float) -> list[Deed]:
        self._asked = None
        if answer.status and answer.opcode not in _QUESTIONS:
            return self._not_taken(answer, now_s)
        if answer.opcode == packets.READ_LOCAL_COMMANDS:
            self._commands = answer.returned
        elif answer.opcode == packets.LE_READ_LOCAL_FEATURES:
            self._kinds = self._worth_trying(answer.returned)
            self._steps.extend(_setup(self._kinds[0]))
        if self._steps:
            return self._next(now_s)
        self.due_s = now_s + self._pace.ask_s
        if self.phase is Phase.SCANNING:
            if now_s - self._began_s >= self._pace.lasts_s:
                self._resets = self._cycles = 0
            return []
        self.phase, self.kind = Phase.SCANNING, self._kinds[0]
        self._began_s = self._renewed_s = now_s
        return [ScanBegan(self.kind)]

    def _worth_trying(self, features: bytes) -> list[ScanKind]:
        able = scan_abilities(self._commands, features)
        kinds = [ScanKind.LEGACY]
        if able.extended:
            kinds.insert(0, ScanKind.EXTENDED)
        if able.coded and self._wishes_coded:
            kinds.insert(0, ScanKind.CODED)
        return kinds

    def _not_taken(self, answer: CommandAnswer, now_s: float) -> list[Deed]:
        reason = f"{_NAMES[answer.opcode]} was refused with status {answer.status:#04x}"
        if self.phase is Phase.STARTING and answer.opcode != packets.RESET and self._kinds[1:]:
            self._kinds.pop(0)
            return self._reset(now_s)
        return self._failed(now_s, reason)

    def _failed(self, now_s: float, reason: str) -> list[Deed]:
        """Rule 3."""
        scanned = self.phase is Phase.SCANNING
        if scanned and now_s - self._began_s >= self._pace.lasts_s:
            self._resets = self._cycles = 0
        if scanned and not self._resets:
            self._resets += 1
            return [Recovers("hci_reset", reason, self._resets), *self._reset(now_s)]
        self._cycles += 1
        pause_s = min(self._pace.max_pause_s, self._pace.off_s * 2.0 ** min(self._cycles - 1, 8))
        self._rest(Phase.WAITING, now_s + pause_s)
        return [Recovers("power_cycle", reason, self._cycles), CloseChannel()]


def _setup(kind: ScanKind) -> tuple[bytes, ...]:
    """From what a reset leaves to a scan."""
    if kind is ScanKind.LEGACY:
        parameters = commands.le_set_scan_parameters(interval=INTERVAL, window=INTERVAL)
    else:
        coded = CODED_WINDOW if kind is ScanKind.CODED else 0
        parameters = commands.le_set_extended_scan_parameters(
            interval=INTERVAL, window=INTERVAL - coded, coded_window=coded
        )
    return (
        commands.set_event_mask(),
        commands.le_set_event_mask(),
        commands.le_set_random_address(),
        parameters,
        _enable(kind, on=True),
    )


def _enable(kind: ScanKind, *, on: bool) -> bytes:
    if kind is ScanKind.LEGACY:
        return commands.le_set_scan_enable(on=on)
    return commands.le_set_extended_scan_enable(on=on)
