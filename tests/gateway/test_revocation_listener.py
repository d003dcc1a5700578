"""Revocations and heads as they arrive: what our consent service signed counts and stays, and a
lost one is missed.
"""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from presence.core.consent import jws
from presence.core.consent.freshness import Freshness
from presence.core.consent.jws import Keys, KeySet, Unproven, encode_keys
from presence.core.consent.list_json import ConsentList
from presence.core.consent.list_lag import TRIES
from presence.core.consent.revocation import FOREIGN, Head, Revocation, RevokedRights
from presence.core.consent.revocations import Revocations
from presence.core.engine import index_list
from presence.edges.sqlite.revocations import SqliteRevocationStore
from presence.errors import StorageError
from presence.gateway.list_sync import ListSync, Refresh
from presence.gateway.relay import Relay
from presence.gateway.revocation_listener import (
    COPY,
    HEADS_AT_ONCE,
    NO_ROOM,
    REVOCATIONS_AT_ONCE,
    REVOCATIONS_EACH_S,
    RevocationListener,
)
from presence.ports import VerifiedList
from presence.telemetry import RestrictionRefused
from tests.support.builders import ANNA, BERIT, CARS, START_S, a_list, approach, consent, rules
from tests.support.fakes import (
    FakeClock,
    FakeConsentSource,
    FakePublisher,
    MemoryStore,
    RecordingTelemetry,
)
from tests.support.revocations import KEYS, LIST, OTHER, head, removal, revocation, signed
from tests.support.small import SmallPipeline


class FullDisk(SqliteRevocationStore):
    """Has no room until it is made."""

    full = True

    def keep(self, *arguments: Any, **more: Any) -> None:
        if self.full:
            raise StorageError("withdrawn.sqlite: no space left: make room")
        super().keep(*arguments, **more)


class CountingStore(SqliteRevocationStore):
    """Counts its commits."""

    commits = 0

    def keep(self, *arguments: Any, **more: Any) -> None:
        self.commits += 1
        super().keep(*arguments, **more)


class CountedRefresh(Refresh):
    def __init__(self) -> None:
        super().__init__()
        self.times = 0

    def ask(self) -> None:
        super().ask()
        self.times += 1


class Gateway:
    """From the broker's topics to the events, without a broker."""

    def __init__(
        self,
        folder: Path,
        store: Callable[[Path], SqliteRevocationStore] = SqliteRevocationStore,
        *,
        revoked: frozenset[str] = frozenset(),
    ) -> None:
        self.clock, self.telemetry, self.publisher = (
            FakeClock(),
            RecordingTelemetry(),
            FakePublisher(),
        )
        self.store = store(folder)
        self.source = FakeConsentSource()
        self.refresh = CountedRefresh()
        self.list_sync = ListSync(
            source=self.source,
            clock=self.clock,
            emit=self.telemetry.emit,
            lease_s=900,
            refresh=self.refresh,
        )
        self.pipeline = SmallPipeline(
            rules(),
            MemoryStore(),
            emit=self.telemetry.emit,
            revocations=Revocations(self.store.load()),
        )
        self.listener = RevocationListener(
            LIST,
            KeySet(KEYS, revoked),
            self.pipeline,
            store=self.store,
            list_sync=self.list_sync,
            clock=self.clock,
            emit=self.telemetry.emit,
        )
        self.relay = Relay(self.pipeline, self.publisher, self.clock, emit=self.telemetry.emit)

    def close(self) -> None:
        self.store.close()

    @property
    def asked(self) -> int:
        """How often a look at the list was asked for."""
        return self.refresh.times

    async def look(self, consents: ConsentList | VerifiedList | None = None) -> None:
        """As the daemon looks at plane A."""
        if consents is not None:
            self.source.put(consents)
        verified = await self.list_sync.renew()
        if verified is not None and verified.indexed is not None:
            now = self.clock.now()
            self.pipeline.apply(verified.indexed, self.list_sync.standing(now), now)
        if not self.list_sync.errors:
            self.listener.list_polled(verified)

    def hear(self, said: Revocation | Head | bytes) -> None:
        message = said if isinstance(said, bytes) else signed(said)
        hear = self.listener.hear_head if isinstance(said, Head) else self.listener.hear_revocation
        hear("topic", message, False)

    async def visitor(self, ref: bytes = ANNA) -> list[str]:
        """Somebody comes in; the types of the events that go out."""
        for heard in approach(self.clock.now(), ref=ref):
            self.pipeline.receive(heard)
        self.clock.pass_s(8)
        return await self.sent()

    async def sent(self) -> list[str]:
        before = len(self.publisher.published)
        await self.relay.empty()
        return [message.event_type.split(".")[1] for message in self.publisher.published[before:]]


