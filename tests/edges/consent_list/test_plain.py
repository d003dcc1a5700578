"""The list in a file: read when it has changed, whole or not at all, line by line where a line is
at fault.
"""

import hashlib
import json
import os
from pathlib import Path
from typing import Any

import pytest

from presence.core.consent.list_json import ConsentList
from presence.edges.consent_list.plain import FILE_NAME, ConsentFile, PlainList, PlainReading
from presence.errors import ConsentListError, StorageError
from tests.support.builders import ANNA, BERIT, CARL, DAY_S, START_S, entry_json, header_json
from tests.support.fakes import MemoryAcceptedLists

LIST = "acme/fi-0042"
MAX_SPAN_S = 396 * DAY_S


def put(directory: Path, *lines: Any, **header: Any) -> Path:
    """Write a list as its writers must: beside it first, then in its place."""
    first = header_json(**{"count": len(lines), **header})
    texts = [line if isinstance(line, str) else json.dumps(line) for line in (first, *lines)]
    return put_text(directory, "\n".join(texts) + "\n")


def put_text(directory: Path, text: str | bytes) -> Path:
    beside = directory / "new"
    beside.write_bytes(text if isinstance(text, bytes) else text.encode())
    return beside.replace(directory / FILE_NAME)


@pytest.fixture
def source(tmp_path: Path) -> ConsentFile:
    return ConsentFile(tmp_path, list_name=LIST, max_span_s=MAX_SPAN_S)


def read(source: ConsentFile) -> ConsentList:
    return reading(source).consents


def reading(source: ConsentFile) -> PlainReading:
    found = source.read()
    assert found is not None
    return found


# ---------------------------------------------------------------- when it is read


def test_a_list_is_read(tmp_path: Path, source: ConsentFile) -> None:
    put(tmp_path, entry_json(), entry_json(of=BERIT), seq=41)

    found = reading(source)

    assert found.consents.entries.keys() == {ANNA, BERIT}
    assert (found.consents.header.name, found.consents.header.seq) == (LIST, 41)
    assert found.complaints == ()
    assert found.digest == hashlib.sha256((tmp_path / FILE_NAME).read_bytes()).hexdigest()


def test_a_file_that_has_not_changed_is_not_read_again(tmp_path: Path, source: ConsentFile) -> None:
    put(tmp_path, entry_json())
    read(source)

    assert source.read() is None


@pytest.mark.requirement("R-08")
def test_a_file_that_was_replaced_is_read_again(tmp_path: Path, source: ConsentFile) -> None:
    before = put(tmp_path, entry_json()).stat()
    read(source)
    after = put(tmp_path, entry_json(of=BERIT))
    os.utime(
        after, ns=(before.st_atime_ns, before.st_mtime_ns)
    )  # of the same length and time, as in one second

    assert read(source).entries.keys() == {BERIT}


def test_a_file_that_was_refused_is_looked_at_again(tmp_path: Path, source: ConsentFile) -> None:
    path = put(tmp_path, entry_json(), count=2)
    for _ in range(2):
        with pytest.raises(ConsentListError):
            source.read()
    put(tmp_path, entry_json())

    assert path.exists()
    assert read(source).entries


def test_an_empty_list_is_a_list(tmp_path: Path, source: ConsentFile) -> None:
    put(tmp_path)

    assert read(source).entries == {}


def test_blank_lines_are_no_entries(tmp_path: Path, source: ConsentFile) -> None:
    put(tmp_path, entry_json(), "", "   ", count=1)

    assert read(source).entries.keys() == {ANNA}


# ---------------------------------------------------------------- refused as a whole


@pytest.mark.requirement("T-19")
@pytest.mark.parametrize(
    "text",
    [
        pytest.param("", id="nothing"),
        pytest.param("\n\n", id="blank lines"),
        pytest.param("consents\n", id="a word"),
        pytest.param("[]\n", id="a JSON list"),
        pytest.param("{}\n", id="no field"),
        pytest.param(json.dumps(header_json(v=2)) + "\n", id="the next major version"),
        pytest.param(b"\xff\xfe\x00\n", id="not text"),
        pytest.param("[" * 100_000 + "\n", id="brackets without end"),
    ],
)
def test_a_file_without_a_header_is_refused_with_a_next_step(
    tmp_path: Path, source: ConsentFile, text: str | bytes
) -> None:
    put_text(tmp_path, text)

    with pytest.raises(
        ConsentListError, match=r"consents\.jsonl: .*; ask the consent service for a new list"
    ):
        source.read()


