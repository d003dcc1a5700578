"""The built-in taxonomy: the whole of IAB's file, and what a list may add to it."""

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from presence.core.consent.taxonomy import (
    PARENTS,
    SENSITIVE_CATEGORIES,
    is_known,
    is_sensitive,
    lineage,
)
from tests.support.builders import CARS, GARDEN, HEALTH, VANS

NODES = st.sampled_from([*PARENTS, "acme:1", "acme:2", "acme:3"])


def test_the_built_in_taxonomy_is_the_one_of_the_iab() -> None:
    """The digest was made from IAB's own file by another program: a line `node parent` each, a root
    its own parent.
    """
    lines = "".join(f"{node[4:]} {parent[4:]}\n" for node, parent in PARENTS.items())

    assert hashlib.sha256(lines.encode()).hexdigest() == (
        "0f0905fea1f62f9ccdd9ed33b916ede0d51e97af706afe2f6cb7fb882665f75d"
    )


@pytest.mark.parametrize(
    ("node", "above"),
    [
        ("ap2:1004", ["ap2:1002"]),
        ("ap2:1051", ["ap2:1050", "ap2:1049"]),
        ("ap2:1056", ["ap2:1049"]),
        (VANS, [CARS]),
        (CARS, []),
        ("ap2:1037", ["ap2:1036", "ap2:1010"]),
        ("ap2:1582", ["ap2:1576"]),
        ("ap2:1583", []),
    ],
)
def test_a_node_knows_what_lies_above_it(node: str, above: list[str]) -> None:
    assert list(lineage(node, {})) == [node, *above]


@pytest.mark.requirement("R-15")
def test_every_node_of_the_deny_list_and_all_below_it_are_sensitive() -> None:
    sensitive = {node for node in PARENTS if is_sensitive(node, {})}

    assert sensitive >= SENSITIVE_CATEGORIES
    assert len(sensitive) == 95
    assert all(PARENTS[node] in sensitive for node in sensitive - SENSITIVE_CATEGORIES)


def test_a_node_with_a_place_here_and_in_the_list_has_both() -> None:
    line = list(lineage(VANS, {VANS: GARDEN, GARDEN: "acme:all"}))

    assert line[0] == VANS
    assert set(line) == {VANS, CARS, GARDEN, "acme:all", "ap2:1277", "ap2:1263"}


@pytest.mark.requirement("R-15")
@given(NODES, st.dictionaries(NODES, NODES, max_size=6))
def test_no_list_takes_anything_out_of_a_lineage(node: str, parents: dict[str, str]) -> None:
    line = list(lineage(node, parents))

    assert line[0] == node
    assert len(line) == len(set(line))
    assert set(line) >= set(lineage(node, {}))
    assert is_sensitive(node, parents) >= is_sensitive(node, {})


def test_a_category_is_known_where_it_has_a_place() -> None:
    assert is_known(HEALTH, {})
    assert is_known("acme:boots", {"acme:boots": "acme:shoes"})
    assert is_known("acme:shoes", {"acme:boots": "acme:shoes"})
    assert not is_known("acme:shoes", {"acme:boots": "acme:all"})
