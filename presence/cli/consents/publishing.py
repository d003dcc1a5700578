"""`presence consents publish, head, rotate`: what gateways are given, and with which keys."""

import argparse
import asyncio
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Final

from presence.cli.command import print_lines
from presence.cli.consents.bar import Bar
from presence.cli.consents.options import (
    answer,
    outbox_of,
    post_of,
    service_of,
)
from presence.cli.exit_codes import ExitCode
from presence.cli.termination import unless_terminated
from presence.consent_service.growing import GrowthRefused
from presence.consent_service.keys import APPROVAL, NOTICES, ONLINE
from presence.consent_service.service import ConsentService
from presence.core.consent.revocation import HEAD_INTERVAL_S
from presence.counting import counted
from presence.errors import BrokerError, ConsentServiceError, UsageError

if TYPE_CHECKING:
    from presence.consent_service.post import Post
    from presence.consent_service.publishing import Published

LOOK_S: Final = 0.5
"""How often the loop looks for revocations that wait."""
ROOT: Final = "root"


def publish(options: argparse.Namespace) -> int:
    if options.loop:
        if not 1 <= options.every <= 600:
            raise UsageError("--every: 1 to 600 seconds, gateways fall silent after their lease")
        outcome = asyncio.run(unless_terminated(_loop(options)))
        return ExitCode.TERMINATED if outcome is None else outcome
    with service_of(options) as service:
        published = publish_once(service, options)
        post = post_of(options, service)
        if post is not None:
            post.send(outbox_of(service).waiting(), service.head())
    return answer(options, _values(published), _sentence(published))


def publish_once(service: ConsentService, options: argparse.Namespace) -> "Published":
    """Raises ConsentServiceError where the list grows as no list grows."""
    if options.suppression_checked is not None:
        if options.suppression_checked > service.clock():
            raise UsageError("--suppression-checked lies in the future")
        with service.register.transaction():
            service.register.set_fact("suppression_checked_at", int(options.suppression_checked))
    approver = service.approver(options.approval_key) if options.approve_growth else None
    bar = Bar(sys.stderr, as_json=options.json)
    published = service.publish(
        approver=approver,
        rebase=options.new_base,
        progress=lambda done, of: bar.show(done / of, f"part {done} of {of} of the list"),
    )
    bar.clear()
    return published


async def _loop(options: argparse.Namespace) -> int:
    """Publish, say heads, carry revocations; what fails is said, and tried again."""
    with service_of(options) as service:
        post, outbox = post_of(options, service), outbox_of(service)
        publish_at = head_at = 0.0
        failed_until = 0.0
        while True:
            now_s = time.monotonic()
            if now_s >= publish_at:
                publish_at = now_s + options.every
                _say_published(service, options)
                options.new_base = options.approve_growth = False
                head_at = 0.0
            waiting = outbox.waiting()
            if post is not None and now_s >= failed_until and (waiting or now_s >= head_at):
                head_at = now_s + HEAD_INTERVAL_S
                if not await _sent(post, waiting, service):
                    failed_until, head_at = now_s + 10 * LOOK_S, 0.0
            await asyncio.sleep(LOOK_S)


def _say_published(service: ConsentService, options: argparse.Namespace) -> None:
    try:
        published = publish_once(service, options)
    except ConsentServiceError as error:
        print_lines(f"presence consents: not published: {error}", sys.stderr)
        return
    answer(options, _values(published), _sentence(published))
    sys.stdout.flush()


async def _sent(post: "Post", waiting: list[Path], service: ConsentService) -> bool:
    try:
        await post.carry(waiting, service.head())
    except BrokerError as error:
        print_lines(f"presence consents: not sent: {error}", sys.stderr)
        return False
    return True


def head(options: argparse.Namespace) -> int:
    with service_of(options) as service:
        head, post, outbox = service.head(), post_of(options, service), outbox_of(service)
        if post is not None:
            post.send(outbox.waiting(), head)
    sent = post is not None
    return answer(
        options,
        {"head": head.decode(), "sent": sent},
        "the head is sent" if sent else head.decode(),
    )


def rotate(options: argparse.Namespace) -> int:
    with service_of(options) as service, service.alone():
        version = _replace_keys(service, options)
        if (
            options.role == APPROVAL
        ):  # the new root says it; a list that waits for an approval can wait on
            return answer(
                options,
                {"role": APPROVAL, "root": version},
                f"approval: a new key in {options.new_key}, under root {version}: keep it with "
                "the root keys\n"
                "  gateways that had not taken a list that was approved before ask for "
                "--approve-growth anew",
            )
        try:
            published = service.publish()
        except GrowthRefused as error:
            service.release_anew()
            raise ConsentServiceError(
                f"{options.role}: a new key; what is published already is signed anew, and "
                f"nothing new is: {error}"
            ) from error
    root = "" if version is None else f" under root {version}"
    values = {"role": options.role, "root": version, **_values(published)}
    return answer(options, values, f"{options.role}: a new key{root}; {_sentence(published)}")


def _replace_keys(service: ConsentService, options: argparse.Namespace) -> int | None:
    """The version of the new root; None where there is none, as for revocations."""
    if options.stolen and options.role != NOTICES:
        raise UsageError(
            "--stolen goes with `notices`: other keys count for nothing once they are replaced"
        )
    if options.role == NOTICES:
        service.renew_revocation_key(stolen=options.stolen)
        outbox_of(service).sign_anew(service.sign_anew)
        return None
    if options.role in {ROOT, APPROVAL}:
        if options.new_key is None or options.new_key.exists():
            raise UsageError(
                f"--new-key: name the file, not there yet, for the new {options.role} key"
            )
        repository, now_s = service.repository, service.clock()
        if options.role == ROOT:
            return repository.replace_root_key(options.new_key, now_s, options.root_keys)
        return repository.replace_approval_key(options.new_key, now_s, options.root_keys)
    roles = ONLINE if options.role == "online" else (options.role,)
    return service.repository.rotate(roles, options.root_keys, service.clock())


def _values(published: "Published") -> dict[str, object]:
    return {
        "seq": published.seq,
        "entries": published.entries,
        "changed": published.changed,
        "new_base": published.rebased,
        "timestamp": published.timestamp_version,
    }


def _sentence(published: "Published") -> str:
    base = ", with a new base" if published.rebased else ""
    return (
        f"list {published.seq}: {counted(published.entries, 'customer')}, "
        f"{counted(published.changed, 'change')}{base}; signed as {published.timestamp_version}"
    )