Start = Callable[..., Gateway]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """One gateway after the other on what is there, as after a kill -9; all are closed at the
    end.
    """
    with ExitStack() as stack:
        yield lambda *store, **more: stack.enter_context(closing(Gateway(tmp_path, *store, **more)))


@pytest.fixture
async def gateway(start: Start) -> Gateway:
    gateway = start()
    await gateway.look(a_list(consent(), consent(ref=BERIT)))
    return gateway


@pytest.mark.requirement("R-08", "R-09")
async def test_a_notice_takes_back_what_was_told_and_there_is_silence(gateway: Gateway) -> None:
    assert await gateway.visitor() == ["entered"]
    gateway.hear(revocation())
    assert await gateway.sent() == ["withdrawn"]
    gateway.clock.pass_s(3600)
    assert await gateway.visitor() == []


@pytest.mark.requirement("T-07", "R-39")
@pytest.mark.parametrize(
    ("message", "why"),
    [
        (b"{}", "malformed"),
        (signed(revocation(), key=OTHER), "forged"),
        (signed(revocation(), kid="r9"), "unknown_key"),
        (signed(revocation(list_name="acme/fi-0043")), FOREIGN),
        (signed(revocation())[:-86], "unsigned"),
    ],
)
async def test_what_the_consent_service_did_not_sign_changes_nothing_and_is_counted(
    gateway: Gateway, message: bytes, why: str
) -> None:
    assert await gateway.visitor() == ["entered"]
    for _ in range(5):
        gateway.hear(message)
    assert await gateway.sent() == []
    assert gateway.listener.ignored == {why: 5}
    refused = gateway.telemetry.of(RestrictionRefused)
    assert [event.count for event in refused] == [1, 2, 4]
    assert all(event.next_step for event in refused)
    assert gateway.store.load() == ()
    assert gateway.asked == 0


async def test_no_line_of_the_journal_tells_whom_a_notice_concerns(gateway: Gateway) -> None:
    gateway.hear(revocation(seq=3, previous=1))
    gateway.hear(signed(revocation(), key=OTHER))
    assert "oaKjpKWmp6g" not in str(gateway.telemetry.events)
    assert str(ANNA) not in str(gateway.telemetry.events)


@pytest.mark.requirement("R-41")
async def test_a_copy_of_an_old_notice_does_not_touch_who_agreed_anew(gateway: Gateway) -> None:
    gateway.hear(revocation())
    await gateway.look(a_list(consent(ref=BERIT), seq=8))
    await gateway.look(a_list(consent(version=3), consent(ref=BERIT), seq=9))
    gateway.hear(revocation())
    assert await gateway.visitor() == ["entered"]
    assert gateway.listener.ignored == {COPY: 1}
    assert gateway.store.load() == ()


@pytest.mark.requirement("R-08", "R-41")
async def test_neither_kill_9_nor_an_old_list_brings_back_what_was_taken(
    gateway: Gateway, start: Start
) -> None:
    gateway.hear(revocation(removal(), RevokedRights(BERIT, 2, categories=frozenset({CARS}))))
    again = start()
    await again.look(a_list(consent(), consent(ref=BERIT)))
    assert await again.visitor() == []
    assert await again.visitor(BERIT) == ["entered"]
    assert b"ap2:1551" not in again.publisher.published[0].payload


@pytest.mark.requirement("R-12")
async def test_what_the_list_says_too_is_gone_from_the_file(
    gateway: Gateway, tmp_path: Path
) -> None:
    gateway.hear(revocation())
    assert ANNA in (tmp_path / "withdrawn.sqlite").read_bytes()
    await gateway.look(a_list(consent(ref=BERIT), seq=8))
    assert gateway.store.load() == ()
    assert not [file for file in tmp_path.iterdir() if ANNA in file.read_bytes()]  # noqa: ASYNC240 - one small file


