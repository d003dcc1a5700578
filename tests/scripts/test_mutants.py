"""The judgement of `scripts/mutate`: only what was seen to die is dead."""

import pytest

from tests.support.mutants import judge

KILLED = {f"presence.core.consent.model.x_{n}": "killed" for n in range(95)}


def test_all_is_well_where_all_were_tried_and_survivors_have_their_reasons() -> None:
    lines, well = judge({**KILLED, **{f"lives_{n}": "survived" for n in range(5)}}, ["lives_*"])

    assert lines == ["95 of 100 mutants died: 95.0%, goal 95%; 5 live with a reason"]
    assert well


@pytest.mark.parametrize("verdict", ["survived", "timeout", "no tests", "segfault", "suspicious"])
def test_what_nobody_saw_die_is_named_unless_it_has_a_reason(verdict: str) -> None:
    lines, well = judge({**KILLED, "loops": verdict}, [])

    assert lines[0] == f"{verdict}, without a reason in mutants.toml: loops (mutmut show loops)"
    assert not well
    assert judge({**KILLED, "loops": verdict}, ["loops"])[1]


def test_what_was_not_tried_is_no_part_of_the_score_and_is_told() -> None:
    lines, well = judge({**KILLED, "one": "not checked", "two": "not checked"}, ["one", "two"])

    assert lines[0].startswith("95 of 95 mutants died: 100.0%")
    assert lines[1].startswith("not tried: 2,")
    assert not well


def test_a_low_score_is_not_well_though_every_survivor_has_a_reason() -> None:
    assert not judge({**KILLED, **{f"lives_{n}": "survived" for n in range(6)}}, ["lives_*"])[1]
    assert not judge({}, [])[1]
