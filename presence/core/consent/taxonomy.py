"""Which category lies below which: the IAB Ad Product Taxonomy 2.0 as built in, and what a list
adds to it.

A customer's refusal, and the deny list of what may reveal something sensitive, hold for all that
lies below a node. So whoever does not know the tree cannot know what was refused. It ships with us,
whole: 583 nodes, `ap2:1000` to `ap2:1582`. A list's own `taxonomy.parents` comes on top: a node may
have a parent here and another one there, and both count. So a list can place nodes of its own, and
make a node of ours sensitive; it can never lift one out of its place.

Read from "Ad Product Taxonomy 2.0.tsv" of github.com/InteractiveAdvertisingBureau/Taxonomies
(commit b7acdca). The file numbers its nodes in the order of the tree, so the tiers alone tell the
parents. Where its column `Parent ID` contradicts its own tiers (1000 is its own parent; 1037 to
1041 are below 1037, and 1426 below 1423) the tiers are followed.
"""

from collections.abc import Iterator, Mapping
from typing import Final

SENSITIVE_CATEGORIES: Final = frozenset(
    f"ap2:{node}"
    for node in (
        1000, 1001, 1002, 1049, 1061, 1126, 1208, 1239, 1253, 1259, 1262, 1291,
        1334, 1344, 1349, 1361, 1378, 1473, 1474, 1487, 1519, 1544, 1576,
    )
)  # fmt: skip
"""Nodes of the IAB Ad Product Taxonomy 2.0 that can reveal what GDPR art. 9 protects
(docs/design.md#taxonomy).
"""

_LAST: Final = 1582
_TIER_1: Final = """
1000-1002 1008 1010 1049 1058 1075 1082 1088 1097 1123 1259 1262-1263 1291 1295 1315 1328 1335
1355 1361 1368 1371 1378 1396 1416 1419 1443 1448 1452 1460 1467 1473-1474 1482 1487 1494 1510
1519 1524 1529 1544 1551 1576
"""
_TIER_3: Final = """
1013-1027 1030-1033 1037-1041 1051-1052 1060-1067 1101-1103 1107-1108 1125-1126 1129-1130
1132-1137 1139-1144 1146-1147 1149-1151 1153-1154 1156-1164 1166-1176 1180-1187 1190-1191
1193-1195 1197-1200 1204-1207 1210-1213 1216-1220 1222-1223 1225-1228 1230-1238 1241-1243
1245-1247 1249-1252 1254-1255 1257-1258 1265-1267 1269-1270 1272-1273 1275-1276 1278-1288 1299
1307-1311 1330-1331 1341-1346 1424 1426 1435-1437 1439-1442 1531-1536 1554-1555 1557-1559
1561-1563 1569-1575
"""


# Both run at import, before mutmut puts a mutant in: test_taxonomy compares all that they make.
def _numbers(ranges: str) -> set[int]:  # pragma: no mutate block
    """`1000-1002 1008` → 1000, 1001, 1002, 1008."""
    ends = (part.partition("-") for part in ranges.split())
    return {node for first, _, last in ends for node in range(int(first), int(last or first) + 1)}


def _built_in() -> dict[str, str]:  # pragma: no mutate block
    first, third = _numbers(_TIER_1), _numbers(_TIER_3)
    parents: dict[str, str] = {}
    above = {1: "", 2: ""}
    for number in range(min(first), _LAST + 1):
        node, tier = f"ap2:{number}", 1 if number in first else 3 if number in third else 2
        above[tier] = node
        parents[node] = node if tier == 1 else above[tier - 1]
    return parents


PARENTS: Final[Mapping[str, str]] = _built_in()
"""Node → parent of the built-in taxonomy; a root is its own."""


def is_known(category: str, parents: Mapping[str, str]) -> bool:
    """Whether its place is known, so that a refusal above it is found; `parents`: the list's."""
    return category in PARENTS or category in parents or category in parents.values()


def lineage(category: str, parents: Mapping[str, str]) -> Iterator[str]:
    """The category and its ancestors here and in the list, nearest first; a ring ends where it
    closes.
    """
    seen = {category}
    nodes = [category]
    for node in nodes:
        yield node
        above = {PARENTS.get(node, node), parents.get(node, node)} - seen
        seen |= above
        nodes += sorted(above)


def is_sensitive(category: str, parents: Mapping[str, str]) -> bool:
    """Whether it lies on or below the deny list: it needs an explicit grant of its own (R-15)."""
    return not SENSITIVE_CATEGORIES.isdisjoint(lineage(category, parents))
