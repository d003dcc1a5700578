"""A base on the disk: what was put in comes out, and what went is gone, wherever its erasing was
cut short.
"""

import os
import shutil
from collections.abc import Iterable
from itertools import count
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from presence.core.consent.model import Consent
from presence.core.consent.record import Words, encode_record, record_version
from presence.edges.consent_list import blocks
from presence.edges.consent_list.blocks import ROWS, BaseFile, BaseWriter, erase
from presence.edges.consent_list.stored import StoredConsents
from presence.edges.sqlite.spoilt import Spoilt
from tests.support.builders import ANNA
from tests.support.signed_lists import agreed

WORDS = Words()
NUMBER = count(1)


def entries(number: int) -> list[Consent]:
    """Spread over all refs, each unlike the others."""
    step = (1 << 64) // (number + 1)
    return [agreed((step * n + 77).to_bytes(8, "big"), version=n + 3) for n in range(number)]


def written(path: Path, consents: list[Consent], *, at_once: int = 50) -> BaseFile:
    writer = BaseWriter(path)
    for first in range(0, len(consents), at_once):
        some = consents[first : first + at_once]
        records = [encode_record(each, WORDS) for each in some]
        writer.add(
            np.array([int.from_bytes(each.ref, "big") for each in some], np.uint64),
            np.array(list(map(len, records)), np.uint32),
            b"".join(records),
        )
    writer.finish()
    return BaseFile(path)


def stored(base: BaseFile, *, over: Iterable[int] = ()) -> StoredConsents:
    return StoredConsents(base, {}, WORDS.all, over=frozenset(over), count=len(base))


@pytest.mark.parametrize("number", [0, 1, ROWS - 1, ROWS, ROWS + 1, 200])
@pytest.mark.parametrize("at_once", [1, 7, 50])
def test_every_entry_comes_back_and_no_other(tmp_path: Path, number: int, at_once: int) -> None:
    consents = entries(number)
    base = written(tmp_path / "a.base", consents, at_once=at_once)

    found = stored(base)

    assert dict(found) == {each.ref: each for each in consents}
    assert ANNA not in found
    assert base.verify() == ""
    assert base.versions(0, number).tolist() == [each.version for each in consents]


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(gone=st.lists(st.lists(st.integers(0, 99), min_size=1, unique=True), min_size=1, max_size=4))
def test_of_rows_that_went_nothing_is_left_and_the_others_stand(
    tmp_path: Path, gone: list[list[int]]
) -> None:
    consents = entries(100)
    path = tmp_path / f"{next(NUMBER)}.base"
    base = written(path, consents)
    for rows in gone:
        base.wipe(rows)
    over = {row for rows in gone for row in rows}

    again = BaseFile(path)

    data = path.read_bytes()
    assert dict(stored(again)) == {
        each.ref: each for row, each in enumerate(consents) if row not in over
    }
    assert dict(stored(base)) == dict(stored(again))
    assert again.refs.tolist() == base.refs.tolist()
    assert np.all(again.refs[:-1] < again.refs[1:])
    assert again.verify() == base.verify() == ""
    for row in over:
        assert consents[row].ref[::-1] not in data
        assert encode_record(consents[row], WORDS) not in data
        assert again.find(consents[row].ref) == -1
    path.unlink()


def test_a_row_that_went_leads_to_nobody_and_never_to_a_neighbour(tmp_path: Path) -> None:
    consents = entries(40)
    base = written(tmp_path / "a.base", consents)
    base.wipe([0, 5, 6, 39])
    refs = [int(ref).to_bytes(8, "big") for ref in base.refs[[0, 5, 6, 39]]]
    assert [stored(base).get(ref) for ref in refs] == [None] * 4


class PowerCut(Exception):
    pass


@pytest.mark.requirement("R-12", "R-40")
@pytest.mark.parametrize("rows", [[3], [0, 1, 2], [10, 11, 12, 40, 41, 99], [31, 32, 33]])
@pytest.mark.parametrize("torn", [False, True])
def test_erasing_that_was_cut_short_at_any_write_is_completed_by_the_next(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, rows: list[int], torn: bool
) -> None:
    consents = entries(100)
    whole = tmp_path / "whole.base"
    base = written(whole, consents)
    base.wipe([13, 34])  # an earlier one
    left = 0

    def failing(handle: int, data: blocks.Buffer, at: int) -> None:
        nonlocal left
        left -= 1
        if left == 0:
            os.pwrite(handle, memoryview(data)[: len(data) // 2] if torn else b"", at)
            raise PowerCut
        os.pwrite(handle, data, at)

    for writes in count(1):
        path = tmp_path / f"{writes}.base"
        shutil.copy(whole, path)
        with monkeypatch.context() as patched:
            patched.setattr(blocks, "write_all", failing)
            left = writes
            try:
                BaseFile(path).wipe(rows)
                break
            except PowerCut:
                pass

        again = BaseFile(path)
        again.wipe(rows)

        gone = {*rows, 13, 34}
        assert dict(stored(BaseFile(path))) == {
            each.ref: each for row, each in enumerate(consents) if row not in gone
        }
        assert again.verify() == ""
        assert all(consents[row].ref[::-1] not in path.read_bytes() for row in gone)
    assert writes > 3


def test_what_a_disk_spoilt_is_nobody_and_is_told(tmp_path: Path) -> None:
    consents = entries(100)
    base = written(tmp_path / "a.base", consents)
    data = (tmp_path / "a.base").read_bytes()
    at = data.index(encode_record(consents[50], WORDS)) + 3
    with (tmp_path / "a.base").open("r+b") as file:
        file.seek(at)
        file.write(bytes([data[at] ^ 1]))
    found = stored(base)
    assert found.get(consents[10].ref) == consents[10]
    assert base.damaged == ""
    assert found.get(consents[50].ref) is None
    assert "damaged: block 1 is not as it was written" in base.damaged


@pytest.mark.parametrize("size", [0, 100, 4096, 6000])
def test_a_file_that_was_cut_is_no_base(tmp_path: Path, size: int) -> None:
    written(tmp_path / "a.base", entries(100))
    os.truncate(tmp_path / "a.base", size)
    with pytest.raises(Spoilt, match="damaged"):
        BaseFile(tmp_path / "a.base")


def test_versions_of_all_lengths_are_read_in_place(tmp_path: Path) -> None:
    consents = [agreed(bytes(7) + bytes([n]), version=(1 << n) + n) for n in range(1, 53)]
    base = written(tmp_path / "a.base", consents)
    assert base.versions(5, 40).tolist() == [each.version for each in consents[5:40]]
    assert record_version(encode_record(consents[-1], WORDS)) == consents[-1].version


def test_an_erased_file_was_overwritten_first(tmp_path: Path) -> None:
    consents = entries(3)
    base = written(tmp_path / "a.base", consents)
    os.link(tmp_path / "a.base", tmp_path / "linked")
    erase(tmp_path / "a.base")
    erase(tmp_path / "a.base")
    assert set((tmp_path / "linked").read_bytes()) == {0}
    assert stored(base).get(consents[0].ref) is None
