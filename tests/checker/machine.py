"""A chain, a shop and three customers as one state machine: whatever happens in whichever order,
the judge agrees.

    desks (two processes) ──► register ──► repository ──► gateway ──► relay ──► broker ──► judge
            └──────────────── revocations, late, twice, lost, in any order ─┘

Hypothesis chooses commands, faults and the passing of time. `Breach` is a broken promise; it is
reported with the shortest way to it that Hypothesis finds.
"""

import shutil
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar, Final

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from tests.checker import wills
from tests.checker.chain import Desk, Done, at_once
from tests.checker.judge import LEASE_S, Breach, Judge
from tests.checker.shop import Shop
from tests.checker.wills import (
    BEER,
    CARS,
    GARDEN,
    OFFERS,
    PRESENCE,
    PROFILING,
    SERVICE,
    VANS,
    VISIT_END,
    History,
    Will,
)

PERIOD_S: Final = 22_118_400
"""Days and key windows together begin anew after so long (256 days): each machine's afternoon
begins alike.
"""
NAMES: Final = ("anna", "berit", "carl")
HOUR_S: Final = 3600.0
SERVED_S: Final = 300.0

names = st.sampled_from(NAMES)
categories = st.sampled_from((CARS, VANS, GARDEN, BEER))
harmless = categories.filter(lambda category: category != BEER)
purposes = st.frozensets(st.sampled_from((OFFERS, SERVICE, VISIT_END, PROFILING)), min_size=1).map(
    lambda s: s | {PRESENCE}
)
durations_s = st.sampled_from((1.0, 10.0, 60.0, 130.0, 400.0, 950.0))