async def test_a_full_disk_takes_away_all_the_same_and_is_made_up_for(start: Start) -> None:
    gateway = start(FullDisk)
    await gateway.look(a_list(consent()))
    gateway.hear(revocation())
    gateway.hear(head(revocation_seq=1))
    assert await gateway.visitor() == []
    assert gateway.telemetry.names().count("storage.failed") == 1
    assert gateway.store.load() == ()
    gateway.store.full = False  # type: ignore[attr-defined]
    gateway.hear(head(revocation_seq=1, issued_s=int(START_S) + 30))
    assert len(gateway.store.load()) == 1
    assert gateway.telemetry.names()[-1] == "storage.recovered"


async def test_notices_in_a_row_ask_for_nothing(gateway: Gateway) -> None:
    gateway.hear(revocation())
    gateway.hear(revocation(removal(BERIT), seq=2, previous=1))
    gateway.hear(head(revocation_seq=2))
    assert gateway.asked == 0
    assert gateway.store.last_revocation(LIST) == 2


@pytest.mark.requirement("T-08")
@pytest.mark.parametrize("said", [revocation(seq=3, previous=2), head(revocation_seq=3)])
async def test_a_lost_notice_asks_for_the_list_until_one_signed_later_is_there(
    gateway: Gateway, said: Revocation | Head, start: Start
) -> None:
    gateway.hear(said)
    assert gateway.asked == 1
    assert gateway.store.last_revocation(LIST) == 0
    await gateway.look(a_list(consent(), seq=8, published_at_s=START_S - 1))
    gateway.hear(head(revocation_seq=3, issued_s=int(START_S) + 30))
    assert gateway.asked == 2
    assert start().store.last_revocation(LIST) == 0
    await gateway.look(a_list(consent(), seq=9, published_at_s=START_S + 31))
    gateway.hear(head(revocation_seq=3, issued_s=int(START_S) + 60))
    assert gateway.asked == 2
    assert gateway.store.last_revocation(LIST) == 3


async def test_a_notice_that_comes_late_into_a_hole_still_takes_away(gateway: Gateway) -> None:
    gateway.hear(revocation(removal(BERIT), seq=2, previous=1))
    gateway.hear(revocation())
    assert await gateway.visitor() == []


@pytest.mark.requirement("R-39", "R-42", "T-09")
@pytest.mark.parametrize("said", [head(list_seq=8), head(timestamp_version=41)])
async def test_a_list_that_stays_older_than_the_head_says_is_told_and_renews_nothing(
    gateway: Gateway, said: Head
) -> None:
    await gateway.look(_signed(40, published_at_s=START_S))
    gateway.hear(said)
    assert gateway.asked == 1
    for _ in range(TRIES):
        assert "consent.frozen" not in gateway.telemetry.names()
        gateway.clock.pass_s(10)
        await gateway.look(_signed(40, published_at_s=START_S))
    assert gateway.telemetry.names().count("consent.frozen") == 1
    for _ in range(20):
        gateway.clock.pass_s(60)
        await gateway.look(_signed(40, published_at_s=gateway.clock.now().utc_s))
    assert gateway.list_sync.freshness(gateway.clock.now()) is Freshness.STALE
    assert await gateway.visitor() == []
    await gateway.look(_signed(41, seq=8, published_at_s=gateway.clock.now().utc_s))
    assert gateway.telemetry.names()[-1] == "consent.caught_up"
    assert gateway.list_sync.freshness(gateway.clock.now()) is Freshness.FRESH


async def test_a_server_that_is_away_is_not_frozen(gateway: Gateway) -> None:
    gateway.hear(head(list_seq=8))
    for _ in range(5):
        gateway.source.break_once()
        await gateway.look()
    assert "consent.frozen" not in gateway.telemetry.names()


async def test_an_older_head_says_nothing(gateway: Gateway) -> None:
    await gateway.look(_signed(40, published_at_s=START_S))
    gateway.hear(head())
    gateway.hear(head(list_seq=9, issued_s=int(START_S) - 5))
    gateway.hear(signed(head(list_seq=9), key=OTHER))
    assert gateway.asked == 0
    assert gateway.listener.ignored[COPY] == 1


