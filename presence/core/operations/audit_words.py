"""The audit log in a person's words: a sentence for each record, and nothing that it does not say.

A kind that is not known here is told as it stands, so that no record is ever left out. The hashes
of the chain are left to `presence audit verify`.
"""

from collections.abc import Callable, Mapping
from typing import Any, Final

from presence.core.operations.audit_chain import BROKEN
from presence.core.timestamps import duration
from presence.counting import counted

Record = Mapping[str, Any]
OF_THE_CHAIN: Final = ("n", "at", "what", "prev")
DIGEST_SHOWN: Final = 12
"""Enough to compare by eye; `--json` has all of it."""


def in_words(record: Record) -> str:
    """One sentence, whatever the record holds."""
    words = WORDS.get(str(record.get("what")))
    if words is not None:
        try:
            return words(record)
        except (KeyError, TypeError, ValueError):
            return _as_it_stands(record)
    return _as_it_stands(record)


def _as_it_stands(record: Record) -> str:
    details = [f"{name} {value}" for name, value in record.items() if name not in OF_THE_CHAIN]
    said = f": {', '.join(details)}" if details else ""
    return f"A record of the kind {record.get('what')}{said}."


def _started(record: Record) -> str:
    return f"The gateway started, version {record['version']}."


def _settings(record: Record) -> str:
    digest = str(record["digest"])[:DIGEST_SHOWN]
    return f"Settings came into force that were not in force before (digest {digest}…)."


def _armed(record: Record) -> str:
    if record["armed"] is True:
        return "The gateway was armed: it may listen for customers."
    return "The gateway was disarmed: the review of the notice is overdue, and it hears nobody."


def _root(record: Record) -> str:
    return f"The gateway trusts version {int(record['version'])} of the list's root keys."


def _list(record: Record) -> str:
    entries = counted(int(record["entries"]), "entry", "entries")
    return f"List {record['list']}, number {int(record['seq'])}, came into force with {entries}."


def _clock(record: Record) -> str:
    seconds = float(record["seconds"])
    way = "back" if seconds < 0 else "forward"
    return f"The clock jumped {way} by {duration(abs(seconds))}."


def _asked(record: Record) -> str:
    what = ASKED.get(record["asked"], f"`{record['asked']}`")
    return f"User {int(record['uid'])} of this machine asked for {what}."


def _rolled_back(record: Record) -> str:
    return (
        f"Alarm: the gateway was brought an old list, number {int(record['seq'])}, and refused it."
    )


def _grew(record: Record) -> str:
    entries = counted(int(record["entries"]), "entry", "entries")
    return (
        f"Alarm: list number {int(record['seq'])} had far more entries than the one before "
        f"({entries}), nobody had approved it, and the gateway refused it."
    )


def _frozen(record: Record) -> str:
    return (
        f"Alarm: the consent service signed list number {int(record['seq'])}, and its server did "
        "not give it to the gateway."
    )


def _broken(record: Record) -> str:
    return f"The gateway found this log broken as it started: {record['problem']}."


def _notice(record: Record) -> str:
    before = f", in place of {record['before']}" if record["before"] else ""
    return (
        f"The notice of list {record['list']} is {record['notice']} since {record['since']}"
        f"{before}; earlier agreements stay under the one that was shown."
    )


def _named(record: Record) -> str:
    return (
        f"List {record['list']} names the audience {record['audience']}, for {record['purpose']}: "
        f"it hears of those who decide on that since {record['since']}."
    )


def _removed(record: Record) -> str:
    return f"List {record['list']} names the audience {record['audience']} no more."


def _taxonomy(record: Record) -> str:
    came = counted(int(record["came"]), "category", "categories")
    digest = str(record["digest"])[:DIGEST_SHOWN]
    return (
        f"List {record['list']} has another taxonomy: {came} came, {int(record['went']):,} went "
        f"(digest {digest}…)."
    )


def _exported(record: Record) -> str:
    active = counted(int(record["active"]), "agreement", "agreements")
    objected = counted(int(record["objected"]), "objection", "objections")
    return (
        f"User {int(record['uid'])} exported the register of list {record['list']}: {active}, "
        f"{objected}, {int(record['gone']):,} gone."
    )


ASKED: Final = {"metrics": "the metrics", "status": "the status"}
WORDS: Final[Mapping[str, Callable[[Record], str]]] = {
    "gateway.started": _started,
    "config.applied": _settings,
    "armed": _armed,
    "root.trusted": _root,
    "list.applied": _list,
    "clock.jumped": _clock,
    "technician.asked": _asked,
    "alarm.rollback": _rolled_back,
    "alarm.growth": _grew,
    "alarm.frozen": _frozen,
    BROKEN: _broken,
    # Of the consent service's own log.
    "notice.changed": _notice,
    "audience.named": _named,
    "audience.removed": _removed,
    "taxonomy.changed": _taxonomy,
    "register.exported": _exported,
}
"""By the kind of record."""
