"""A controller is told to scan, and brought back from whatever it does."""

from collections.abc import Callable
from contextlib import suppress

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from presence.core.hci import packets
from presence.core.hci.events import HardwareError, MalformedEvent, decode_event
from presence.core.hci.passive_scan import SCAN_PACE as PACE
from presence.core.hci.passive_scan import (
    CloseChannel,
    Deed,
    OpenChannel,
    PassiveScan,
    Phase,
    Recovers,
    ScanBegan,
    ScanKind,
    SendCommand,
)
from tests.support.examples import examples
from tests.support.hci_controller import (
    COMMANDS,
    EXTENDED_ENABLE,
    EXTENDED_PARAMETERS,
    FEATURES,
    RESET,
    VERSION,
    FakeController,
)

R61_S = 15.0


class World:
    """A scan, its controller and the time: each answers at once unless it is told otherwise."""

    def __init__(self, controller: FakeController | None = None, *, coded: bool = False) -> None:
        self.scan = PassiveScan(coded=coded)
        self.controller = controller or FakeController()
        self.now_s = 100.0
        self.plugged = True
        self.answers: Callable[[bytes], bool] = lambda _packet: True
        """Whether the controller takes a command at all."""
        self.deeds: list[Deed] = []
        self.said: list[int] = []
        self.attached = False

    def take(self, deeds: list[Deed]) -> None:
        """Do what the scan wants done, and whatever follows from it."""
        waiting = list(deeds)
        while waiting:
            deed = waiting.pop(0)
            self.deeds.append(deed)
            if isinstance(deed, OpenChannel):
                waiting += self._open()
            elif isinstance(deed, CloseChannel):
                self.attached = False
                self.controller.power_cycle()
            elif isinstance(deed, SendCommand):
                assert self.attached
                waiting += self._send(deed.packet)

    def _open(self) -> list[Deed]:
        if not self.plugged:
            return self.scan.refused(self.now_s, gone=True)
        self.attached = True
        return self.scan.opened(self.now_s)

    def _send(self, packet: bytes) -> list[Deed]:
        self.said.append(int.from_bytes(packet[1:3], "little"))
        if not self.answers(packet):
            return []
        return self.received(self.controller.command(packet))

    def received(self, packet: bytes) -> list[Deed]:
        event = decode_event(packet, 1, len(packet))
        return [] if event is None else self.scan.received(event, self.now_s)

    def unplug(self) -> None:
        self.plugged = False
        self.controller.power_cycle()
        self.take(self.scan.lost(self.now_s))
        self.attached = False

    def passes(self, seconds: float) -> None:
        """Time, with each deadline in it kept."""
        end_s = self.now_s + seconds
        while self.scan.due_s is not None and self.scan.due_s <= end_s:
            self.now_s = max(self.now_s, self.scan.due_s)
            self.take(self.scan.advance(self.now_s))
        self.now_s = end_s

    def begun(self) -> "World":
        self.take(self.scan.begin())
        return self

    def recovered(self) -> list[str]:
        return [deed.step for deed in self.deeds if isinstance(deed, Recovers)]


@pytest.mark.requirement("R-04")
@pytest.mark.parametrize(
    ("controller", "wishes_coded", "kind", "duty"),
    [
        (FakeController(extended=False, coded=False), True, ScanKind.LEGACY, 1.0),
        (FakeController(extended=True, coded=False), True, ScanKind.EXTENDED, 1.0),
        (FakeController(extended=True, coded=True), False, ScanKind.EXTENDED, 1.0),
        (FakeController(extended=True, coded=True), True, ScanKind.CODED, 0.75),
    ],
)
def test_the_best_scan_that_the_controller_has_begins_passive_and_with_repeats(
    controller: FakeController, *, wishes_coded: bool, kind: ScanKind, duty: float
) -> None:
    world = World(controller, coded=wishes_coded).begun()

    assert world.deeds[-1] == ScanBegan(kind)
    assert world.scan.phase is Phase.SCANNING
    assert controller.hears
    assert not controller.state.active
    assert controller.duty == duty
    assert bool(controller.state.phys & 0b100) is (kind is ScanKind.CODED)


@pytest.mark.parametrize(
    ("refuses", "kind"),
    [
        ([EXTENDED_PARAMETERS], ScanKind.LEGACY),
        ([EXTENDED_ENABLE], ScanKind.LEGACY),
        ([VERSION], ScanKind.EXTENDED),
        ([COMMANDS], ScanKind.LEGACY),
        ([FEATURES], ScanKind.LEGACY),
    ],
)
def test_what_a_controller_refuses_is_done_without_where_that_can_be(
    refuses: list[int], kind: ScanKind
) -> None:
    controller = FakeController(refuses=refuses)
    world = World(controller).begun()

    assert world.deeds[-1] == ScanBegan(kind)
    assert controller.hears
    world.passes(PACE.renew_s)
    assert not world.recovered()


