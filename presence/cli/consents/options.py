"""What the actions of `presence consents` share: the folder, the broker, and how they answer."""

import argparse
import json
import sys
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING

from presence.cli.command import print_lines
from presence.consent_service.import_lines import MAX_SUBJECT_CHARS
from presence.consent_service.outbox import RevocationOutbox
from presence.consent_service.service import ConsentService
from presence.core.consent.revocation import Revocation
from presence.errors import BrokerError, UsageError

if TYPE_CHECKING:
    from presence.consent_service.post import Post


def customer(options: argparse.Namespace) -> str:
    name = sys.stdin.readline().strip() if options.id == "-" else str(options.id)
    if not 0 < len(name) <= MAX_SUBJECT_CHARS or not name.isprintable():
        raise UsageError(f"ID: 1 to {MAX_SUBJECT_CHARS} printable characters")
    return name


@contextmanager
def service_of(options: argparse.Namespace) -> Iterator[ConsentService]:
    """The list of the folder."""
    service = ConsentService(options.directory, None, clock=time.time)
    try:
        yield service
    finally:
        service.close()


def post_of(options: argparse.Namespace, service: ConsentService) -> "Post | None":
    """The way to the broker, where one is named; of several to any. Raises UsageError."""
    if not options.mqtt:
        return None
    from presence.cli.consents.brokers import post_to  # noqa: PLC0415 - wants MQTT and settings

    return post_to(options, service.list_name)


def outbox_of(service: ConsentService) -> RevocationOutbox:
    return RevocationOutbox(service.directory / "outbox")


def say(
    options: argparse.Namespace, service: ConsentService, revocation: Revocation
) -> dict[str, object]:
    """Sign the revocation, put it into the outbox, and send what waits there where a broker is
    named.
    """
    outbox = outbox_of(service)
    path = outbox.put(revocation.seq, service.sign(revocation))
    post = post_of(options, service)
    answer: dict[str, object] = {
        "notice": revocation.seq,
        "list_seq": revocation.list_seq,
        "sent": False,
    }
    if post is None:
        return answer | {"file": str(path)}
    try:
        post.send(outbox.waiting())
    except BrokerError as error:
        raise BrokerError(
            f"registered and signed, but not sent: {error}; it waits in {outbox.directory} for "
            "the next --mqtt, and "
            "`presence consents publish` tells gateways too"
        ) from error
    return answer | {"sent": True}


def warn(doubts: Iterable[str]) -> None:
    """On stderr, so that `--json` stays one object."""
    for doubt in doubts:
        print_lines(f"presence consents: WARN: {doubt}", sys.stderr)


def answer(options: argparse.Namespace, values: Mapping[str, object], sentence: str) -> int:
    """`options.line`: which line of `apply` it is the answer to."""
    if options.json:
        line = getattr(options, "line", None)
        values = values if line is None else {"line": line, **values}
        print(json.dumps(values, ensure_ascii=False))
    else:
        print_lines(sentence)
    return 0