def test_a_file_that_is_not_there_is_refused_with_a_next_step(source: ConsentFile) -> None:
    with pytest.raises(ConsentListError, match=r"put the list there.*consent\.directory"):
        source.read()


@pytest.mark.requirement("R-39", "T-19")
def test_the_list_of_another_store_is_refused(tmp_path: Path, source: ConsentFile) -> None:
    put(tmp_path, entry_json(), list="acme/fi-0043")

    with pytest.raises(
        ConsentListError, match=r"acme/fi-0043.*consent\.list asks for acme/fi-0042"
    ):
        source.read()


@pytest.mark.requirement("R-39")
@pytest.mark.parametrize("kept", [0.3, 0.6, 0.9])
def test_a_list_cut_short_anywhere_is_refused_or_lacks_a_line(
    tmp_path: Path, source: ConsentFile, kept: float
) -> None:
    path = put(tmp_path, *(entry_json(of=ref) for ref in (ANNA, BERIT, CARL)))
    whole = path.read_bytes()
    put_text(tmp_path, whole[: int(len(whole) * kept)].rpartition(b"\n")[0])

    with pytest.raises(ConsentListError, match="cut short"):
        source.read()


def test_a_list_cut_short_within_its_last_line_lacks_that_line(
    tmp_path: Path, source: ConsentFile
) -> None:
    path = put(tmp_path, entry_json(), entry_json(of=BERIT))
    put_text(tmp_path, path.read_bytes()[:-40])

    found = read(source)

    assert found.entries.keys() == {ANNA}
    assert found.refused == {"not JSON": 1}


# ---------------------------------------------------------------- entry by entry


@pytest.mark.requirement("R-07", "R-13", "R-14", "T-19")
@pytest.mark.parametrize(
    ("line", "reason"),
    [
        pytest.param(entry_json(of=BERIT, na=...), "na missing", id="no end"),
        pytest.param(
            entry_json(of=BERIT, na=int(START_S + 500 * DAY_S)), "the span", id="too long"
        ),
        pytest.param(entry_json(of=BERIT, restricted=True), "unknown field", id="restricted"),
        pytest.param(entry_json(of=BERIT, age=17), "unknown field", id="age"),
        pytest.param("{", "not JSON", id="half a line"),
        pytest.param("null", "entry is not an object", id="null"),
        pytest.param('"\\ud800"', "entry is not an object", id="half a character"),
        pytest.param("9" * 5000, "not JSON", id="digits without end"),
        pytest.param("[" * 100_000, "not JSON", id="brackets without end"),
        pytest.param('{"na": ' + "9" * 400 + "}", "missing", id="a number beyond floating point"),
    ],
)
def test_an_entry_at_fault_is_left_out_named_by_its_line_and_the_others_stand(
    tmp_path: Path, source: ConsentFile, line: Any, reason: str
) -> None:
    put(tmp_path, entry_json(), line, entry_json(of=CARL))

    found = reading(source)

    assert found.consents.entries.keys() == {ANNA, CARL}
    assert sum(found.consents.refused.values()) == 1
    [complaint] = found.complaints
    assert complaint.startswith(f"{tmp_path / FILE_NAME} line 3: ")
    assert reason in complaint


@pytest.mark.requirement("R-10", "T-19")
def test_an_entry_that_says_two_things_is_left_out(tmp_path: Path, source: ConsentFile) -> None:
    """JSON lets a name occur twice, and its readers take the last: an objection must not vanish
    behind a second one.
    """
    twice = json.dumps(entry_json(objected=True))[:-1] + ', "objected": false}'
    put(tmp_path, twice, entry_json(of=BERIT))

    assert read(source).entries.keys() == {BERIT}


