"""What came since the last look, of nobody in particular; and the memory of the day's steps."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from presence.core.operations.radio_health import DAY_S
from presence.core.operations.radio_steps import RecoveryStep
from presence.core.timestamps import Moment
from presence.edges.radio.ledger import NAME, Ledger
from presence.edges.radio.tally import Tally
from tests.support.builders import moment


@given(st.integers(0, 600), st.integers(1, 5))
def test_senders_are_estimated_without_being_known(senders: int, each: int) -> None:
    tally = Tally()
    for number in range(senders):
        for _ in range(each):
            tally.add(f"sender {number}")
    heard, estimate = tally.take()
    assert heard == senders * each
    assert estimate is not None
    assert abs(estimate - senders) <= 5 + 0.15 * senders
    assert tally.take() == (0, 0)


@pytest.mark.requirement("R-02")
def test_of_an_address_nothing_is_kept_but_one_of_a_thousand_numbers() -> None:
    tally = Tally()
    for number in range(100_000):
        tally.add(f"sender {number}")
    assert {type(mark) for mark in tally._marks} == {int}
    assert len(tally._marks) <= 1024
    assert tally.take() == (100_000, None)  # too many to tell


def test_the_days_steps_are_remembered_for_each_adapter(tmp_path: Path) -> None:
    now, ledger = moment().later(2 * DAY_S), Ledger(tmp_path)
    long_ago, lately = (
        (now.monotonic_s - DAY_S - 1, RecoveryStep.POWER_CYCLE),
        (now.monotonic_s - 60, RecoveryStep.RESTART_SCAN),
    )
    ledger.write("hci0", (long_ago, lately))
    ledger.write("hci1", ((now.monotonic_s, RecoveryStep.ASK_SYSTEMD),))
    assert Ledger(tmp_path).read("hci0", now) == (lately,)
    assert Ledger(tmp_path).read("hci1", now) == ((now.monotonic_s, RecoveryStep.ASK_SYSTEMD),)
    assert Ledger(tmp_path).read("hci2", now) == ()
    after_a_boot = Moment(3.0, now.utc_s)
    assert Ledger(tmp_path).read("hci0", after_a_boot) == ()


@pytest.mark.parametrize(
    "text", ["", "[]", '{"hci0": 3}', '{"hci0": [[1, "dance"]]}', '{"hci0": [3]}', "\xff"]
)
def test_a_memory_of_steps_that_makes_no_sense_counts_as_none(tmp_path: Path, text: str) -> None:
    (tmp_path / NAME).write_text(text, "latin-1")
    assert Ledger(tmp_path).read("hci0", moment()) == ()
    Ledger(tmp_path).write("hci0", ((moment().monotonic_s, RecoveryStep.RESTART_SCAN),))
    assert len(Ledger(tmp_path).read("hci0", moment())) == 1


def test_a_folder_that_cannot_be_written_costs_the_memory_only(tmp_path: Path) -> None:
    Ledger(tmp_path / "nowhere").write("hci0", ((1.0, RecoveryStep.RESTART_SCAN),))
