"""What the kernel lets pass is handed on with its time of hearing, in batches, and without loss."""

import asyncio
import contextlib
import itertools
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from presence.core.recognition.beacons import eddystone
from presence.core.timestamps import Moment
from presence.edges.host.clock import SystemClock
from presence.edges.kernel.descriptor import Descriptor, ask
from presence.edges.kernel.monitor_channel import BATCH, MonitorChannel
from tests.support.fakes import FakeClock
from tests.support.hci_reports import ADDRESS, event, extended_report, in_monitor, legacy_report
from tests.support.radio_helpers import FakeKernel, a_helper
from tests.support.scanners import until

PHONE = bytes.fromhex("4a1122334455")
E1 = eddystone.payload(bytes(range(8)), tx_power_dbm=-18)


@dataclass
class Listening:
    kernel: FakeKernel
    channel: MonitorChannel
    heard: list[tuple[Moment, bytes, int, bytes]] = field(default_factory=list)

    def take(self, *report: object) -> None:
        self.heard.append(report)  # type: ignore[arg-type]


@contextlib.asynccontextmanager
async def listening(folder: Path, clock: SystemClock | FakeClock) -> AsyncIterator[Listening]:
    with a_helper(folder / "socket", FakeKernel()) as kernel:
        descriptor = await ask("monitor", "hci0", path=folder / "socket")
        found = Listening(kernel, MonitorChannel(descriptor, clock))
        with contextlib.closing(found.channel), found.channel.read_by(found.take):
            yield found


async def test_each_report_comes_with_address_strength_payload_and_its_own_time(
    tmp_path: Path,
) -> None:
    clock = SystemClock()
    async with listening(tmp_path, clock) as radio:
        sent = [clock.now()]
        for number in range(3):
            radio.kernel.report(E1, address=PHONE, rssi_dbm=-60 - number)
            sent.append(clock.now())
        await asyncio.sleep(0.05)  # the times are those of hearing, not of reading
        await until(lambda: len(radio.heard) == 3)
    assert [report[1:] for report in radio.heard] == [
        (PHONE, -60 - number, E1) for number in range(3)
    ]
    for number, (at, *_) in enumerate(radio.heard):
        for clock_of in (0, 1):
            assert (
                sent[number][clock_of] - 0.01 <= at[clock_of] <= sent[number + 1][clock_of] + 0.01
            )


async def test_where_the_clock_was_set_meanwhile_the_time_is_that_of_reading(
    tmp_path: Path,
) -> None:
    """The kernel's stamp is of today; the clock of this test is of another day."""
    clock = FakeClock()
    async with listening(tmp_path, clock) as radio:
        radio.kernel.report(E1)
        await until(lambda: bool(radio.heard))
    assert radio.heard[0][0] == clock.now()


async def test_more_than_a_batch_leaves_other_tasks_their_turn_and_loses_nothing(
    tmp_path: Path,
) -> None:
    turns = []
    async with listening(tmp_path, SystemClock()) as radio:
        sending = asyncio.to_thread(
            lambda: [radio.kernel.report(E1, rssi_dbm=-n % 90) for n in range(3 * BATCH)]
        )
        sent = asyncio.create_task(sending)
        while len(radio.heard) < 3 * BATCH:
            turns.append(len(radio.heard))
            await asyncio.sleep(0)
        await sent
        assert radio.channel.missed == 0
    assert max(after - before for before, after in itertools.pairwise(turns)) <= BATCH
    assert radio.channel.counts.legacy == 3 * BATCH


async def test_several_reports_of_one_event_and_extended_ones_are_taken_apart(
    tmp_path: Path,
) -> None:
    async with listening(tmp_path, SystemClock()) as radio:
        (channel,) = radio.kernel.channels
        stranger = legacy_report(b"\x02\x01\x06", address=bytes(6), rssi_dbm=-80)
        ours = legacy_report(E1, address=PHONE, rssi_dbm=-50)
        channel.send(in_monitor(event(stranger, ours)))
        channel.send(in_monitor(event(extended_report(E1, address=PHONE), extended=True)))
        await until(lambda: len(radio.heard) == 3)
    assert [report[1:] for report in radio.heard] == [
        (bytes(6), -80, b"\x02\x01\x06"),
        (PHONE, -50, E1),
        (PHONE, -60, E1),
    ]


async def test_after_the_block_nothing_is_read_any_more(tmp_path: Path) -> None:
    with a_helper(tmp_path / "socket", FakeKernel()) as kernel:
        descriptor = await ask("monitor", "hci0", path=tmp_path / "socket")
        heard: list[object] = []
        with contextlib.closing(MonitorChannel(descriptor, SystemClock())) as channel:
            with channel.read_by(lambda *report: heard.append(report)):
                pass
            kernel.report(E1)
            await asyncio.sleep(0.02)
    assert not heard


class Unfiltered:
    """A descriptor on which anything comes, as if there were no filter."""

    def __init__(self, packets: list[bytes]) -> None:
        self._packets = packets

    def recvmsg(self, size: int, _space: int) -> tuple[bytes, list[object], int, object]:
        if not self._packets:
            raise BlockingIOError
        return self._packets.pop(0)[:size], [], 0, None


@pytest.mark.requirement("T-05")
@given(st.lists(st.binary(max_size=80) | st.binary(max_size=80).map(in_monitor), max_size=5))
def test_bytes_of_any_kind_on_the_descriptor_raise_nothing(noise: list[bytes]) -> None:
    """The filter is the kernel's; what it would let pass wrongly is read with care, too."""
    packets = [*noise, in_monitor(event(legacy_report(E1)))]
    channel = MonitorChannel(
        Descriptor(Unfiltered(packets), "hci0", "", "", 6),  # type: ignore[arg-type]
        FakeClock(),
    )
    heard: list[object] = []
    channel._read(lambda *report: heard.append(report))
    assert heard[-1] == (FakeClock().now(), ADDRESS, -60, E1)