async def test_the_signed_list_says_who_may_sign_notices(gateway: Gateway) -> None:
    other = encode_keys({"r2": OTHER.public_key()})
    gateway.listener.list_polled(_verified(b"nonsense"))
    assert gateway.telemetry.names()[-1] == "notices.keys_refused"
    gateway.listener.list_polled(_verified(other))
    gateway.hear(revocation())
    assert gateway.listener.ignored == {"unknown_key": 1}
    gateway.hear(signed(revocation(), kid="r2", key=OTHER))
    assert await gateway.visitor() == []


def _signed(version: int, **changes: object) -> VerifiedList:
    """A list as the signed source proves it."""
    consents = a_list(consent(), **{"seq": 7, **changes})
    return VerifiedList(consents.header, index_list(consents), timestamp_version=version)


def _verified(keys: bytes) -> VerifiedList:
    return VerifiedList(a_list().header, None, revocation_keys=keys)


def verified(monkeypatch: pytest.MonkeyPatch) -> list[bytes]:
    """The messages whose signature is looked at from now on."""
    looked_at: list[bytes] = []

    def verify(message: bytes, *, typ: str, keys: Keys) -> bytes | Unproven:
        looked_at.append(message)
        return jws.verify(message, typ=typ, keys=keys)

    monkeypatch.setattr("presence.core.consent.revocation.verify", verify)
    return looked_at


