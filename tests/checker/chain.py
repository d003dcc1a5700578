"""The consent service in processes of their own: two desks that work on one register, alone or at
the same time.

A desk is a child that lives as long as the run; each command opens the register anew, as `presence
consents` does. What a desk answers is what a person would see: a result, or the refusal's words.
Revocations come back signed, as bytes.
"""

import multiprocessing
import sqlite3
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, Final

from presence.consent_service.importing import import_rows
from presence.consent_service.service import ConsentService
from presence.consent_service.wishes import Wish
from presence.core.consent.model import Purpose, Scope
from presence.core.consent.revocation import Revocation
from presence.errors import ConsentServiceError
from tests.checker.wills import PURPOSE_OF

LIST: Final = "acme/fi-0042"
STORE: Final = "fi-0042"
AUDIENCES: Final = {name: Purpose(purpose) for name, purpose in PURPOSE_OF.items()}
HELD_S: Final = 0.05
"""So long somebody else writes while both desks have begun."""


@dataclass(frozen=True)
class Done:
    """What a command came to."""

    refused: str = ""
    revocations: tuple[bytes, ...] = ()
    value: Any = None


class Desk:
    """One child process that carries out commands on a register."""

    def __init__(self) -> None:
        context = multiprocessing.get_context("spawn")
        self._line, theirs = context.Pipe()
        self._child = context.Process(target=_serve, args=(theirs,), daemon=True)
        self._child.start()
        theirs.close()

    def begin(self, folder: Path, now_s: float, command: str, **words: Any) -> None:
        self._line.send((folder, now_s, command, words))

    def end(self) -> Done:
        done = self._line.recv()
        if isinstance(done, BaseException):
            raise done
        assert isinstance(done, Done)
        return done

    def do(self, folder: Path, now_s: float, command: str, **words: Any) -> Done:
        self.begin(folder, now_s, command, **words)
        return self.end()

    def close(self) -> None:
        self._line.send(None)
        self._line.close()
        self._child.join(10)
        self._child.close()


@contextmanager
def somebody_writes(folder: Path) -> Iterator[None]:
    """Another process holds the register's write lock, as an import's batch does, until the desks
    have begun.
    """
    with closing(
        sqlite3.connect(folder / "register.sqlite", isolation_level=None, timeout=30)
    ) as database:
        database.execute("BEGIN IMMEDIATE")
        try:
            yield
            time.sleep(HELD_S)
        finally:
            database.execute("ROLLBACK")


def at_once(
    desks: tuple[Desk, Desk], folder: Path, now_s: float, commands: Any
) -> tuple[Done, Done]:
    """Two commands that begin while somebody else writes."""
    with somebody_writes(folder):
        for desk, (command, words) in zip(desks, commands, strict=True):
            desk.begin(folder, now_s, command, **words)
    one, two = (desk.end() for desk in desks)
    return one, two


def _serve(line: Connection) -> None:
    while (asked := line.recv()) is not None:
        folder, now_s, command, words = asked
        try:
            line.send(_carried_out(folder, now_s, command, words))
        except Exception as error:  # noqa: BLE001 - the parent raises it
            line.send(error)
    line.close()


def _carried_out(folder: Path, now_s: float, command: str, words: Mapping[str, Any]) -> Done:
    if command == "create":
        return _create(folder, now_s)
    with closing(ConsentService(folder, None, clock=lambda: now_s)) as service:
        revocations: list[bytes] = []
        try:
            value = COMMANDS[command](
                service, lambda revocation: revocations.append(service.sign(revocation)), **words
            )
        except ConsentServiceError as refusal:
            return Done(refused=str(refusal), revocations=tuple(revocations))
        return Done(revocations=tuple(revocations), value=value)


def _create(folder: Path, now_s: float) -> Done:
    """As `presence consents init` does."""
    made = ConsentService.create(
        folder,
        folder.parent / "repository",
        list_name=LIST,
        notice="fi-2026-03",
        audiences=AUDIENCES,
        clock=lambda: now_s,
    )
    made.close()
    return Done()


def _publish(service: ConsentService, _said: object, *, rebase: bool = False) -> None:
    service.suppression_checked()
    service.publish(rebase=rebase)


def _add(
    service: ConsentService, said: Callable[[Revocation], None], **words: Any
) -> tuple[bytes, dict[str, bytes]]:
    words["purposes"] = frozenset(map(Purpose, words["purposes"]))
    added = service.add(Wish(scope=Scope(frozenset({STORE})), audiences=tuple(AUDIENCES), **words))
    for revocation in added.revocations:
        said(revocation)
    return added.ref, dict(added.pairwise_keys)


def _import(
    service: ConsentService, said: Callable[[Revocation], None], *, rows: list[dict[str, str]]
) -> list[str]:
    done = import_rows(service, enumerate(rows, start=1), audiences=AUDIENCES, told=said)
    return [reason for _, reason in done.bad]


def _take(action: str) -> Callable[..., None]:
    def command(
        service: ConsentService, said: Callable[[Revocation], None], name: str, **words: Any
    ) -> None:
        if "purposes" in words:
            words["purposes"] = frozenset(map(Purpose, words["purposes"]))
        revocation = getattr(service, action)(name, **words)
        if revocation is not None:
            said(revocation)

    return command


def _show(
    service: ConsentService, _said: object, names: Sequence[str]
) -> dict[str, dict[str, Any] | None]:
    return {name: _shown(service, name) for name in names}


def _shown(service: ConsentService, name: str) -> dict[str, Any] | None:
    """What the register has, as plain values; None where it knows nobody of this name."""
    known = service.register.get(service.ref_of(name))
    if known is None:
        return None
    consent = known.consent
    return {
        "state": str(known.state),
        "purposes": frozenset(map(str, consent.purposes)) if consent else frozenset(),
        "categories": frozenset((each.category, each.not_after_s) for each in consent.grants)
        if consent
        else None,
        "refused": consent.refused_categories if consent else frozenset(),
        "paused_until_s": consent.paused_until_s if consent else 0.0,
        "until_s": consent.not_after_s if consent else 0.0,
        "ref": service.ref_of(name),
    }


COMMANDS: Final[Mapping[str, Callable[..., Any]]] = {
    "publish": _publish,
    "add": _add,
    "import": _import,
    "show": _show,
    **{
        action: _take(action)
        for action in ("narrow", "fulfil", "pause", "resume", "withdraw", "object")
    },
}
