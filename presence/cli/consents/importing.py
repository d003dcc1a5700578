"""`presence consents import`: many customers, from an export of a consent platform."""

import argparse
import sys
from collections.abc import Iterator
from typing import Final, TextIO

from presence.cli.command import print_lines
from presence.cli.consents.bar import Bar
from presence.cli.consents.options import (
    answer,
    outbox_of,
    post_of,
    service_of,
    warn,
)
from presence.cli.exit_codes import ExitCode
from presence.consent_service.import_lines import (
    BadLine,
    rows_of_csv,
    rows_of_json_lines,
)
from presence.consent_service.importing import Imported, Rows, import_rows
from presence.core.consent.revocation import Revocation
from presence.counting import counted
from presence.errors import ConsentServiceError, StorageError

JSON_LINES: Final = (".jsonl", ".ndjson", ".json")


def start(options: argparse.Namespace) -> int:
    try:
        with (
            options.file.open(encoding="utf-8-sig", newline="") as text,
            service_of(options) as service,
        ):
            outbox, post = outbox_of(service), post_of(options, service)

            def told(revocation: Revocation) -> None:
                outbox.put(revocation.seq, service.sign(revocation))

            audiences = service.settings.audiences
            bar = Bar(sys.stderr, as_json=options.json)
            size = max(options.file.stat().st_size, 1)

            def read(lines: int) -> None:
                bar.show(text.buffer.tell() / size, f"reading: {lines:,} lines")

            def taken(lines: int, of: int) -> None:
                bar.show(lines / of, f"taking up: {lines:,} of {of:,} lines")

            rows = _rows(options, text)
            done = import_rows(
                service, rows, audiences=audiences, told=told, read=read, taken=taken
            )
            bar.clear()
            code = _report(options, done)
            if post is not None:
                post.send(outbox.waiting())
    except BadLine as error:
        raise ConsentServiceError(f"{options.file}: {error}") from None
    except UnicodeDecodeError as error:
        raise ConsentServiceError(
            f"{options.file}: not UTF-8, at byte {error.start}: nothing was taken"
        ) from None
    except OSError as error:
        raise StorageError(f"{options.file}: {error.strerror}") from error
    return code


def _report(options: argparse.Namespace, done: Imported) -> int:
    for number, reason in done.bad:
        print_lines(f"{options.file}:{number}: {reason}", sys.stderr)
    values = {
        "lines": done.lines,
        "added": done.added,
        "withdrawn": done.withdrawn,
        "objected": done.objected,
        "passed_over": done.passed_over,
        "still_taken": done.still_taken,
        "over": done.over,
        "over_categories": done.over_categories,
        "doubts": dict(done.doubts),
        "bad": [{"line": number, "reason": reason} for number, reason in done.bad],
        "dropped_columns": sorted(done.dropped),
    }
    warn(f"{counted(number, 'customer')}: {doubt}" for doubt, number in done.doubts.most_common())
    answer(options, values, "\n  ".join(_sentences(done)))
    return ExitCode.WARN if done.bad else ExitCode.OK


def _sentences(done: Imported) -> Iterator[str]:
    dropped = ", ".join(sorted(done.dropped))
    yield (
        f"{counted(done.lines, 'line')}: {counted(done.added, 'agreement')} recorded, "
        f"{done.withdrawn} withdrawn, "
        f"{done.objected} objected, {done.passed_over} without `presence` passed over, "
        f"{counted(len(done.bad), 'line')} skipped"
        f"{f'; not taken, as no gateway may have it: {dropped}' if dropped else ''}"
    )
    if done.still_taken:
        yield f"{done.still_taken} of them stay paused, or without what they took away before"
    if done.over or done.over_categories:
        yield (
            f"{counted(done.over, 'agreement')} over already, and "
            f"{counted(done.over_categories, 'interest')} of the others"
        )
    yield "gateways learn it with the next `presence consents publish`"


def _rows(options: argparse.Namespace, text: TextIO) -> Rows:
    kind = options.format or ("jsonl" if options.file.suffix in JSON_LINES else "csv")
    # By readline, so that the place in the file can be asked for.
    lines = iter(text.readline, "")
    return rows_of_json_lines(lines) if kind == "jsonl" else rows_of_csv(lines, options.delimiter)