def test_one_that_refuses_every_scan_is_tried_ever_more_seldom_and_says_why() -> None:
    controller = FakeController(extended=False, refuses=[0x200C])
    world = World(controller).begun()
    world.passes(120)

    reasons = {deed.reason for deed in world.deeds if isinstance(deed, Recovers)}
    assert reasons == {"LE Set Scan Enable was refused with status 0x01"}
    assert world.recovered() == ["power_cycle"] * len(world.recovered())
    # 1, 2, 4, 8, then every 12 s.
    assert len(world.recovered()) == 1 + 4 + int((120 - 15) // PACE.max_pause_s)


def test_in_silence_the_controller_is_asked_and_now_and_then_told_anew() -> None:
    world = World().begun()
    world.said.clear()

    world.passes(PACE.renew_s - 1)
    assert set(world.said) == {VERSION}
    assert len(world.said) == int((PACE.renew_s - 1) // PACE.ask_s)
    assert not world.recovered()

    world.controller.power_cycle()  # it reset itself, and says nothing
    assert not world.controller.hears
    world.passes(PACE.ask_s)
    assert world.controller.hears
    assert not world.recovered()


def test_while_somebody_is_heard_the_controller_is_left_in_peace() -> None:
    world = World().begun()
    world.said.clear()

    for _ in range(200):
        world.passes(PACE.ask_s - 0.5)
        world.scan.heard(world.now_s)

    assert not world.said


def test_a_controller_that_hangs_for_a_moment_is_reset_and_hears_again() -> None:
    world = World().begun()
    world.answers = lambda packet: int.from_bytes(packet[1:3], "little") != VERSION

    world.passes(PACE.ask_s + PACE.answer_s)

    assert world.recovered() == ["hci_reset"]
    assert world.scan.phase is Phase.SCANNING
    assert world.controller.hears


def test_a_firmware_that_hangs_is_off_and_on_within_the_time_that_is_promised() -> None:
    world = World().begun()
    began_s = world.now_s
    world.answers = lambda _packet: not world.attached or world.scan.phase is Phase.OPENING
    world.passes(PACE.ask_s + 2 * PACE.answer_s)
    assert world.recovered() == ["hci_reset", "power_cycle"]
    assert not world.attached

    world.answers = lambda _packet: True  # as firmware is that was loaded anew
    while world.scan.phase is not Phase.SCANNING:
        world.passes(0.1)

    assert world.now_s - began_s <= R61_S
    assert world.now_s - began_s == pytest.approx(
        PACE.ask_s + 2 * PACE.answer_s + PACE.off_s, abs=0.2
    )
    assert world.controller.hears


def test_a_hardware_error_is_answered_with_a_reset_and_another_soon_with_off_and_on() -> None:
    world = World().begun()
    for _ in range(2):
        world.controller.power_cycle()
        world.take(world.scan.received(HardwareError(0x42), world.now_s))
        world.passes(PACE.off_s)
        assert world.controller.hears

    assert world.recovered() == ["hci_reset", "power_cycle"]
    reason = "the controller reports hardware error 66"
    assert all(deed.reason == reason for deed in world.deeds if isinstance(deed, Recovers))

    world.passes(PACE.lasts_s + PACE.ask_s)
    world.take(world.scan.received(HardwareError(0x42), world.now_s))
    assert world.recovered()[2:] == ["hci_reset"]


def test_an_adapter_that_is_pulled_out_is_looked_for_at_one_pace_and_used_when_it_is_back() -> None:
    world = World().begun()
    world.unplug()
    world.deeds.clear()

    world.passes(60)
    assert (
        len([deed for deed in world.deeds if isinstance(deed, OpenChannel)]) == 60 // PACE.again_s
    )
    world.plugged, plugged_s = True, world.now_s
    world.passes(PACE.again_s)

    assert world.scan.phase is Phase.SCANNING
    assert world.now_s - plugged_s <= R61_S
    assert world.controller.hears


def test_a_descriptor_that_is_refused_for_another_reason_is_asked_for_ever_more_seldom() -> None:
    scan = PassiveScan()
    assert scan.begin() == [OpenChannel()]
    pauses = []
    now_s = 0.0
    for _ in range(5):
        assert scan.refused(now_s, gone=False) == []
        assert scan.due_s is not None
        pauses.append(scan.due_s - now_s)
        now_s = scan.due_s
        assert scan.advance(now_s) == [OpenChannel()]

    assert pauses == [3, 6, 12, 12, 12]


@pytest.mark.requirement("R-19")
def test_when_the_shop_closes_the_controller_is_let_go_of_and_scans_again_when_it_opens() -> None:
    world = World().begun()

    world.take(world.scan.stop())
    assert not world.attached
    assert not world.controller.hears
    world.passes(3600)
    assert world.scan.due_s is None

    world.begun()
    assert world.controller.hears


@pytest.mark.requirement("R-19")
@pytest.mark.parametrize("extended", [True, False])
def test_its_scan_is_ended_first_for_to_be_closed_does_not_end_it(*, extended: bool) -> None:
    """The kernel resets few controllers when it closes them (HCI_QUIRK_RESET_ON_CLOSE)."""
    world = World(FakeController(extended=extended, coded=False)).begun()

    ends, closes = world.scan.stop()
    assert isinstance(ends, SendCommand)
    assert closes == CloseChannel()
    world.controller.command(ends.packet)
    assert not world.controller.hears


def test_a_controller_that_owes_an_answer_is_closed_without_another_command() -> None:
    world = World().begun()
    world.answers = lambda _packet: False
    world.passes(PACE.ask_s)
    assert world.scan.stop() == [CloseChannel()]


def test_a_descriptor_that_comes_when_nothing_is_wanted_any_more_is_let_go_of() -> None:
    scan = PassiveScan()
    scan.begin()
    assert scan.stop() == []
    assert scan.opened(1) == [CloseChannel()]
    assert scan.phase is Phase.STOPPED


def test_commands_wait_until_the_controller_takes_them() -> None:
    scan = PassiveScan()
    scan.begin()
    scan.opened(0)
    taken = decode_event(bytes.fromhex("0e0400030c00"), 0, 6)
    assert taken is not None

    assert scan.received(taken, 0.1) == []  # Num_HCI_Command_Packets is 0
    free = decode_event(bytes.fromhex("0e03010000"), 0, 5)
    assert free is not None
    [sent] = scan.received(free, 0.2)
    assert isinstance(sent, SendCommand)
    assert sent.packet[1:3] == packets.READ_LOCAL_COMMANDS.to_bytes(2, "little")


def test_a_controller_that_never_takes_another_command_is_off_and_on() -> None:
    scan = PassiveScan()
    scan.begin()
    scan.opened(0)
    taken = decode_event(bytes.fromhex("0e0400030c00"), 0, 6)
    assert taken is not None
    scan.received(taken, 0)

    recovers, close = scan.advance(PACE.answer_s)
    assert recovers == Recovers("power_cycle", "the controller takes no command", 1)
    assert close == CloseChannel()


def test_a_command_that_is_only_begun_is_not_answered_yet() -> None:
    scan = PassiveScan()
    scan.begin()
    scan.opened(0)
    begun = decode_event(bytes.fromhex("0f040001030c"), 0, 6)
    assert begun is not None
    assert scan.received(begun, 0) == []
    done = decode_event(bytes.fromhex("0e0401030c00"), 0, 6)
    assert done is not None
    assert len(scan.received(done, 1)) == 1


def test_what_the_care_asks_for_is_done_while_it_scans() -> None:
    world = World().begun()
    world.said.clear()

    world.take(world.scan.restart(world.now_s))
    assert world.said[0] == RESET
    assert world.controller.hears

    world.take(world.scan.cycle(world.now_s))
    assert not world.attached
    world.passes(PACE.off_s)
    assert world.controller.hears
    assert not world.recovered()


class AnyController(RuleBasedStateMachine):
    """Answers that are lost, late, twice or garbled; hangs, hardware errors, unplugging at any
    moment.
    """

    def __init__(self) -> None:
        super().__init__()
        self.now_s = 0.0
        self.attached = False
        self.plugged = True
        self.unanswered: list[bytes] = []
        self.late: list[bytes] = []
        self.deceived = False
        """It may take for done what was not: a late answer, a garbled one."""

    @initialize(extended=st.booleans(), coded=st.booleans(), wishes=st.booleans())
    def begin(self, *, extended: bool, coded: bool, wishes: bool) -> None:
        self.controller = FakeController(extended=extended, coded=coded)
        self.scan = PassiveScan(coded=wishes)
        self.do(self.scan.begin())

    def do(self, deeds: list[Deed]) -> None:
        for deed in deeds:
            if isinstance(deed, OpenChannel):
                assert not self.attached
                # A descriptor takes a moment: see `descriptor`.
            elif isinstance(deed, CloseChannel):
                self.attached = False
                self.late += self.unanswered
                self.unanswered.clear()
                self.controller.power_cycle()
            elif isinstance(deed, SendCommand):
                assert self.attached
                # One at a time; only a reset may interrupt what is not answered.
                opcode = int.from_bytes(deed.packet[1:3], "little")
                assert not self.unanswered or opcode == RESET or self.deceived
                self.late += self.unanswered
                self.unanswered = [deed.packet]
                self.deceived = self.deceived and opcode != RESET
            elif isinstance(deed, ScanBegan):
                assert self.controller.hears or self.deceived
                assert not self.controller.state.active

    @precondition(lambda self: self.scan.phase is Phase.OPENING)
    @rule()
    def descriptor(self) -> None:
        if self.plugged:
            self.attached = True
            self.do(self.scan.opened(self.now_s))
        else:
            self.do(self.scan.refused(self.now_s, gone=True))

    @precondition(lambda self: self.scan.phase is Phase.OPENING)
    @rule(gone=st.booleans())
    def no_descriptor(self, *, gone: bool) -> None:
        self.do(self.scan.refused(self.now_s, gone=gone))

    @precondition(lambda self: self.unanswered)
    @rule(garbled=st.one_of(st.none(), st.tuples(st.integers(1, 80), st.integers(0, 255))))
    def answers(self, garbled: tuple[int, int] | None) -> None:
        packet = bytearray(self.controller.command(self.unanswered.pop()))
        if garbled is not None:
            packet[min(garbled[0], len(packet) - 1)] = garbled[1]
            self.deceived = True
        self.received(bytes(packet))

    def received(self, packet: bytes) -> None:
        with suppress(MalformedEvent):
            event = decode_event(packet, 1, len(packet))
            if event is not None:
                self.do(self.scan.received(event, self.now_s))

    @precondition(lambda self: self.unanswered)
    @rule(done=st.booleans())
    def an_answer_is_lost(self, *, done: bool) -> None:
        packet = self.unanswered.pop()
        if done:
            self.controller.command(packet)

    @precondition(lambda self: self.late)
    @rule()
    def a_late_answer_comes(self) -> None:
        opcode = self.late.pop()[1:3]
        self.deceived = True
        self.received(b"\x04\x0e\x04\x01" + opcode + b"\x00")

    @rule(noise=st.binary(min_size=1, max_size=12))
    def noise(self, noise: bytes) -> None:
        self.deceived = True
        self.received(b"\x04" + noise)

    @precondition(lambda self: self.attached)
    @rule(code=st.integers(0, 255))
    def a_hardware_error(self, code: int) -> None:
        self.controller.power_cycle()
        self.do(self.scan.received(HardwareError(code), self.now_s))

    @rule()
    def somebody_is_heard(self) -> None:
        self.scan.heard(self.now_s)

    @rule(seconds=st.sampled_from([0.1, 1.0, PACE.answer_s, PACE.ask_s, PACE.renew_s]))
    def time_passes(self, seconds: float) -> None:
        self.now_s += seconds
        self.do(self.scan.advance(self.now_s))

    @rule()
    def unplug(self) -> None:
        self.plugged = False
        self.late += self.unanswered
        self.unanswered.clear()
        self.controller.power_cycle()
        if self.attached:
            self.do(self.scan.lost(self.now_s))
        self.attached = False

    @rule()
    def plug(self) -> None:
        self.plugged = True

    @rule()
    def shop_closes(self) -> None:
        self.do(self.scan.stop())

    @rule()
    def shop_opens(self) -> None:
        self.do(self.scan.begin())

    @rule(how=st.sampled_from(["restart", "cycle"]))
    def care(self, how: str) -> None:
        self.do(getattr(self.scan, how)(self.now_s))

    @invariant()
    def it_always_waits_for_something(self) -> None:
        if not hasattr(self, "scan"):
            return
        waits = self.scan.due_s is not None
        assert waits is (self.scan.phase not in (Phase.STOPPED, Phase.OPENING))
        assert self.attached is (self.scan.phase in (Phase.STARTING, Phase.SCANNING))

    def teardown(self) -> None:
        """Once everything is well again it scans, and soon."""
        if not hasattr(self, "scan"):
            return
        self.plugged = True
        self.do(self.scan.begin())
        until_s = self.now_s + PACE.renew_s + 2 * PACE.ask_s + 2 * PACE.answer_s + PACE.max_pause_s
        while self.now_s < until_s:
            if self.scan.phase is Phase.OPENING:
                self.descriptor()
            while self.unanswered:
                self.received(self.controller.command(self.unanswered.pop()))
            self.now_s += 0.5
            self.do(self.scan.advance(self.now_s))
        while self.unanswered:
            self.received(self.controller.command(self.unanswered.pop()))
        assert self.scan.phase is Phase.SCANNING
        assert self.controller.hears


TestAnyController = AnyController.TestCase
TestAnyController.settings = examples(200, stateful_step_count=40)