@pytest.mark.requirement("R-54", "T-07")
async def test_a_flood_of_replays_costs_no_commit_and_no_signature(
    start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    gateway = start(CountingStore)
    await gateway.look(a_list(consent(), consent(ref=BERIT)))
    gateway.hear(revocation())
    said = head(revocation_seq=1)
    gateway.hear(said)
    assert gateway.store.commits == 1  # type: ignore[attr-defined]
    looked_at = verified(monkeypatch)

    for _ in range(1000):
        gateway.hear(revocation())
        gateway.hear(said)

    assert gateway.store.commits == 1  # type: ignore[attr-defined]
    assert looked_at == []
    assert gateway.listener.ignored == {COPY: 2000}
    gateway.hear(
        revocation(removal(BERIT), seq=2, previous=1)
    )  # what is new is taken in the midst of it
    assert await gateway.visitor(BERIT) == []
    assert gateway.asked == 0


@pytest.mark.requirement("R-54", "T-07")
async def test_a_flood_of_forgeries_costs_so_many_signatures_a_second_and_plane_a_brings_the_rest(
    gateway: Gateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    looked_at = verified(monkeypatch)
    forged = [signed(revocation(seq=n + 1, previous=n), key=OTHER) for n in range(1000)]
    for n, message in enumerate(forged):
        gateway.clock.pass_s(0.001)
        gateway.hear(message)
        if n == 990:
            gateway.hear(revocation())
    assert len(looked_at) <= REVOCATIONS_AT_ONCE + REVOCATIONS_EACH_S * 1.001
    assert len(gateway.telemetry.of(RestrictionRefused)) < 25
    assert gateway.asked == 1
    assert await gateway.visitor() == ["entered"]  # it was lost in the flood

    gateway.clock.pass_s(1)
    gateway.hear(revocation())
    assert await gateway.sent() == ["withdrawn"]


@pytest.mark.requirement("R-54")
async def test_a_flood_of_heads_is_looked_at_no_more_often_than_heads_come(
    gateway: Gateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    looked_at = verified(monkeypatch)
    for n in range(2000):
        gateway.listener.hear_head("topic", signed(head(list_seq=n + 8), key=OTHER), False)
    assert len(looked_at) == HEADS_AT_ONCE
    gateway.clock.pass_s(1)
    gateway.hear(head(list_seq=8))
    assert gateway.asked == 1


FAR = (1 << 53) - 1


@pytest.mark.requirement("R-44", "T-07")
async def test_what_a_stolen_key_took_away_for_ever_is_given_back_when_the_list_says_it_was_stolen(
    gateway: Gateway, tmp_path: Path
) -> None:
    gateway.hear(
        revocation(removal(version=FAR), removal(BERIT, FAR), seq=FAR, previous=0, list_seq=FAR)
    )
    gateway.hear(
        head(list_seq=FAR, revocation_seq=FAR, timestamp_version=FAR, issued_s=int(START_S) + 1)
    )
    await gateway.look(_signed(40, seq=8, published_at_s=START_S + 2))
    assert await gateway.visitor() == []

    stolen = encode_keys({"r2": OTHER.public_key()}, revoked=["r1"])
    await gateway.look(_with_keys(stolen, seq=9, published_at_s=gateway.clock.now().utc_s))

    assert gateway.telemetry.names()[-1] == "restriction.lifted"
    assert not gateway.listener.lag.frozen
    assert await gateway.visitor() == ["entered"]
    assert gateway.store.load() == ()
    assert (tmp_path / "withdrawn.sqlite").read_bytes().count(ANNA) == 0
    gateway.hear(revocation(removal(version=FAR), seq=FAR, previous=0, list_seq=FAR))
    assert await gateway.sent() == []
    gateway.hear(signed(revocation(removal(version=9), seq=3, previous=2), kid="r2", key=OTHER))
    assert await gateway.sent() == ["withdrawn"]
    assert gateway.store.last_revocation(LIST) < FAR


@pytest.mark.requirement("R-44")
async def test_what_another_key_said_too_stays_when_one_is_stolen(gateway: Gateway) -> None:
    gateway.listener.list_polled(_verified(encode_keys({**KEYS, "r2": OTHER.public_key()})))
    gateway.hear(
        revocation(removal(version=5), RevokedRights(BERIT, 5, categories=frozenset({CARS})))
    )
    gateway.hear(signed(revocation(removal(version=5), seq=2, previous=1), kid="r2", key=OTHER))

    gateway.listener.list_polled(_verified(encode_keys({"r2": OTHER.public_key()}, revoked=["r1"])))

    assert await gateway.visitor() == []
    assert [(each.taken.ref, each.kid) for each in gateway.store.load()] == [(ANNA, "r2")]


@pytest.mark.requirement("R-44")
async def test_a_key_that_the_operators_own_file_calls_stolen_is_heeded_at_the_start(
    start: Start,
) -> None:
    before = start()
    await before.look(a_list(consent()))
    before.hear(revocation(removal(version=FAR), list_seq=FAR))
    gateway = start(revoked=frozenset({"r1"}))
    await gateway.listener.listen(Deaf())
    await gateway.look(a_list(consent()))
    assert await gateway.visitor() == ["entered"]


@pytest.mark.requirement("R-44", "R-54")
async def test_references_that_nobody_knows_are_held_up_to_a_bound_and_beyond_it_the_list_is_asked(
    gateway: Gateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("presence.core.consent.revocations.MAX_UNLISTED", 50)
    invented = [removal(n.to_bytes(8, "big")) for n in range(60)]
    gateway.hear(revocation(*invented, removal()))
    assert len(gateway.store.load()) == 51  # Anna is on the list
    assert gateway.asked == 1
    assert gateway.listener.ignored == {NO_ROOM: 1}
    assert await gateway.visitor() == []


class Deaf:
    """A link that brings nothing."""

    async def subscribe(self, topic: str, handler: object) -> None:
        """Nobody speaks there."""


def _with_keys(keys: bytes, **changes: object) -> VerifiedList:
    return replace(_signed(41, **changes), revocation_keys=keys)


@pytest.mark.requirement("R-34", "R-43")
async def test_a_notice_that_comes_while_our_clock_is_behind_takes_away_all_the_same(
    gateway: Gateway,
) -> None:
    """Found by the consent model checker: it was ignored as one from the future, and the clock was
    mended then.
    """
    now_s = gateway.clock.now().utc_s
    gateway.clock.set_wall_clock(now_s - 700)
    gateway.hear(revocation(issued_s=int(now_s)))
    gateway.clock.set_wall_clock(now_s)
    assert await gateway.visitor() == []


async def test_a_hole_before_a_notice_from_the_future_closes_with_a_list_of_today(
    gateway: Gateway,
) -> None:
    now_s = gateway.clock.now().utc_s
    gateway.hear(revocation(seq=5, previous=4, issued_s=int(now_s + 86_400)))
    gateway.clock.pass_s(600)
    await gateway.look(a_list(consent(), seq=9, published_at_s=gateway.clock.now().utc_s))
    assert gateway.store.last_revocation(LIST) == 5
