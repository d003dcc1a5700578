"""What was kept with a frame changes nothing: an engine that forgets it before each advertisement
does and counts the same.
"""

from typing import Any

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from presence.core.consent.model import Consent, Flag
from presence.core.consent.revocation import RevokedRights
from presence.core.event.outbox import Step
from presence.core.recognition import ticks
from presence.core.recognition.advertisement import Advertisement, advertisement_from_payload
from presence.core.recognition.beacons import FORMATS, eddystone, ibeacon
from presence.core.timestamps import Moment
from presence.simulation.identity_keys import window_key
from scripts.stores.customers import identity_key
from tests.support.builders import (
    ANNA,
    BERIT,
    CARL,
    START_S,
    DoorRule,
    a_list,
    consent,
    identifier_of,
    moment,
    rules,
    standing,
)
from tests.support.examples import examples
from tests.support.revocations import revocation
from tests.support.small import SmallEngine

PREFIX = bytes.fromhex("5072657365636531")
QUICK = DoorRule(evidence_db_s=10, min_sightings=2, min_duration_s=1, absence_s=30)
PEOPLE = st.sampled_from([ANNA, BERIT, CARL])
"""Carl is on no list."""
ADDRESSES = st.sampled_from([b"\x4a" + bytes(5), "4A:00:00:00:00:00", b"\x4b" + bytes(5), b""])

consents = st.builds(
    lambda ref, version, end_s, pause_s, flags, loudness_db: consent(
        ref=ref,
        version=version,
        not_after_s=START_S + end_s,
        paused_until_s=START_S + pause_s,
        flags=flags,
        loudness_db=loudness_db,
    ),
    ref=st.sampled_from([ANNA, BERIT]),
    version=st.integers(1, 9),
    end_s=st.sampled_from([20, 3000, 86400]),
    pause_s=st.sampled_from([-1, -1, -1, 10]),
    flags=st.sampled_from([(), (), (Flag.TICKS,), (Flag.TEST,)]).map(frozenset),
    loudness_db=st.sampled_from([0, 4]),
)


