"""`presence consents export`, and the lines of one that `apply` takes: a list is moved, or put away
for the day when its folder is lost.
"""

import argparse
import json
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import IO, Any, Final

from presence.cli.consents.options import answer, outbox_of, post_of, service_of
from presence.cli.exit_codes import ExitCode
from presence.consent_service.service import ConsentService
from presence.core.consent.revocation import Revocation
from presence.counting import counted
from presence.edges.host.files import half_written, replacing
from presence.errors import ConsentServiceError, StorageError, UsageError

AT_ONCE: Final = 500
"""Lines of a file in one transaction. What comes down a pipe is answered line by line: whoever
writes it may wait for that.
"""


def export(options: argparse.Namespace) -> int:
    with service_of(options) as service:
        if options.output is None:
            if sys.stdout.isatty():
                raise UsageError(
                    "an export holds customers' ids and keys, and is not for a terminal: "
                    "--output FILE, or a pipe"
                )
            _write(service, sys.stdout.buffer)
            return ExitCode.OK
        lines = _into(service, options.output)
    values = {"file": str(options.output), "lines": lines}
    return answer(
        options,
        values,
        f"{options.output}: {counted(lines, 'line')}, for you alone: customers' ids, and the keys "
        "by which their phones are recognised\n"
        "  `presence consents apply` takes it into a list that was begun with this service key",
    )


def _into(service: ConsentService, path: Path) -> int:
    """There as a whole or not at all, and never for others. Raises StorageError."""
    try:
        with replacing(path) as file:
            lines = _write(service, file)
    except OSError as error:
        raise StorageError(f"{path}: {error.strerror}: nothing was exported") from error
    finally:
        half_written(path).unlink(missing_ok=True)
    return lines


def _write(service: ConsentService, file: IO[bytes]) -> int:
    number = 0
    for number, line in enumerate(service.export(), start=1):  # noqa: B007 - counted
        file.write(line)
    return number


class Restorer:
    """Takes the lines of an export; `said` is how each of them is answered."""

    def __init__(self, options: argparse.Namespace, *, at_once: int) -> None:
        self.bad = 0
        self._options = options
        self._at_once = at_once
        self._waiting: list[tuple[int, Mapping[str, Any]]] = []

    def take(self, number: int, line: Mapping[str, Any]) -> None:
        self._waiting.append((number, line))
        if len(self._waiting) >= self._at_once:
            self.finish()

    def finish(self) -> None:
        if not self._waiting:
            return
        waiting, self._waiting = self._waiting, []
        with service_of(self._options) as service:
            outbox = outbox_of(service)

            def told(revocation: Revocation) -> None:
                outbox.put(revocation.seq, service.sign(revocation))

            answers = service.restore_each([line for _, line in waiting], told=told)
            post = post_of(self._options, service)
            if post is not None and (behind := outbox.waiting()):
                post.send(behind)
        self._answer(zip((number for number, _ in waiting), answers, strict=True))

    def _answer(self, answers: Iterable[tuple[int, bool | ConsentServiceError]]) -> None:
        for number, said in answers:
            if isinstance(said, ConsentServiceError):
                self.bad += 1
                values: dict[str, object] = {"error": str(said)}
            else:
                values = {"restored": said}
            print(json.dumps({"line": number, **values}, ensure_ascii=False))
        sys.stdout.flush()
