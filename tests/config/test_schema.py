"""The JSON Schema for editors says of a file what the reader says, as far as JSON Schema can."""

import copy
import json
import re
from typing import Any

import jsonschema
import pytest
import yaml
from hypothesis import assume, given
from hypothesis import strategies as st

from presence.cli import main
from presence.config import Settings, walk
from presence.config.reading import parse_settings
from presence.config.satellite import SatelliteSettings
from presence.errors import ConfigurationError
from tests.support.examples import examples
from tests.support.paths import ROOT
from tests.support.settings_pages import schema, words_of
from tests.support.shown_settings import SWITCHED_OFF

CONFIG, SCHEMAS = ROOT / "config", ROOT / "presence" / "config"
SHIPPED = {"presence.yaml": "presence", "minimal.yaml": "presence", "satellite.yaml": "satellite"}


def validator(name: str) -> jsonschema.Draft202012Validator:
    found = json.loads((SCHEMAS / f"{name}.schema.json").read_text("utf-8"))
    jsonschema.Draft202012Validator.check_schema(found)
    return jsonschema.Draft202012Validator(found)


GATEWAY = validator("presence")


Dumper = getattr(yaml, "CSafeDumper", yaml.SafeDumper)  # in C where it is built: 400 whole files


class EditorsLoader(yaml.SafeLoader):
    """YAML as an editor's language server has it: a date is a text."""


EditorsLoader.yaml_implicit_resolvers = {
    sign: [(tag, rule) for tag, rule in rules if tag != "tag:yaml.org,2002:timestamp"]
    for sign, rules in yaml.SafeLoader.yaml_implicit_resolvers.items()
}


def in_an_editor(text: str) -> Any:
    return yaml.load(text, Loader=EditorsLoader)  # noqa: S506 - a SafeLoader that reads less


@pytest.mark.parametrize(("file", "name"), SHIPPED.items())
def test_the_files_that_ship_are_valid_as_they_are_and_with_every_setting_switched_on(
    file: str, name: str
) -> None:
    text = (CONFIG / file).read_text("utf-8")
    for each in (text, SWITCHED_OFF.sub(r"\1", text)):
        assert [error.message for error in validator(name).iter_errors(in_an_editor(each))] == []


@pytest.mark.parametrize(("file", "name"), SHIPPED.items())
def test_the_first_line_of_a_file_that_ships_leads_an_editor_to_its_schema(
    file: str, name: str
) -> None:
    first = (CONFIG / file).read_text("utf-8").splitlines()[0]
    found = re.fullmatch(r"# yaml-language-server: \$schema=(\S+)", first)
    assert found is not None
    assert (CONFIG / found[1]).resolve() == SCHEMAS / f"{name}.schema.json"


@pytest.mark.parametrize(("more", "whole"), [([], Settings), (["--satellite"], SatelliteSettings)])
def test_the_command_prints_the_schema_of_the_definition(
    more: list[str], whole: type[Any], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["config", "schema", *more]) == 0
    words = words_of("presence.yaml", Settings)
    if more:
        words |= words_of("satellite.yaml", SatelliteSettings)
    assert json.loads(capsys.readouterr().out) == schema(whole, words)


def test_each_setting_is_explained() -> None:
    def leaves(value: dict[str, Any]) -> list[dict[str, Any]]:
        inner = value.get("properties") or value.get("items", {}).get("properties")
        return [each for one in (inner or {}).values() for each in (one, *leaves(one))]

    found = leaves(dict(GATEWAY.schema))  # type: ignore[arg-type]
    assert len(found) > 110
    assert [each for each in found if not each["description"]] == []


WHOLE: dict[str, Any] = in_an_editor(
    SWITCHED_OFF.sub(r"\1", (CONFIG / "presence.yaml").read_text("utf-8"))
)


def places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Where in the file something stands, sections and lists too."""
    pairs = value.items() if isinstance(value, dict) else enumerate(value)
    return [
        each
        for key, inner in pairs
        for each in (
            (*path, key),
            *(places(inner, (*path, key)) if isinstance(inner, dict | list) else ()),
        )
    ]


PLACES = places(WHOLE)
strange = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(10**6), 10**6)
    | st.integers(-200, 5000)
    | st.floats(-1e6, 1e6, allow_nan=False).map(lambda number: round(number, 3))
    | st.text(max_size=12)
    | st.sampled_from(["acme", "09:00-21:00", "usb:1-1.4", "5", "2027-03-01", "inside", "ab" * 32]),
    lambda inner: (
        st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=3), inner, max_size=2)
    ),
    max_leaves=3,
)


def is_taken(value: Any, monkeypatch: pytest.MonkeyPatch) -> bool:
    """By type, limits and shape alone: relations are what JSON Schema cannot say."""
    with monkeypatch.context() as patch:
        patch.setattr(walk, "RELATIONS", {})
        try:
            text = yaml.dump(value, Dumper=Dumper, allow_unicode=True)
            parse_settings(text, name="presence.yaml")
        except ConfigurationError:
            return False
    return True


@examples(200)
@given(st.sampled_from(PLACES), strange)
def test_what_the_reader_refuses_by_type_limit_or_shape_the_schema_refuses_and_the_other_way_round(
    path: tuple[Any, ...], value: Any
) -> None:
    whole = copy.deepcopy(WHOLE)
    at = whole
    for key in path[:-1]:
        at = at[key]
    # JSON knows no difference between 5 and 5.0, and has no dates of its own.
    assume(not isinstance(value, float) or value != int(value))
    assume(value != "2027-03-01" or path == ("notice", "review_by"))
    at[path[-1]] = value
    with pytest.MonkeyPatch.context() as patch:
        assert GATEWAY.is_valid(whole) == is_taken(whole, patch)


@given(st.sampled_from([path for path in PLACES if isinstance(path[-1], str)]))
def test_a_misspelt_key_is_refused(path: tuple[Any, ...]) -> None:
    whole = copy.deepcopy(WHOLE)
    at = whole
    for key in path[:-1]:
        at = at[key]
    at[f"{path[-1]}_"] = at.pop(path[-1])
    assert not GATEWAY.is_valid(whole)
