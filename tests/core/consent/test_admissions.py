"""What the gate said and was kept is what it would say now, whatever happened in between."""

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule

from presence.core.consent.admissions import Admission, Admissions
from presence.core.consent.gate import (
    SUPPRESSION_LIST_MAX_AGE_S,
    Denied,
    Reason,
    allowed_to,
    believed,
    permitted,
)
from presence.core.consent.model import Consent, Flag, Purpose
from presence.core.timestamps import Moment
from tests.support.builders import (
    ANNA,
    BERIT,
    CARS,
    DAY_S,
    GARDEN,
    OFFERS,
    PICK_UP,
    SITE,
    START_S,
    VANS,
    consent,
    grant,
    moment,
    standing,
)
from tests.support.examples import examples

AUDIENCES = (OFFERS, PICK_UP)
REFS = st.sampled_from([ANNA, BERIT])
AROUND_S = st.sampled_from([-2000.0, -1.0, 0.0, 1.0, 30.0, 599.0, 600.0, 3000.0])
"""From the start of the afternoon: where consents, grants and pauses begin and end."""


@st.composite
def consents(draw: st.DrawFn, ref: bytes) -> Consent | None:
    """Of somebody, and each of its times near the afternoon; or none at all."""
    if draw(st.integers(0, 7)) == 0:
        return None
    begins_s = START_S + draw(st.sampled_from([-DAY_S, -1.0, 20.0]))
    ends_s = START_S + draw(st.sampled_from([40.0, 700.0, DAY_S]))
    grants = [
        grant(category, start_s=START_S + draw(AROUND_S) - 2000.0, end_s=START_S + draw(AROUND_S))
        for category in (CARS, GARDEN)
    ]
    return consent(
        ref=ref,
        version=draw(st.integers(1, 3)),
        not_before_s=begins_s,
        not_after_s=ends_s,
        grants=tuple(each for each in grants if each.not_before_s < each.not_after_s),
        paused_until_s=draw(st.sampled_from([0.0, START_S + 30, START_S + 5000])),
        objected=draw(st.integers(0, 9)) == 0,
        purposes=frozenset(Purpose) - {draw(st.sampled_from(Purpose))},
        flags=frozenset({draw(st.sampled_from(Flag))} if draw(st.booleans()) else ()),
    )


lists = st.tuples(consents(ANNA), consents(BERIT)).map(
    lambda several: {each.ref: each for each in several if each is not None}
)
standings = st.builds(
    standing,
    publishing=st.integers(0, 4).map(bool),
    suppression_checked_at_s=st.sampled_from(
        [START_S, START_S - SUPPRESSION_LIST_MAX_AGE_S, START_S - SUPPRESSION_LIST_MAX_AGE_S - 60]
    ),
    parents=st.sampled_from([{VANS: CARS}, {VANS: CARS, GARDEN: VANS}, {}]),
)


class KeptAnswers(RuleBasedStateMachine):
    """The engine's calls, in any order; beside it the gate, asked anew each time."""

    def __init__(self) -> None:
        super().__init__()
        self.admissions = Admissions(SITE, AUDIENCES)
        self.now = moment()
        self.consents: dict[bytes, Consent] = {}

    @initialize(listed=lists, believed_as=standings)
    def begin(self, listed: dict[bytes, Consent], believed_as: object) -> None:
        self.trust(believed_as)
        self.new_list(listed)

    def tick(self) -> None:
        """As the engine's: whoever is to be asked about is asked about."""
        if self.admissions.standing.publishing:
            for ref in self.admissions.to_ask(self.now, lambda: {ANNA, BERIT}):
                self.admissions.drop(ref)
                self.admissions.judge(ref, self.now)

    @rule(believed_as=standings)
    def trust(self, believed_as: object) -> None:
        """A look at the list: its lease, the registers, the taxonomy; or the store is disarmed."""
        self.admissions.trust(believed_as)  # type: ignore[arg-type]

    @rule(listed=lists)
    def new_list(self, listed: dict[bytes, Consent]) -> None:
        self.consents = listed
        self.admissions.replace(listed, ())

    @rule(ref=REFS, data=st.data())
    def revoke(self, ref: bytes, data: st.DataObject) -> None:
        """The mapping stays and says something else, as with revocations over a list."""
        taken = data.draw(consents(ref))
        self.consents.pop(ref, None)
        if taken is not None:
            self.consents[ref] = taken
        self.admissions.change(ref)

    @rule(seconds=st.sampled_from([0.0, 0.5, 10.0, 31.0, 599.0, 600.0, 3000.0]))
    def pass_time(self, seconds: float) -> None:
        self.now = self.now.later(seconds)

    @rule(utc_s=st.sampled_from([-3600.0, 0.0, 29.0, 41.0]))
    def set_clock(self, utc_s: float) -> None:
        """The wall clock is set; no time passes."""
        self.now = Moment(self.now.monotonic_s, START_S + utc_s)

    @rule(ref=REFS)
    def heard(self, ref: bytes) -> None:
        """Before the next tick: whether they may be recognised is never a moment old."""
        kept = self.admissions.admitted.get(ref)
        stands = kept is not None and self.admissions.stands(kept, self.now.utc_s)

        answer, fresh = self.admissions.admit(ref, self.now), self._fresh(ref)

        assert isinstance(answer, Denied) == isinstance(fresh, Denied)
        assert stands == (answer is kept and not isinstance(answer, Denied))
        if isinstance(answer, Admission):
            assert answer.consent == self.consents[ref]

    @rule(ref=REFS)
    def heard_after_a_tick(self, ref: bytes) -> None:
        self.tick()
        answer, fresh = self.admissions.admit(ref, self.now), self._fresh(ref)

        if isinstance(answer, Admission):
            assert (answer.consent, dict(answer.decisions)) == fresh
        else:
            assert answer == fresh

    def _fresh(self, ref: bytes) -> object:
        """What the gate says now: why not, or the consent with what each audience may be told."""
        now_s, who = self.now.utc_s, self.consents.get(ref)
        denied = believed(self.admissions.standing) or permitted(who, SITE, now_s)
        if denied is not None or who is None:
            return denied
        return who, {
            each.name: allowed_to(who, each, self.admissions.standing, now_s) for each in AUDIENCES
        }


def test_an_answer_does_not_stand_before_the_moment_in_which_it_was_given() -> None:
    """Whatever the clock says now, it was right then; and no tick came in between."""
    paused = consent(paused_until_s=START_S + 30)
    admissions = Admissions(SITE, AUDIENCES)
    admissions.trust(standing())
    admissions.replace({ANNA: paused}, ())
    assert isinstance(admissions.admit(ANNA, moment(31)), Admission)

    assert admissions.admit(ANNA, moment(29)) == Denied(Reason.PAUSED)


KeptAnswers.TestCase.settings = examples(100, stateful_step_count=30)
TestKeptAnswers = KeptAnswers.TestCase