@pytest.mark.requirement("R-03")
def test_a_complaint_holds_nothing_of_the_entry(tmp_path: Path, source: ConsentFile) -> None:
    entry = entry_json(
        of=BERIT, email="anna.virtanen@example.com", purposes=["presence", "anything"]
    )
    put(tmp_path, entry)

    said = " ".join(reading(source).complaints)
    for value in (
        entry["ref"],
        "anna",
        "example",
        "anything",
        *entry["win"]["keys"],
        *entry["pk"].values(),
    ):
        assert value not in said


def test_a_list_full_of_faults_is_complained_about_in_twenty_lines(
    tmp_path: Path, source: ConsentFile
) -> None:
    put(tmp_path, *["null"] * 1000)

    found = reading(source)
    assert found.consents.refused == {"entry is not an object": 1000}
    assert len(found.complaints) == 20


def test_complaints_are_of_the_last_reading(tmp_path: Path, source: ConsentFile) -> None:
    put(tmp_path, "null")
    read(source)
    put(tmp_path, entry_json())

    assert reading(source).complaints == ()


@pytest.mark.requirement("R-36")
def test_of_two_lines_for_one_subject_the_higher_version_counts(
    tmp_path: Path, source: ConsentFile
) -> None:
    put(tmp_path, entry_json(ver=3), entry_json(ver=2, objected=True))

    assert read(source).entries[ANNA].consent.version == 3


@pytest.mark.requirement("R-10", "R-13", "T-19")
def test_a_newer_line_that_is_not_understood_does_not_leave_an_older_one_in_force(
    tmp_path: Path, source: ConsentFile
) -> None:
    """What it says may take rights away."""
    put(tmp_path, entry_json(ver=2), entry_json(ver=3, flags=["something-new"]))

    assert read(source).entries == {}


# ---------------------------------------------------------------- as a source of the gateway


def test_what_is_delivered_was_accepted_and_says_what_was_left_out(
    tmp_path: Path, source: ConsentFile
) -> None:
    put(tmp_path, entry_json(), "null")
    digest = hashlib.sha256((tmp_path / FILE_NAME).read_bytes()).hexdigest()

    verified = PlainList(source, MemoryAcceptedLists()).read()

    assert verified is not None
    assert verified.indexed is not None
    assert (verified.entries, verified.digest, verified.root_version) == (1, digest, 0)
    assert dict(verified.refused) == {"entry is not an object": 1}
    [complaint] = verified.complaints
    assert complaint.endswith("line 3: entry is not an object")


def test_a_look_that_is_refused_takes_no_complaint_from_the_list_in_force(
    tmp_path: Path, source: ConsentFile
) -> None:
    plain = PlainList(source, MemoryAcceptedLists())
    put(tmp_path, "null", seq=7)
    in_force = plain.read()
    put(tmp_path, entry_json(), seq=6)
    with pytest.raises(ConsentListError, match="older"):
        plain.read()

    assert in_force is not None
    assert len(in_force.complaints) == 1


class FullDisk(MemoryAcceptedLists):
    """Remembers a list at the second attempt."""

    tried = False

    def accept(self, consents: ConsentList) -> ConsentList:
        if not self.tried:
            self.tried = True
            raise StorageError("database or disk is full")
        return super().accept(consents)


@pytest.mark.requirement("T-20")
def test_a_list_that_could_not_be_remembered_is_tried_again_though_the_file_is_as_it_was(
    tmp_path: Path, source: ConsentFile
) -> None:
    put(tmp_path, entry_json(), "null")
    plain = PlainList(source, FullDisk())
    with pytest.raises(StorageError):
        plain.read()

    verified = plain.read()

    assert verified is not None
    assert (verified.entries, len(verified.complaints)) == (1, 1)
    assert plain.read() is None


def test_a_list_that_was_refused_is_not_tried_again(tmp_path: Path, source: ConsentFile) -> None:
    plain = PlainList(source, MemoryAcceptedLists())
    put(tmp_path, entry_json(), seq=7)
    plain.read()
    put(tmp_path, entry_json(), seq=6)
    with pytest.raises(ConsentListError):
        plain.read()

    assert plain.read() is None
