"""The file of customers: made once, read by kit and engine, and played in turns."""

import stat
from pathlib import Path

import pytest

from presence.conformance.customers import (
    MADE,
    NEEDED,
    TURN_S,
    make_customers,
    read_customers,
    whose_turn,
)
from presence.errors import StorageError, UsageError
from scripts import offer_engine

COOL_DOWN_S = 600


@pytest.fixture
def made(tmp_path: Path) -> Path:
    make_customers(tmp_path / "customers.jsonl")
    return tmp_path / "customers.jsonl"


def test_kit_and_engine_read_the_same_customers_and_nobody_else_reads_the_file(made: Path) -> None:
    ours = {each.name: each.pairwise_key for each in read_customers(made)}
    assert ours == offer_engine.read_customers(made)
    assert len(set(ours.values())) == len(ours) == MADE
    assert stat.S_IMODE(made.stat().st_mode) == 0o600


def test_no_file_is_written_over(made: Path) -> None:
    with pytest.raises(StorageError, match="file exists"):
        make_customers(made)


def test_a_run_plays_nobody_whom_the_engine_may_still_leave_alone(made: Path) -> None:
    customers = read_customers(made)
    played = [
        {each.name for each in whose_turn(customers, 7.0 + TURN_S * turn)}
        for turn in range(int(COOL_DOWN_S / TURN_S) + 1)
    ]
    assert {len(names) for names in played} == {NEEDED}
    assert len(set().union(*played)) == NEEDED * len(played)
    assert offer_engine.Manners().cool_down_s == COOL_DOWN_S


@pytest.mark.parametrize(
    ("line", "complaint"),
    [
        ("{", r":1 is not like"),
        ('{"customer": "Anna"}', r":1 is not like"),
        ('{"customer": "Anna", "pairwise_key": "zz"}', r":1 is not like"),
        ("[]", r":1 is not like"),
        ("", "has 0, and a run plays 50"),
    ],
)
def test_a_file_that_is_none_is_named_with_its_line(
    tmp_path: Path, line: str, complaint: str
) -> None:
    (tmp_path / "customers").write_text(f"{line}\n")
    with pytest.raises(UsageError, match=complaint):
        read_customers(tmp_path / "customers")
    with pytest.raises(StorageError, match="cannot be read"):
        read_customers(tmp_path / "another")
