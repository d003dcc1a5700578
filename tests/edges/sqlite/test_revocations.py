"""What revocations took away, on the disk: by whom it was signed, and files of before that was
kept.
"""

import math
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from presence.core.consent.model import Purpose
from presence.core.consent.revocation import RevokedRights
from presence.core.consent.revocations import HeldRevocation
from presence.edges.sqlite.revocations import WITHDRAWN_SCHEMA, SqliteRevocationStore
from tests.support.builders import ANNA, BERIT, CARS
from tests.support.revocations import LIST, removal

ROWS = (
    HeldRevocation(removal(version=5), 8, "r1"),
    HeldRevocation(removal(version=5), 9, "r2"),
    HeldRevocation(
        RevokedRights(
            BERIT,
            2,
            objected=True,
            paused_until_s=math.inf,
            categories=frozenset({CARS}),
            purposes=frozenset({Purpose.OFFERS}),
        ),
        (1 << 53) - 1,
        "r1",
    ),
)


def test_what_was_kept_is_there_again_by_key(tmp_path: Path) -> None:
    with closing(SqliteRevocationStore(tmp_path)) as store:
        store.keep(LIST, ROWS, 7)
    with closing(SqliteRevocationStore(tmp_path)) as again:
        assert set(again.load()) == set(ROWS)
        assert again.last_revocation(LIST) == 7
        again.let_go(ROWS[:1])
        again.keep(LIST, (), None, gone=ROWS[2:])
    with closing(SqliteRevocationStore(tmp_path)) as third:
        assert third.load() == ROWS[1:2]
    assert BERIT not in (tmp_path / "withdrawn.sqlite").read_bytes()


@pytest.mark.requirement("R-41", "R-44")
def test_a_file_of_before_keys_were_told_apart_keeps_what_it_held_for_nobody_knows_whom(
    tmp_path: Path,
) -> None:
    before = sqlite3.connect(tmp_path / "withdrawn.sqlite")
    before.executescript(f"{WITHDRAWN_SCHEMA} PRAGMA user_version=1;")
    before.execute(
        "INSERT INTO withdrawn VALUES (?,?,?,?,?,?,?)", (ANNA, 5, 8, True, False, 0.0, "[[], []]")
    )
    before.execute("INSERT INTO notice VALUES (?, ?)", (LIST, 17))
    before.commit()
    before.close()
    with closing(SqliteRevocationStore(tmp_path)) as upgraded:
        assert upgraded.load() == (HeldRevocation(removal(version=5), 8, ""),)
        assert upgraded.last_revocation(LIST) == 17