class TwoEngines(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        settled = rules(entry=QUICK, formats=(*FORMATS, ibeacon.format_for(PREFIX)))
        self.keeping, self.forgetting = SmallEngine(settled), SmallEngine(settled)
        self.now = moment()
        self.said = 0
        self.listed: dict[bytes, Consent] = {}

    def both(self, name: str, *arguments: Any) -> None:
        kept, fresh = (getattr(each, name)(*arguments) for each in (self.keeping, self.forgetting))
        assert kept == fresh

    @initialize(listed=st.lists(consents, max_size=3))
    def begin(self, listed: list[Consent]) -> None:
        for each in (self.keeping, self.forgetting):
            each.admissions.trust(standing())
        self.new_list(listed)

    @rule(listed=st.lists(consents, max_size=3))
    def new_list(self, listed: list[Consent]) -> None:
        self.listed = {each.ref: each for each in listed}
        self.both("apply", a_list(*self.listed.values()), self.now)

    @rule(ref=PEOPLE, what=st.sampled_from(["removed", "objected", "paused"]))
    def revoke(self, ref: bytes, what: str) -> None:
        self.said += 1
        rights = {"paused_until_s": START_S + 5000} if what == "paused" else {what: True}
        row = RevokedRights(ref, 10 + self.said, **rights)  # type: ignore[arg-type]
        said = revocation(row, seq=self.said, previous=self.said - 1)
        self.both("revoke", said, self.now)

    @rule(publishing=st.integers(0, 3).map(bool))
    def trust(self, publishing: bool) -> None:
        for each in (self.keeping, self.forgetting):
            each.admissions.trust(standing(publishing=publishing))

    @rule(seconds=st.sampled_from([0.1, 0.9, 1.0, 4.0, 29.0, 102.0, 600.0, 1024.0]))
    def pass_time(self, seconds: float) -> None:
        self.now = self.now.later(seconds)

    @rule(back_s=st.sampled_from([0.3, 30.0, 2000.0]))
    def set_clock_back(self, back_s: float) -> None:
        self.now = Moment(self.now.monotonic_s, self.now.utc_s - back_s)

    @rule()
    def tick(self) -> None:
        self.both("advance", self.now)

    @rule(ref=PEOPLE)
    def peer_doubts(self, ref: bytes) -> None:
        self.both("doubt", ref, self.now)

    @rule(
        ref=PEOPLE,
        address=ADDRESSES,
        rssi_dbm=st.sampled_from([-50, -55, -90, None]),
        way=st.sampled_from(["E1", "E1", "E2", "sealed", "forged", "other"]),
        power_dbm=st.sampled_from([-18, -18, -12]),
    )
    def heard(
        self, ref: bytes, address: bytes | str, rssi_dbm: int | None, way: str, power_dbm: int
    ) -> None:
        """For two seconds."""
        for _ in range(4):
            one = self._advertisement(ref, way, power_dbm)
            self._receive(one._replace(address=address, rssi_dbm=rssi_dbm))
            self.now = self.now.later(0.5)

    @rule(ref=PEOPLE, other=PEOPLE, address=ADDRESSES)
    def heard_with_two_frames(self, ref: bytes, other: bytes, address: bytes | str) -> None:
        one, two = self._advertisement(ref, "E1", -18), self._advertisement(other, "E2", -12)
        self._receive(
            one._replace(address=address, manufacturer_data=two.manufacturer_data, rssi_dbm=-55)
        )

    def _receive(self, one: Advertisement) -> Step:
        self.forgetting.matcher.forget_kept()
        kept, fresh = self.keeping.receive(one), self.forgetting.receive(one)
        assert kept == fresh
        return kept

    def _advertisement(self, ref: bytes, way: str, power_dbm: int) -> Advertisement:
        eid = identifier_of(ref, self.now.utc_s)
        if way == "E2":
            payload = ibeacon.payload(PREFIX, eid, tx_power_dbm=power_dbm)
        elif way == "other":
            payload = bytes.fromhex("02011a0aff4c001005") + eid[:5]
        else:
            key = window_key(identity_key(ref), self.now.utc_s)
            seal = {"E1": b"", "forged": bytes(10)}.get(way, ticks.seal_at(key, self.now.utc_s))
            payload = eddystone.payload(eid, tx_power_dbm=power_dbm, seal=seal)
        return advertisement_from_payload(self.now, b"", -60, payload, antenna="hci0")

    @invariant()
    def they_count_and_know_the_same(self) -> None:
        one, other = self.keeping, self.forgetting
        assert one.counts.as_dict() == other.counts.as_dict()
        assert list(one.visits) == list(other.visits)
        assert one.replay_guard.refs() == other.replay_guard.refs()


TwoEngines.TestCase.settings = examples(100, stateful_step_count=30)
TestTwoEngines = TwoEngines.TestCase


def test_an_hour_counts_its_people_though_their_frames_are_known() -> None:
    """The hour is over, and the phone says on what it said."""
    engine = SmallEngine(rules())
    engine.admissions.trust(standing())
    engine.apply(a_list(consent()), moment())
    frame = eddystone.payload(identifier_of(ANNA, START_S), tx_power_dbm=-18)

    hours = []
    for _ in range(3):
        for _ in range(5):
            engine.receive(advertisement_from_payload(moment(), b"\x4a" * 6, -60, frame))
        hours.append(engine.counts.persons.take())

    assert [hour["recognised"] for hour in hours] == [1, 1, 1]


def test_after_a_withdrawal_no_frame_is_kept() -> None:
    engine = SmallEngine(rules())
    engine.admissions.trust(standing())
    engine.apply(a_list(consent()), moment())
    frame = eddystone.payload(identifier_of(ANNA, START_S), tx_power_dbm=-18)
    one = advertisement_from_payload(moment(), b"\x4a" * 6, -60, frame)
    for _ in range(2):
        engine.receive(one)
    assert engine.matcher.kept == 1

    engine.revoke(revocation(), moment(1))

    assert engine.matcher.kept == 0