class ConsentMachine(RuleBasedStateMachine):
    """`desks` are made once a run and shared by all machines."""

    desks: ClassVar[tuple[Desk, Desk]]
    judged: ClassVar[Counter[str]] = Counter()
    """Events by type, of all machines."""

    @initialize(
        wishes=st.tuples(*(st.tuples(purposes, st.frozensets(harmless, min_size=1)) for _ in NAMES))
    )
    def begin_with_customers(
        self, wishes: tuple[tuple[frozenset[str], frozenset[str]], ...]
    ) -> None:
        """An ordinary day: three who agreed, a list that arrived."""
        self.begin()
        for name, (purposes, granted) in zip(NAMES, wishes, strict=True):
            self.agree(
                name=name, purposes=purposes, granted=granted, ends=HOUR_S, until=30 * HOUR_S
            )
        self.the_list_arrives()

    def begin(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="presence-machine-"))
        start_s = float((int(time.time()) // PERIOD_S + 1) * PERIOD_S + 5 * HOUR_S + 7)
        self.histories = {name: History() for name in NAMES}
        self.keys = {name: bytes([number + 1]) * 16 for number, name in enumerate(NAMES)}
        self.revocations: list[tuple[str, int, bytes]] = []
        """Customer, will and signed revocation, in the order in which they were said."""
        self.unheard: dict[tuple[str, int], set[bytes]] = {}
        """What the gateway must hear until it has learned of a will."""
        self.published: dict[str, int] = dict.fromkeys(NAMES, 0)
        self.published_at_s = start_s
        self.heard_s: dict[str, float] = {}
        self.name_of: dict[bytes, str] = {}
        self.judge = Judge(self.histories, now_s=start_s, judged=self.judged)
        self.began_s = start_s
        self._create(start_s)
        self.shop = Shop(self.folder, self.judge, start_s)
        self._look()

    def _create(self, now_s: float) -> None:
        self.desks[0].do(self.folder / "service", now_s, "create")
        self.desks[0].do(self.folder / "service", now_s, "publish")
        shutil.copy(self.folder / "repository/metadata/1.root.json", self.folder / "root.json")

    def teardown(self) -> None:
        if hasattr(self, "shop"):
            self.shop.close()
            shutil.rmtree(self.folder)

    # --- what customers do

    @rule(
        name=names,
        purposes=purposes,
        granted=st.frozensets(categories),
        ends=st.sampled_from((120.0, 1200.0, HOUR_S)),
        until=st.sampled_from((300.0, HOUR_S, 30 * HOUR_S)),
        again=st.booleans(),
    )
    def agree(
        self,
        *,
        name: str,
        purposes: frozenset[str],
        granted: frozenset[str],
        ends: float,
        until: float,
        again: bool = False,
    ) -> None:
        """`again`: all of it was asked for anew, word by word."""
        if hasattr(self, "shop"):
            self.shop.pass_s(
                1
            )  # what is given in the very second in which it was taken away stays away
        now_s = self._now_s()
        until_s = float(int(now_s + until))
        said = purposes | granted if again else frozenset()
        given = {each: float(int(now_s + min(ends, until))) for each in granted}
        done = self._do(
            "add",
            id=name,
            purposes=purposes,
            categories=given,
            not_before_s=now_s - 60,
            not_after_s=until_s,
            identity_key=self.keys[name],
            said_s=dict.fromkeys(said, now_s),
        )
        will = self.histories[name].now
        if done.refused:
            if (
                not will.objected and BEER not in granted
            ):  # sensitive, and nobody here agrees to it explicitly
                raise Breach(f"{name} agreed and was refused: {done.refused}")
            return
        if will.objected:
            raise Breach(f"{name} objected, and was added all the same")
        ref, keys = done.value  # none for an audience whose purpose stays taken away
        self.judge.keys.setdefault(name, {}).update(keys)
        self.name_of[ref] = name
        given_until = frozenset(given.items())
        agreed = wills.agreed(
            will, purposes=purposes, categories=given_until, until_s=until_s, again=said
        )
        self._became(name, agreed, done)

    @rule(
        name=names,
        purposes=purposes,
        granted=st.frozensets(harmless),
        refused=st.frozensets(harmless, max_size=1),
        decided_anew=st.frozensets(
            st.sampled_from((OFFERS, SERVICE, VISIT_END, PROFILING, CARS, VANS, GARDEN))
        ),
        until=st.sampled_from((300.0, HOUR_S, 30 * HOUR_S)),
    )
    def is_imported(
        self,
        *,
        name: str,
        purposes: frozenset[str],
        granted: frozenset[str],
        refused: frozenset[str],
        decided_anew: frozenset[str],
        until: float,
    ) -> None:
        """An export of the platform: only what was decided anew, word by word, brings back what was
        taken away.
        """
        self.shop.pass_s(1)
        now_s, will = self._now_s(), self.histories[name].now
        until_s, granted = float(int(now_s + until)), granted - refused
        # After a withdrawal counts only what was decided after it.
        withdrew = any(before.gone for before in self.histories[name].wills[2:])
        anew = purposes | granted if will.gone or withdrew else decided_anew | {PRESENCE}
        done = self._do("import", rows=[
            {"subject": name, "purpose": word, "notice": "fi-2026-03", "expiry": f"{until_s:.0f}",
             "value": "not_given" if word in refused else "given",
             "timestamp": f"{now_s if word in anew | refused else self.began_s:.0f}",
             "identity_key": self.keys[name].hex() if word == PRESENCE else ""}
            for word in sorted(purposes | granted | refused)
        ])  # fmt: skip
        if will.objected:
            if not done.value:
                raise Breach(f"{name} objected, and was imported all the same")
            return
        if done.value or done.refused:
            raise Breach(f"{name} was exported, and not taken up: {done.value or done.refused}")
        ends = frozenset((category, until_s) for category in granted)
        agreed = wills.agreed(will, purposes=purposes, categories=ends, until_s=until_s, again=anew)
        self._became(name, wills.narrowed(agreed, categories=refused), done)

    @rule(name=names, category=categories)
    def narrow_a_category(self, name: str, category: str) -> None:
        self._taken(
            name,
            lambda will: wills.narrowed(will, categories=frozenset({category})),
            "narrow",
            categories=[category],
        )

    @rule(name=names, purpose=st.sampled_from((OFFERS, SERVICE, VISIT_END, PROFILING)))
    def narrow_a_purpose(self, name: str, purpose: str) -> None:
        self._taken(
            name,
            lambda will: wills.narrowed(will, purposes=frozenset({purpose})),
            "narrow",
            purposes=[purpose],
        )

    @rule(name=names, category=harmless)
    def fulfil(self, name: str, category: str) -> None:
        if category in dict(self.histories[name].now.categories):
            self._taken(
                name,
                lambda will: wills.narrowed(will, categories=frozenset({category})),
                "fulfil",
                category=category,
            )

    @rule(name=names, minutes=st.sampled_from((5, 60)))
    def pause(self, name: str, minutes: int) -> None:
        until_s = float(int(self._now_s()) + 60 * minutes)
        self._taken(name, lambda will: wills.paused(will, until_s), "pause", until_s=until_s)

    @rule(name=names)
    def resume(self, name: str) -> None:
        self._taken(name, wills.resumed, "resume")

    @rule(name=names)
    def withdraw(self, name: str) -> None:
        self._taken(name, wills.withdrawn, "withdraw")

    @rule(name=names)
    def object(self, name: str) -> None:
        done = self._do("object", name=name)
        if bool(done.refused) != self.histories[name].now.objected:
            raise Breach(f"{name} objected: {done.refused or 'once more'}")
        if not done.refused:
            self._became(name, Will(objected=True), done)

    @rule(name=names, other=st.sampled_from(("object", "withdraw", "pause")), category=categories)
    def two_desks_at_once(self, name: str, other: str, category: str) -> None:
        """One desk takes a category away while the other ends it all; whoever is first, both have
        happened.
        """
        before, now_s = self.histories[name].now, self._now_s()
        if before.gone or before.objected or before.until_s <= now_s:
            return
        until_s = float(int(now_s) + 300)
        words: dict[str, Any] = {"name": name, **({"until_s": until_s} if other == "pause" else {})}
        one, two = at_once(
            self.desks, self.folder / "service", now_s,
            (("narrow", {"name": name, "categories": [category]}), (other, words)),
        )  # fmt: skip
        if two.refused:
            raise Breach(f"{name}: {other} was refused: {two.refused}")
        ended: Callable[[Will], Will] = {
            "object": wills.objected,
            "withdraw": wills.withdrawn,
            "pause": lambda will: wills.paused(will, until_s),
        }[other]
        if not one.refused:
            self._became(name, wills.narrowed(before, categories=frozenset({category})), one)
        self._became(name, ended(self.histories[name].now), two)

    # --- the chain and the way to the shop

    @rule(rebase=st.booleans())
    def publish(self, rebase: bool = False) -> None:
        self._do("publish", rebase=rebase)
        self._is_published()

    @rule()
    def the_list_arrives(self) -> None:
        self.publish()
        self._look()

    @rule()
    def look(self) -> None:
        self._look()

    @rule()
    def hear_all_revocations(self) -> None:
        for name, number, revocation in self.revocations:
            self._hear(name, number, revocation)

    @rule(which=st.integers(0, 30))
    def hear_a_revocation(self, which: int) -> None:
        """Any of those that were ever said: late, twice, out of order."""
        if self.revocations:
            self._hear(*self.revocations[which % len(self.revocations)])

    @rule()
    def hear_the_last_revocations(self) -> None:
        for name, number, revocation in self.revocations[-3:]:
            self._hear(name, number, revocation)

    # --- the street, the shop, the machine room

    @rule(name=names, other=names)
    def two_walk_in(self, name: str, other: str) -> None:
        self.walk_in(name)
        self.walk_in(other)

    @rule(name=names)
    def walk_in(self, name: str) -> None:
        """Whoever has rights, and is new in the shop, must be told of."""
        shop, judge = self.shop, self.judge
        before, dropped = len(judge.told), shop.pipeline.counts["dropped"]
        now_s = self._now_s()
        will = self.histories[name].believed()
        sure = [
            audience for audience in wills.PURPOSE_OF
            if all(will.allows(audience, now_s + off_s) is not None for off_s in (-10, 0, 10, 20))
        ]  # fmt: skip
        current = self.histories[name].listed == len(self.histories[name].wills) - 1
        awaited = (
            shop.publishes
            and not shop.off_s
            and current
            and shop.broker.is_steady
            and name not in self.heard_s
            and not shop.is_waiting
            and now_s - self.published_at_s < LEASE_S - 60
        )
        shop.walks_in(self.keys[name])
        self.heard_s[name] = self._now_s()
        if (
            awaited
            and len(judge.told) - before < len(sure)
            and shop.pipeline.counts["dropped"] == dropped
        ):
            raise Breach(
                f"{name} has rights, came in, and {sure} heard {len(judge.told) - before} events"
            )

    @rule(seconds=durations_s, served=st.booleans())
    def pass_time(self, seconds: float, served: bool = False) -> None:
        """`served`: the chain goes on publishing, and the gateway looking."""
        while served and seconds > SERVED_S:
            self.shop.pass_s(SERVED_S)
            self.the_list_arrives()
            seconds -= SERVED_S
        self.shop.pass_s(seconds)

    @precondition(lambda self: self.shop.broker.up)
    @rule()
    def broker_goes(self) -> None:
        self.shop.broker.up = False

    @precondition(lambda self: not self.shop.broker.up)
    @rule()
    def broker_comes(self) -> None:
        self.shop.broker.up = True
        self.shop.tick()

    @rule(delivered=st.booleans())
    def broker_stumbles(self, delivered: bool) -> None:
        self.shop.broker.lose_connection_once(delivered=delivered)

    @rule()
    def a_peer_tells_it(self) -> None:
        """Another gateway of the store published what waits here, under the id that both
        compute.
        """
        announcement = self.shop.a_peer_tells()
        if announcement is not None:
            self.judge.adopted(self.name_of[announcement.ref], announcement)

    @rule(off_s=st.sampled_from((-4000.0, -700.0, -90.0, -20.0, 90.0, 4000.0)))
    def somebody_sets_the_clock(self, off_s: float) -> None:
        self.shop.set_clock(off_s)

    @precondition(lambda self: self.shop.off_s)
    @rule()
    def the_clock_is_mended(self) -> None:
        self.shop.set_clock(0.0)

    @rule()
    def gateway_is_killed(self) -> None:
        """It starts with a clock that is right: one that never was is found out by the server's
        date alone.
        """
        self.shop.kill()
        self.shop.set_clock(0.0)
        self.shop.start()

    @rule()
    def power_is_cut(self) -> None:
        """What was in memory is gone; nobody can be told that what they heard is taken back, and
        what was taken back may come again where it is granted anew.
        """
        self.shop.kill()
        self.shop.set_clock(0.0)
        shutil.rmtree(self.folder / "run")
        self.shop.start()
        self.judge.gateway_forgot()

    @invariant()
    def the_register_has_what_customers_want(self) -> None:
        if not getattr(self, "changed", False):
            return
        self.changed = False
        shown = self._do("show", names=NAMES).value
        for name, history in self.histories.items():
            _agree(name, shown[name], history.now, self._now_s())

    @invariant()
    def nothing_told_is_left_standing(self) -> None:
        if hasattr(self, "shop") and self.shop.broker.up and self.shop.list_sync.lease is not None:
            self.shop.tick()
            if not self.shop.is_waiting and not self.shop.off_s:
                self.judge.standing(stale=not self.shop.publishes)

    # --- helpers

    def _now_s(self) -> float:
        return self.shop.true_s if hasattr(self, "shop") else self.judge.now_s

    def _do(self, command: str, **words: Any) -> Done:
        return self.desks[0].do(self.folder / "service", self._now_s(), command, **words)

    def _taken(self, name: str, change: Callable[[Will], Will], command: str, **words: Any) -> None:
        before = self.histories[name].now
        done = self._do(command, name=name, **words)
        none = before.gone or before.objected
        if done.refused:
            if not none and self._now_s() < before.until_s:
                raise Breach(f"{name}: {command} was refused: {done.refused}")
            return
        if none:
            raise Breach(f"{name}: {command} was done, and there is no agreement")
        self._became(name, change(before), done)

    def _became(self, name: str, will: Will, done: Done) -> None:
        self.changed = True
        if wills.takes_away(self.histories[name].now, will, self._now_s()) and not done.revocations:
            raise Breach(f"{name}: rights went, and no notice says so (R-34)")
        number = self.histories[name].becomes(will)
        self.revocations += [(name, number, revocation) for revocation in done.revocations]
        self.unheard[name, number] = set(done.revocations)

    def _is_published(self) -> None:
        self.published = {name: len(history.wills) - 1 for name, history in self.histories.items()}
        self.published_at_s = self._now_s()

    def _look(self) -> None:
        if self.shop.look():
            self.judge.published_at_s = self.published_at_s
            for name, number in self.published.items():
                self.histories[name].listed = number

    def _hear(self, name: str, number: int, revocation: bytes) -> None:
        if self.shop.list_sync.lease is None:
            return  # nobody knows yet who may sign
        self.shop.hear_revocation(revocation)
        self.unheard[name, number].discard(revocation)
        if not self.unheard[name, number]:
            self.histories[name].heard.add(number)


def _agree(name: str, shown: Any, will: Will, now_s: float) -> None:
    """Raises Breach where the register has more, or less, than the customer wants."""
    if shown is None or shown["state"] != "active":
        objected = shown is not None and shown["state"] == "objected"
        if not (will.objected if objected else will.gone or will.until_s <= now_s):
            raise Breach(f"{name}: the register has {shown and shown['state']}, wanted is {will}")
        return
    if (
        will.gone
        or will.objected
        or shown["purposes"] != will.purposes
        or shown["categories"] != will.categories
        or will.refused != shown["refused"]
        or max(shown["paused_until_s"], now_s) != max(will.paused_until_s, now_s)
    ):
        raise Breach(f"{name}: the register has {shown}, wanted is {will}")
