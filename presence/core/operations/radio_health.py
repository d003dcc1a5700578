"""Is the radio deaf, or is nobody there? And what to do about a deaf one, step by step.

    AWAY ◄── no scan runs ──┐                    CLOSED ◄── the shop is closed ──┐
      │                     │ from everywhere       │                            │ from everywhere
      └──────── a scan runs ────────┬───────────────┘
                                    ▼
      WELL ──nothing for 2 min──► QUIET ──3 probes hear nobody: a step──► DEAF ──none left──► SPENT
       ▲ │                         │ ▲                                    │ │                   │
       │ │                         │ └───────a probe hears somebody───────┘ │                   │
       ├─┼──────────heard──────────┴─────────────────heard──────────────────┴───────heard───────┘
       │ └──repeats are missing: a step──► HIDING ──repeats arrive──┐
       └────────────────────────────────────────────────────────────┘

    DEAF: after three more probes, and some patience, the next step; SPENT: none left for today.

Rules:
1. Heard is what carries something: a controller that has lost its wits goes on reporting empty
   advertisements.
2. Silence proves nothing: with our filter a shop without customers is silent. So after some minutes
   of it we ask for a *probe*: a look of some seconds for anybody at all, of which we learn only
   whether there was somebody. One that hears somebody proves the radio well and the shop quiet.
   Three in a row that hear nobody are what we call deaf.
3. Steps go from mild to harsh (`LADDER`), the wait doubling from one to the next. A sign of life
   ends the spell; a spell that follows within RELAPSE_S goes on where the last one stopped. While
   others are heard the shop counts as quiet: after hours a new scan, in case bluetoothd is stuck;
   that is no spell, and no step of the day's.
4. At most `DAILY` of each step in any 24 h: then we call a person, and only go on probing.
5. No step while no scan runs (the scanner tries anyway, and logs why it fails) or while the shop is
   closed.
6. Repeats: a phone in the shop is heard several times a second. Many advertisements that are nearly
   all of different senders mean that the controller or the kernel hides repeats: nobody would ever
   be heard long enough to enter.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

from presence.core.operations.radio_steps import (
    DAILY,
    LADDER,
    MAX_WAIT_S,
    PATIENCE,
    Action,
    Evidence,
    RecoveryStep,
    wait_s,
)
from presence.core.timestamps import Moment


class Condition(StrEnum):
    AWAY = "away"
    CLOSED = "closed"
    QUIET = "quiet"
    """Nothing of ours heard lately, and no reason for worry yet."""
    WELL = "well"
    DEAF = "deaf"
    HIDING = "hiding"
    """Advertisements arrive, their repeats do not."""
    SPENT = "spent"
    """Deaf or hiding, and all that we may try in a day was tried."""


QUIET_S: Final = 120.0
HOUR_S: Final = 3600.0
DAY_S: Final = 86_400.0
RELAPSE_S: Final = 3600.0
PROBE_EVERY_S: Final = 210.0
"""Of silence, before and between probes that hear somebody. With the next two it finds a deaf radio
within 10 min, also when each answer comes a look and a probe late: 210 + 90 + 90 + 3 × (30 + 10) s.
"""
PROBE_AGAIN_S: Final = 90.0
"""After a probe that heard nobody."""
SILENT_PROBES: Final = 3
JUDGED_FROM: Final = 20
"""So many advertisements in one look before their repeats are judged."""
REPEATS_FROM: Final = 1.2
"""Advertisements per sender that prove repeats. A phone in the shop brings dozens in half a minute;
one at the edge of hearing is heard once or twice.
"""
HIDDEN_LOOKS: Final = 4
"""Looks in a row (2 min) without repeats before we say so."""


@dataclass(frozen=True, slots=True)
class Look:
    """What came since the last look, some thirty seconds ago."""

    heard: int
    """Advertisements that carried something."""
    senders: float | None = None
    """About how many different ones; None where there were too many to tell."""


@dataclass(slots=True)
class Totals:
    """Since the start; for metrics and health."""

    steps: dict[RecoveryStep, int] = field(default_factory=lambda: dict.fromkeys(RecoveryStep, 0))
    spells: int = 0
    """Times that we had to begin with the steps."""
    recovered: int = 0
    """Spells that ended with a sign of life."""
    declined: int = 0
    """Steps that the system does not let us take."""


class RadioHealth:
    """Of one radio. Takes in changes, looks and probes; answers what to do. One task owns it."""

    def __init__(
        self, *, silence_s: float, taken: Iterable[tuple[float, RecoveryStep]] = ()
    ) -> None:
        """`taken`: steps of the last 24 h with their monotonic time, from before our restart."""
        self.condition = Condition.AWAY
        self.totals = Totals()
        self._silence_s = silence_s
        self._taken = sorted(taken)
        self._attempt = len(self._taken)
        self._rung = 0
        self._ours_s = 0.0
        """The last advertisement of ours, or the start of listening."""
        self._since_s = 0.0
        """The last sign of life of anybody, step, or start of listening."""
        self._probed_s = 0.0
        self._silent_probes = 0
        """In a row, since the last sign of life or step."""
        self._renewals = 0
        """New scans in this silence, while others were heard."""
        self._renewed_s = 0.0
        self._judged_s = 0.0
        self._looks_without_repeats = 0
        self._hides = False
        self._evidence = Evidence.DEAF
        self._deaf_since_s: float | None = None

    @property
    def taken(self) -> tuple[tuple[float, RecoveryStep], ...]:
        """For the process that comes after us."""
        return tuple(self._taken)

    def deaf_s(self, now: Moment) -> float:
        """How long this spell has lasted; 0 where there is none."""
        return 0.0 if self._deaf_since_s is None else now.monotonic_s - self._deaf_since_s

    def listening(self, now: Moment) -> None:
        """A scan runs. What follows our own step is still the same spell."""
        if self.condition in (Condition.AWAY, Condition.CLOSED):
            in_spell = Condition.HIDING if self._hides else Condition.DEAF
            self.condition = Condition.QUIET if self._deaf_since_s is None else in_spell
            self._begin_waiting(now.monotonic_s)
            self._ours_s, self._renewals = now.monotonic_s, 0

    def away(self) -> None:
        """No scan runs; the scanner that starts it has logged why."""
        self.condition = Condition.AWAY

    def closed(self) -> None:
        """Nobody is awaited, so nothing is scanned. A night ends every spell."""
        self.condition = Condition.CLOSED
        self._hides = False
        self._end_spell()
        self._rung = 0

    def observe(self, look: Look, now: Moment) -> Action | None:
        """Take in what came since the last look; the step that it calls for."""
        if self.condition in (Condition.AWAY, Condition.CLOSED):
            return None
        if look.heard:
            return self._heard(look, now.monotonic_s)
        if self.condition is Condition.WELL and now.monotonic_s - self._ours_s >= QUIET_S:
            self.condition = Condition.QUIET
        return self._judge_silence(now.monotonic_s)

    def wants_probe(self, now: Moment) -> bool:
        """Is it time to look for anybody at all?"""
        if self.condition in (Condition.AWAY, Condition.CLOSED):
            return False
        doubtful = self._silent_probes > 0 and self.condition is not Condition.SPENT
        wait = PROBE_AGAIN_S if doubtful else PROBE_EVERY_S
        return now.monotonic_s - max(self._ours_s, self._probed_s) >= wait

    def probed(self, heard_somebody: bool | None, now: Moment) -> Action | None:
        """Take in what a probe found (None: it could not be made); the step that it calls for."""
        self._probed_s = now.monotonic_s
        # A probe takes seconds: the scan may have ended, or the shop closed, meanwhile (rule 5).
        if heard_somebody is None or self.condition in (Condition.AWAY, Condition.CLOSED):
            return None
        if not heard_somebody:
            self._silent_probes += 1
            return self._judge_silence(now.monotonic_s)
        self._silent_probes = 0
        self._since_s = now.monotonic_s
        # Somebody is heard, but that proves no repeats: only they end that spell (rule 6).
        if self.condition in (Condition.DEAF, Condition.SPENT) and not self._hides:
            self._end_well(now.monotonic_s, Condition.QUIET)
        return None

    def declined(self, now: Moment) -> Action | None:
        """The step just asked for cannot be taken: the next harsher one, if there is one."""
        if not self._taken:
            return None
        _, step = self._taken.pop()
        self.totals.steps[step] -= 1
        self.totals.declined += 1
        if step is PATIENCE[self._evidence].harshest:
            return None
        self._attempt -= 1
        return self._act(self._evidence, now.monotonic_s)

    def _heard(self, look: Look, now_s: float) -> Action | None:
        self._judge_repeats(look)
        self._ours_s = self._since_s = now_s
        self._silent_probes = self._renewals = 0
        if not self._hides:
            self._end_well(now_s, Condition.WELL)
            return None
        # Rule 6: much is heard, and still this radio is of no use.
        stepped_s = self._taken[-1][0] if self._taken and self._attempt else -MAX_WAIT_S
        judged = self._looks_without_repeats >= HIDDEN_LOOKS
        if judged and now_s - stepped_s >= wait_s(
            Evidence.NO_REPEATS, self._attempt, self._silence_s
        ):
            return self._act(Evidence.NO_REPEATS, now_s)
        return None

    def _judge_repeats(self, look: Look) -> None:
        # Too many senders to tell, or too few advertisements: neither proves anything of repeats.
        if look.senders is None or look.heard < JUDGED_FROM:
            return
        if look.heard >= REPEATS_FROM * look.senders:
            self._looks_without_repeats = 0
            self._hides = False
            return
        self._looks_without_repeats += 1
        self._hides = self._hides or self._looks_without_repeats >= HIDDEN_LOOKS

    def _judge_silence(self, now_s: float) -> Action | None:
        if self._silent_probes >= SILENT_PROBES:
            # Rule 3: a step needs its time before the next, harsher one.
            waited = now_s - self._since_s >= wait_s(Evidence.DEAF, self._attempt, self._silence_s)
            return self._act(Evidence.DEAF, now_s) if waited else None
        in_spell = self._deaf_since_s is not None or self._silent_probes > 0
        patience_s = wait_s(Evidence.QUIET, self._renewals, self._silence_s)
        # On the border of an hour only: a fixed time after our last customer, its log line would
        # say when they were here.
        hour_over, self._judged_s = now_s // HOUR_S > self._judged_s // HOUR_S, now_s
        if in_spell or not hour_over or now_s - max(self._ours_s, self._renewed_s) < patience_s:
            return None
        self._renewals += 1
        self._renewed_s = now_s
        self.totals.steps[RecoveryStep.RESTART_SCAN] += 1
        next_s = wait_s(Evidence.QUIET, self._renewals, self._silence_s)
        return Action(RecoveryStep.RESTART_SCAN, Evidence.QUIET, self._renewals, next_s)

    def _act(self, evidence: Evidence, now_s: float) -> Action | None:
        self._evidence = evidence
        self._taken = [(at_s, step) for at_s, step in self._taken if now_s - DAY_S < at_s <= now_s]
        step = LADDER[min(self._rung, LADDER.index(PATIENCE[evidence].harshest))]
        if self._deaf_since_s is None:
            self._deaf_since_s = self._since_s
            self.totals.spells += 1
        # Rule 4: a radio that no step helps is not restarted for ever.
        if sum(taken is step for _, taken in self._taken) >= DAILY[step]:
            self.condition = Condition.SPENT
            return None
        self._taken.append((now_s, step))
        self.totals.steps[step] += 1
        self._attempt += 1
        self.condition = Condition.HIDING if evidence is Evidence.NO_REPEATS else Condition.DEAF
        self._rung = (LADDER.index(step) + 1) % len(LADDER)
        self._begin_waiting(now_s)
        return Action(
            step, evidence, self._attempt, wait_s(evidence, self._attempt, self._silence_s)
        )

    def _end_well(self, now_s: float, condition: Condition) -> None:
        if self._deaf_since_s is not None:
            self.totals.recovered += 1
        self.condition = condition
        self._end_spell()
        if not self._taken or now_s - self._taken[-1][0] >= RELAPSE_S:  # rule 3
            self._rung = 0

    def _end_spell(self) -> None:
        self._deaf_since_s = None
        self._attempt = 0

    def _begin_waiting(self, now_s: float) -> None:
        self._since_s = now_s
        self._silent_probes = 0
        self._looks_without_repeats = 0
