"""Whatever stands in the file, the operator reads a refusal and never a traceback."""

import re
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from presence.config import Settings, parse_settings
from presence.errors import ConfigurationError
from tests.support.paths import ROOT

TEXT = (ROOT / "config" / "presence.yaml").read_text(encoding="utf-8")
LINES = [line for line in TEXT.splitlines() if line.strip() and not line.lstrip().startswith("#")]
WHOLE: dict[str, Any] = yaml.safe_load("\n".join(LINES))

scalars = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text()
    | st.dates()
    | st.sampled_from(["acme", "09:00-21:00", "24:00", "Europe", "../x", "\0", "mqtt://a:b@c", "5"])
)
keys = st.sampled_from(
    sorted(
        {key for section in WHOLE.values() if isinstance(section, dict) for key in section}
        | set(WHOLE)
    )
)
structures = st.recursive(
    scalars,
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(keys | st.text(max_size=4), inner, max_size=5)
    ),
    max_leaves=15,
)
yaml_signs = st.text(
    alphabet="ab0:-,[]{}#&*!|>'\"%@`?~<=. \n\t\\xUu_+éß\x00\ud800\u2028", max_size=60
)


def read(text: str) -> tuple[Settings | None, list[str]]:
    try:
        return parse_settings(text, name="presence.yaml"), []
    except ConfigurationError as error:
        return None, error.problems


@given(st.text() | yaml_signs)
def test_no_text_is_more_than_refused(text: str) -> None:
    read(text)


@given(structures)
def test_no_structure_is_more_than_refused(structure: object) -> None:
    read(yaml.safe_dump(structure))


@given(st.data())
def test_one_strange_value_in_a_good_file_is_taken_or_refused_with_its_line(
    data: st.DataObject,
) -> None:
    section = data.draw(
        st.sampled_from(sorted({name for name in WHOLE if WHOLE[name]} - {"audiences"}))
    )
    key = data.draw(st.sampled_from(sorted(WHOLE[section])))
    text = yaml.safe_dump({**WHOLE, section: {**WHOLE[section], key: data.draw(structures)}})
    settings, problems = read(text)
    assert (settings is None) == bool(problems)
    assert all(re.match(r"presence\.yaml:[0-9]+: ", problem) for problem in problems)


@given(st.data())
def test_a_file_damaged_by_hand_is_no_more_than_refused(data: st.DataObject) -> None:
    at = data.draw(st.integers(0, len(LINES) - 1))
    column = data.draw(st.integers(0, len(LINES[at])))
    damaged = (
        LINES[at][:column]
        + data.draw(yaml_signs)
        + LINES[at][column + data.draw(st.integers(0, 3)) :]
    )
    read("\n".join([*LINES[:at], damaged, *LINES[at + 1 :]]))


@given(st.data())
def test_no_damage_near_a_secret_brings_it_into_a_message(data: st.DataObject) -> None:
    secret = "hunter2hunter2"
    at = LINES.index("  port: 1883")
    lines = [*LINES[: at + 1], f"  password_file: {secret}", *LINES[at + 1 :]]
    damaged = data.draw(st.integers(at - 1, at + 2))
    column = data.draw(
        st.integers(0, lines[damaged].find(secret) if secret in lines[damaged] else 8)
    )
    end = column + data.draw(st.integers(0, 3))
    lines[damaged] = lines[damaged][:column] + data.draw(yaml_signs) + lines[damaged][end:]
    assert secret not in "".join(read("\n".join(lines))[1])


@pytest.mark.parametrize("opening", ["[", "{", "- ", "a: [", "{a: ", "? ", "!x [", "&a ["])
def test_no_depth_is_more_than_refused(opening: str) -> None:
    assert read(opening * 1500)[0] is None


def test_aliases_of_aliases_are_never_expanded() -> None:
    bomb = "a0: &a0 [x, x]\n" + "".join(
        f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]\n" for n in range(1, 40)
    )
    assert read(bomb + "store: *a39\nentry: &e {window_s: *e}\n")[0] is None
