"""Every fault of a connection to the list's server is a look that failed: told, and nothing else
(R-39, R-60).

A real repository over the real HTTPS client, through a proxy that breaks the connection at a byte
of its own choice.
"""

import asyncio
import errno
import io
import itertools
import os
import random
import shutil
import time
from collections import Counter
from collections.abc import AsyncIterator, Iterable, Iterator
from contextlib import asynccontextmanager, closing, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import pytest

from presence.core.consent.freshness import Freshness
from presence.edges.consent_list import fetchers
from presence.edges.consent_list.plain import ConsentFile
from presence.edges.consent_list.regular_file import open_regular
from presence.edges.consent_list.repository import TufRepository
from presence.edges.consent_list.segment_files import WindowKeyFiles
from presence.edges.consent_list.signed import SignedList
from presence.edges.consent_list.store import ListStore
from presence.edges.host.clock import SystemClock
from presence.errors import ConsentListError
from presence.gateway.list_sync import LOOK_LIMITS, ListSync, LookLimits
from presence.ports import ConsentSource
from presence.telemetry import ConsentFetching, ConsentFreshness, ConsentRefused
from tests.support.builders import ANNA, BERIT
from tests.support.fakes import FakeConsentSource, RecordingTelemetry
from tests.support.fault_proxy import Fault, FaultProxy, Kind, fault_proxy
from tests.support.list_server import ListServer, list_server, server_context
from tests.support.signed_gateway import MAX_SPAN_S, Door
from tests.support.signed_lists import LIST, Repository, agreed

ENDING = [Kind.CUT, Kind.RESET, Kind.REORDER]
"""Faults that a client notices at once."""
WAITING = [Kind.STALL, Kind.HALF_CLOSE]
"""Faults that only patience ends."""
IMPATIENT_S = 0.1


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    return Repository(tmp_path / "repository").base([agreed(ANNA), agreed(BERIT)]).publish()


@dataclass
class Line:
    """A gateway's way to its list; each look is that of a gateway which has just been installed."""

    folder: Path
    repository: Repository
    server: ListServer
    proxy: FaultProxy
    list_sync: ListSync
    telemetry: RecordingTelemetry

    async def first_look(self, fault: Fault | None) -> bool:
        """Whether it took the list in. The lease of before the look is the same where it did
        not.
        """
        self.proxy.fault = fault
        lease = self.list_sync.lease
        shutil.rmtree(self.folder / "state", ignore_errors=True)
        shutil.rmtree(self.folder / "run", ignore_errors=True)
        with pytest.MonkeyPatch.context() as patience:
            if fault is not None and fault.kind in WAITING:
                patience.setattr(fetchers, "BETWEEN_BYTES_S", IMPATIENT_S)
                patience.setattr(fetchers, "CONNECT_S", IMPATIENT_S)
            source = self.source()
        with closing(source):
            self.list_sync.source = source
            verified = await self.list_sync.renew()
        if verified is None:
            assert self.list_sync.lease is lease
            assert self.list_sync.errors > 0
            assert self.telemetry.names()[-1] == "consent.refused"
        return verified is not None

    def source(self) -> SignedList:
        tuf = TufRepository(
            f"https://127.0.0.1:{self.proxy.port}",
            root_file=self.repository.root_file,
            metadata_dir=self.folder / "state/tuf",
            ca_file=self.folder / "tls/ca.pem",
        )
        store, keys = ListStore(self.folder / "state"), WindowKeyFiles(self.folder / "run")
        return SignedList(tuf, store, keys, name=LIST, max_span_s=MAX_SPAN_S)

    def reason(self) -> str:
        return self.telemetry.of(ConsentRefused)[-1].reason


def a_renewal(
    source: ConsentSource, telemetry: RecordingTelemetry, limits: LookLimits = LOOK_LIMITS
) -> ListSync:
    return ListSync(
        source=source,
        clock=SystemClock(),
        emit=telemetry.emit,
        lease_s=900,
        synchronised=lambda: True,
        limits=limits,
    )


