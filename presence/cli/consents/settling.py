"""`presence consents settings`: the list's notice, audiences and taxonomy, and how they change."""

import argparse
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from presence.cli.consents.options import answer, service_of
from presence.consent_service.list_settings import Change, ListSettings, Reach
from presence.core.consent.entry_rules import Refused
from presence.core.consent.list_json import parse_header
from presence.core.consent.model import Purpose
from presence.core.timestamps import rfc3339
from presence.counting import counted
from presence.errors import UsageError, reason_of


def settings(options: argparse.Namespace) -> int:
    with service_of(options) as service:
        change = _change(options, service.list_name)
        changes: list[str] = []
        if change != Change():
            changes = service.change_settings(change, from_agreements=options.from_agreements)
        reach, unpublished = service.reach(), service.register.unnumbered()
        found = service.settings
        values = {
            "list": service.list_name,
            "changes": changes,
            "unpublished_changes": unpublished,
            **_values(found, reach),
        }
    return answer(options, values, "\n".join([*changes, *_lines(found, reach, unpublished)]))


def _change(options: argparse.Namespace, list_name: str) -> Change:
    """Raises UsageError."""
    if options.since is not None and not (options.notice or options.audience):
        raise UsageError("--since goes with --notice and --audience")
    if options.from_agreements and not options.remove_audience:
        raise UsageError("--from-agreements goes with --remove-audience")
    parents = None
    if (places := getattr(options, "places", None)) is not None:
        judge_header(list_name, places)
    if options.taxonomy is not None:
        parents = taxonomy_of(options.taxonomy, list_name)
    return Change(
        notice=options.notice,
        audiences={name: Purpose(purpose) for name, purpose in options.audience},
        without=tuple(options.remove_audience),
        parents=parents,
        places=places,
        since_s=options.since,
    )


def _values(found: ListSettings, reach: Reach) -> dict[str, object]:
    return {
        "notice": found.notice,
        "notices": [
            {
                "notice": one.notice,
                "since": rfc3339(one.since_s) if one.since_s else None,
                "agreements": reach.notices.get(one.notice, 0),
            }
            for one in found.notices
        ],
        "audiences": {
            name: {
                "purpose": str(purpose),
                "since": rfc3339(found.named_s[name]) if found.named_s.get(name) else None,
                "agreements": reach.audiences[name],
            }
            for name, purpose in found.audiences.items()
        },
        "taxonomy": dict(found.parents),
        "matches_nothing": dict(sorted(reach.unmatched.items())),
    }


def _lines(found: ListSettings, reach: Reach, unpublished: bool) -> Iterator[str]:
    for one in found.notices:
        since = f"since {rfc3339(one.since_s)}" if one.since_s else "from the beginning"
        number = counted(reach.notices.get(one.notice, 0), "agreement")
        yield f"notice {one.notice or '(none)'}, {since}: {number}"
    for name, purpose in found.audiences.items():
        yield f"audience {name}, for {purpose}: {counted(reach.audiences[name], 'agreement')}"
    yield f"taxonomy: {counted(len(found.categories()), 'category', 'categories')} of its own"
    for category, agreements in sorted(reach.unmatched.items()):
        yield (
            f"→ {category} is in no taxonomy: {counted(agreements, 'agreement')} with it, and "
            "nobody is told of it until it is"
        )
    if unpublished:
        yield "→ gateways learn it with the next `presence consents publish`"


def taxonomy_of(said: Path | Mapping[str, Any], list_name: str) -> dict[str, str]:
    """Of a file, or itself in a line of `apply`; judged as gateways judge it. Raises UsageError."""
    parents: Any = said
    if isinstance(said, Path):
        try:
            parents = json.loads(said.read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise UsageError(
                f"--taxonomy {said}: {reason_of(error)}: a JSON object is wanted"
            ) from error
    judge_header(list_name, parents)
    return dict(parents)


def judge_header(list_name: str, parents: Any) -> None:
    """Raises UsageError where no gateway would take a list of this name and taxonomy."""
    header = {"v": 1, "list": list_name, "taxonomy": {"parents": parents}}
    counts = dict.fromkeys(("seq", "published_at", "suppression_checked_at", "count"), 0)
    try:
        parse_header({**header, **counts})
    except Refused as error:
        raise UsageError(f"no gateway would take this list: {error}") from None