@asynccontextmanager
async def a_line(
    folder: Path, repository: Repository, *, plain: bool, limits: LookLimits = LOOK_LIMITS
) -> AsyncIterator[Line]:
    """`plain`: faults fall between bytes of HTTP; otherwise between those of TLS."""
    (folder / "tls").mkdir(exist_ok=True)
    tls = server_context(folder / "tls")
    with list_server(repository.folder, tls=None if plain else tls) as server:
        async with fault_proxy(server.port, tls=tls if plain else None) as proxy:
            telemetry = RecordingTelemetry()
            # Each look brings its own source.
            list_sync = a_renewal(FakeConsentSource(), telemetry, limits)
            yield Line(folder, repository, server, proxy, list_sync, telemetry)


async def tried(line: Line, faults: Iterable[Fault]) -> int:
    """How many looks failed; after all of them a look without a fault takes the list in."""
    assert await line.first_look(None)
    failed = 0
    for fault in faults:
        failed += not await line.first_look(fault)
        assert line.list_sync.freshness(SystemClock().now()) is Freshness.FRESH
    assert await line.first_look(None)
    assert line.list_sync.errors == 0
    return failed


def some(length: int, count: int) -> Iterator[int]:
    """Byte positions, evenly spread, and the last byte."""
    yield from range(0, length, max(1, length // count))
    yield length - 1


async def length_of_a_look(line: Line) -> int:
    """Bytes that the server says on one connection while a gateway takes the list in for the first
    time.
    """
    assert await line.first_look(None)
    return line.proxy.passed


@pytest.mark.requirement("R-39")
@pytest.mark.parametrize("plain", [True, False], ids=["http", "tls"])
async def test_a_connection_that_breaks_anywhere_is_a_look_that_failed(
    tmp_path: Path, repository: Repository, *, plain: bool
) -> None:
    async with a_line(tmp_path, repository, plain=plain) as line:
        length = await length_of_a_look(line)
        faults = [Fault(kind, at) for kind in ENDING for at in some(length, 12)]
        assert await tried(line, faults) > len(faults) / 4


@pytest.mark.requirement("R-39")
@pytest.mark.parametrize("plain", [True, False], ids=["http", "tls"])
async def test_a_connection_on_which_nothing_comes_any_more_is_a_look_that_failed(
    tmp_path: Path, repository: Repository, *, plain: bool
) -> None:
    async with a_line(tmp_path, repository, plain=plain) as line:
        length = await length_of_a_look(line)
        faults = [Fault(kind, at) for kind in WAITING for at in some(length, 6)]
        assert await tried(line, faults) > len(faults) / 2


@pytest.mark.slow
@pytest.mark.requirement("R-39")
@pytest.mark.parametrize("plain", [True, False], ids=["http", "tls"])
async def test_a_connection_that_breaks_at_any_byte_is_a_look_that_failed(
    tmp_path: Path, repository: Repository, *, plain: bool
) -> None:
    """As many bytes and kinds as the time takes (PRESENCE_FAULTS_S), others each run; a failure
    names its own.
    """
    async with a_line(tmp_path, repository, plain=plain) as line:
        length = await length_of_a_look(line)
        faults = [Fault(kind, at) for kind in ENDING for at in range(length)]
        random.shuffle(faults)
        ends_at_s = time.monotonic() + float(os.environ.get("PRESENCE_FAULTS_S", "8"))
        in_time = itertools.takewhile(lambda _: time.monotonic() < ends_at_s, faults)
        assert await tried(line, in_time) > 0


@pytest.mark.requirement("R-39")
async def test_the_running_gateway_lives_through_a_cut_and_heals_with_the_next_look(
    tmp_path: Path, repository: Repository
) -> None:
    async with a_line(tmp_path, repository, plain=True) as line:
        door = Door(tmp_path, repository, location=f"https://127.0.0.1:{line.proxy.port}")
        async with door.running():
            assert door.freshness is Freshness.FRESH
            lease = door.gateway.list_sync.lease
            repository.publish()
            line.proxy.fault = Fault(Kind.CUT, 300)
            line.proxy.drop_all()
            await door.look()
            assert door.gateway.list_sync.errors > 0
            assert door.gateway.list_sync.lease is lease
            assert await door.somebody_comes_in(ANNA) == 1
            line.proxy.fault = None
            line.proxy.drop_all()
            await door.look()
            assert door.gateway.list_sync.errors == 0
            assert door.gateway.list_sync.lease is not lease


async def test_a_cut_is_told_by_its_type_and_its_file(
    tmp_path: Path, repository: Repository
) -> None:
    async with a_line(tmp_path, repository, plain=True) as line:
        length = await length_of_a_look(line)
        await line.first_look(Fault(Kind.CUT, length - 1))
        assert "ProtocolError" in line.reason()
        assert "is the network up" in line.reason()


async def test_bytes_that_drip_are_a_list_in_the_end(
    tmp_path: Path, repository: Repository
) -> None:
    async with a_line(tmp_path, repository, plain=True) as line:
        length = await length_of_a_look(line)
        assert await line.first_look(Fault(Kind.DRIP, length - 40))


@pytest.mark.requirement("R-39")
async def test_a_server_that_drips_is_given_up_though_each_byte_comes_in_time(
    tmp_path: Path, repository: Repository, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with a_line(tmp_path, repository, plain=True) as line:
        assert await line.first_look(None)
        monkeypatch.setattr(fetchers, "FETCH_S", 0.3)
        assert not await line.first_look(Fault(Kind.DRIP, 600))
        assert "not complete after" in line.reason()


@pytest.mark.requirement("R-39")
@pytest.mark.parametrize("kind", [Kind.DRIP, Kind.STALL])
async def test_a_look_that_waits_for_headers_is_ended(
    tmp_path: Path, repository: Repository, kind: Kind
) -> None:
    impatient = LookLimits(look_s=0.3)
    async with a_line(tmp_path, repository, plain=True, limits=impatient) as line:
        assert not await line.first_look(Fault(kind, 5))
        assert "has not ended" not in line.reason()
        assert "cannot be fetched" in line.reason()


@pytest.mark.requirement("R-43", "T-12")
@pytest.mark.parametrize(
    ("ahead_s", "freshness"), [(0, Freshness.FRESH), (120, Freshness.CLOCK_BAD)]
)
async def test_a_clock_behind_the_date_of_the_lists_server_is_not_believed(
    tmp_path: Path, repository: Repository, ahead_s: float, freshness: Freshness
) -> None:
    async with a_line(tmp_path, repository, plain=True) as line:
        line.server.clock_ahead_s = ahead_s
        door = Door(tmp_path, repository, location=f"https://127.0.0.1:{line.proxy.port}")
        async with door.running():
            assert door.freshness is freshness
            assert door.publishes is (freshness is Freshness.FRESH)
            last = door.telemetry.of(ConsentFreshness)[-1]
            assert ("list's server" in last.next_step) is (ahead_s > 0)
            line.server.clock_ahead_s = 0
            repository.release(of=["timestamp"])
            await door.look()
            assert door.freshness is Freshness.FRESH


class WornOut(io.BytesIO):
    """A stick whose cells are gone."""

    def read(self, _size: int | None = -1) -> bytes:
        raise OSError(errno.EIO, os.strerror(errno.EIO))


@pytest.mark.requirement("R-39", "R-47")
@pytest.mark.parametrize("part", ["timestamp", "snapshot", "targets", "manifest", "base/", "keys/"])
async def test_a_stick_that_cannot_be_read_is_a_look_that_failed_and_gets_the_blame(
    tmp_path: Path, repository: Repository, monkeypatch: pytest.MonkeyPatch, part: str
) -> None:
    door = Door(tmp_path / "door", repository)
    async with door.running():
        assert door.freshness is Freshness.FRESH
        lease = door.gateway.list_sync.lease
        repository.seq += 1
        repository.base([agreed(ANNA)], new_epoch=True).publish()

        def worn(path: Path) -> BinaryIO:
            return WornOut() if part in str(path) else open_regular(path)

        monkeypatch.setattr(fetchers, "open_regular", worn)
        await door.look()
        assert "cannot be read (Input/output error): is the stick" in door.refusal()
        assert door.gateway.list_sync.lease is lease
        monkeypatch.setattr(fetchers, "open_regular", open_regular)
        await door.look()
        assert (door.gateway.list_sync.errors, door.gateway.list_sync.entries) == (0, 1)


@pytest.mark.requirement("R-39", "R-47")
@pytest.mark.parametrize("target", ["/proc/kmsg", "/proc/self/mem", "/dev/tty", "pipe", "loop"])
async def test_a_stick_cannot_make_a_look_wait_for_ever(
    tmp_path: Path, repository: Repository, target: str
) -> None:
    """A special file would be read without an end, or not at all."""
    manifest = next(repository.folder.glob("targets/*.manifest.json"))
    manifest.unlink()
    if target == "pipe":
        os.mkfifo(manifest)
    else:
        manifest.symlink_to(manifest if target == "loop" else target)
    door = Door(tmp_path / "door", repository)
    async with door.running():
        assert door.freshness is Freshness.BOOT
        assert "cannot be read" in door.refusal()


@pytest.mark.requirement("R-39")
def test_a_pipe_in_place_of_the_plain_list_is_no_list(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "consents.jsonl")
    source = ConsentFile(tmp_path, list_name=LIST, max_span_s=MAX_SPAN_S)
    with pytest.raises(ConsentListError, match="not a regular file"):
        source.read()


@dataclass
class SlowLine:
    """A list of many files on a server that takes its time, and a gateway that is started again and
    again.
    """

    folder: Path
    server: ListServer
    repository: Repository

    def start(self) -> SignedList:
        tuf = TufRepository(
            self.server.url,
            root_file=self.repository.root_file,
            metadata_dir=self.folder / "state/tuf",
            ca_file=self.folder / "tls/ca.pem",
        )
        store, keys = ListStore(self.folder / "state"), WindowKeyFiles(self.folder / "run")
        return SignedList(tuf, store, keys, name=LIST, max_span_s=MAX_SPAN_S)

    def fetched(self) -> Counter[str]:
        """How often each file of the list was asked for; what changes with each publication is left
        out.
        """
        return Counter(path for path in self.server.asked if "/base/" in path or "/keys/" in path)


@pytest.fixture
def slow_line(tmp_path: Path) -> Iterator[SlowLine]:
    refs = [bytes([n]) * 8 for n in range(0, 256, 8)]
    shards = tuple(f"{n:02x}" for n in range(0, 256, 8))
    repository = Repository(tmp_path / "many", shards=shards).base(agreed(ref) for ref in refs)
    with list_server(repository.publish().folder, tls=server_context(tmp_path / "tls")) as server:
        yield SlowLine(tmp_path, server, repository)


@pytest.mark.requirement("R-47")
def test_a_long_list_over_a_slow_line_goes_on_after_each_start_where_it_stopped(
    slow_line: SlowLine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As long as the start limit of systemd was, in small: nothing that came whole comes again."""
    files = 3 * 32
    starts = 0
    verified = None
    while verified is None:
        starts += 1
        assert starts < 60
        source = slow_line.start()
        asked = len(slow_line.fetched())
        slow_line.server.file_s = 0.2
        monkeypatch.setattr(fetchers, "FETCH_S", 1.5)
        with closing(source), suppress(ConsentListError):
            verified = source.read()
        slow_line.repository.publish()  # the world goes on
        assert verified is not None or len(slow_line.fetched()) > asked
    assert starts > 1
    assert len(slow_line.fetched()) == files
    assert slow_line.fetched().total() < files + fetchers.CONNECTIONS * starts  # under way
    assert verified.entries == 32
    assert not any((slow_line.folder / "state/fetched").iterdir())


async def test_a_look_that_has_to_go_on_is_no_error_and_says_how_far_it_is(
    slow_line: SlowLine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fetchers, "FETCH_S", 1.5)
    telemetry = RecordingTelemetry()
    with closing(slow_line.start()) as source:
        list_sync = a_renewal(source, telemetry, LookLimits(progress_s=0.05))
        slow_line.server.file_s = 0.2
        assert await list_sync.renew() is None
        assert (list_sync.unfinished, list_sync.errors, list_sync.refusals) == (True, 0, 0)
        slow_line.server.file_s = 0
        monkeypatch.setattr(fetchers, "FETCH_S", 60.0)
        assert await list_sync.renew() is not None
        assert list_sync.unfinished is False
    assert {event.total for event in telemetry.of(ConsentFetching)} == {3 * 32}


@pytest.mark.requirement("R-47")
def test_no_byte_that_came_comes_again_wherever_the_line_breaks(slow_line: SlowLine) -> None:
    """Each look, and each start, gets so many bytes of files and no more."""
    verified, starts = None, 0
    while verified is None:
        starts += 1
        assert starts < 200
        slow_line.server.bytes_until_cut = 611
        with closing(slow_line.start()) as source, suppress(ConsentListError):
            verified = source.read()
    assert starts > 20
    assert verified.entries == 32
    files = {path: n for path, n in slow_line.server.sent.items() if "manifest" not in path}
    lengths = {
        path: (slow_line.repository.folder / path.lstrip("/")).stat().st_size for path in files
    }
    assert files == lengths


@pytest.mark.requirement("R-47")
@pytest.mark.parametrize("knows_ranges", [True, False])
def test_a_line_that_carries_no_long_answer_is_asked_for_short_ones(
    tmp_path: Path, *, knows_ranges: bool
) -> None:
    """A TLS record holds 16 KB, and gives nothing until it is whole."""
    refs = [n.to_bytes(8) for n in range(1000)]
    repository = Repository(tmp_path / "many").base(agreed(ref) for ref in refs)
    with list_server(repository.publish().folder, tls=server_context(tmp_path / "tls")) as server:
        line = SlowLine(tmp_path, server, repository)
        server.knows_ranges = knows_ranges
        server.most_bytes = fetchers.CAUTIOUS_BYTES
        verified, looks, came = None, 0, 0
        while verified is None and looks < 40:
            looks += 1
            with closing(line.start()) as source, suppress(ConsentListError):
                verified = source.read()
            if knows_ranges:
                assert verified or server.sent.total() > came, "each look brings something"
            came = server.sent.total()
        assert (verified is not None) is knows_ranges
        server.most_bytes = None
        with closing(line.start()) as source:
            last = source.read()
        assert last is None or last.entries == 1000


def test_a_server_that_cannot_go_on_in_a_file_begins_it_anew(slow_line: SlowLine) -> None:
    slow_line.server.knows_ranges = False
    slow_line.server.bytes_until_cut = 2000
    with closing(slow_line.start()) as source, pytest.raises(ConsentListError):
        source.read()
    assert list((slow_line.folder / "state/fetched").glob("*.part"))
    slow_line.server.bytes_until_cut = None
    with closing(slow_line.start()) as source:
        verified = source.read()
    assert verified is not None
    assert verified.entries == 32


@pytest.mark.requirement("R-39")
@pytest.mark.parametrize("length", [0, 1, 300, 100_000], ids=["empty", "one", "some", "too long"])
def test_a_part_that_somebody_changed_is_thrown_away_and_fetched_anew(
    slow_line: SlowLine, length: int
) -> None:
    slow_line.server.bytes_until_cut = 2000
    with closing(slow_line.start()) as source, pytest.raises(ConsentListError):
        source.read()
    slow_line.server.bytes_until_cut = None
    for part in (slow_line.folder / "state/fetched").glob("*.part"):
        part.write_bytes(b"\xff" * length)
    verified = None
    while verified is None:
        with closing(slow_line.start()) as source, suppress(ConsentListError):
            verified = source.read()
    assert verified.entries == 32
    assert not any((slow_line.folder / "state/fetched").iterdir())


def test_files_are_fetched_several_at_once_and_one_that_fails_ends_the_others(
    slow_line: SlowLine,
) -> None:
    slow_line.server.file_s = 0.05
    with closing(slow_line.start()) as source:
        assert source.read() is not None
    assert slow_line.server.most_at_once == fetchers.CONNECTIONS
    bases = list(slow_line.repository.folder.glob("targets/base/*/*"))
    (first,) = (path for path in bases if path.name.endswith(".00.seg"))
    shutil.rmtree(slow_line.folder / "state")
    first.unlink()
    slow_line.server.file_s = 0.5
    asked = len(slow_line.server.asked)
    with closing(slow_line.start()) as source, pytest.raises(ConsentListError, match="not found"):
        source.read()
    assert sum("/base/" in path for path in slow_line.server.asked[asked:]) < len(bases) / 2


@pytest.mark.requirement("R-42", "R-59")
async def test_a_gateway_is_ready_though_its_first_list_takes_long(
    slow_line: SlowLine,
) -> None:
    slow_line.server.file_s = 0.2
    door = Door(slow_line.folder, slow_line.repository, location=slow_line.server.url)
    async with door.running(looked=False, first_look_s=1.5):
        await door.is_ready()
        assert door.freshness is Freshness.BOOT
        assert "files are here" in door.gateway.status_line()
        assert "on its way" in door.gateway.list_sync.next_step(door.clock.now())
        assert await door.somebody_comes_in(bytes([8]) * 8) == 0
        slow_line.server.file_s = 0
        async with asyncio.timeout(20):
            while not door.publishes:  # noqa: ASYNC110 - the daemon's business
                await asyncio.sleep(0.1)
        assert await door.somebody_comes_in(bytes([8]) * 8) == 1
