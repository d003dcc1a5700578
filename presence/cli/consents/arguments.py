"""What several actions of `presence consents` take: a broker, a customer, purposes, what the list
says of itself.
"""

import argparse
from pathlib import Path

from presence.cli.consents.values import PURPOSES, audience, host_and_port


def add_broker(action: argparse.ArgumentParser) -> None:
    action.add_argument(
        "--mqtt",
        action="append",
        type=host_and_port,
        metavar="HOST:PORT",
        help="send revocations to this broker now; several times: to the first that takes them",
    )
    action.add_argument("--mqtt-user", metavar="NAME")
    action.add_argument("--mqtt-password-file", type=Path, metavar="FILE")
    action.add_argument(
        "--mqtt-ca", type=Path, metavar="FILE", help="TLS: the broker's authority, PEM"
    )
    action.add_argument("--mqtt-certificate", type=Path, metavar="FILE")
    action.add_argument("--mqtt-key", type=Path, metavar="FILE")


def add_customer(action: argparse.ArgumentParser) -> None:
    action.add_argument(
        "id", metavar="ID", help="your name for this agreement; - reads it from standard input"
    )


def add_several(
    action: argparse.ArgumentParser, option: str, metavar: str, explanation: str
) -> None:
    """An option that may be given several times."""
    action.add_argument(option, action="append", default=[], metavar=metavar, help=explanation)


def add_purposes(action: argparse.ArgumentParser) -> None:
    action.add_argument(
        "--purpose",
        action="append",
        default=[],
        choices=PURPOSES,
        metavar="PURPOSE",
        help=f"several times; of {', '.join(PURPOSES)}",
    )


def add_what_is_said(action: argparse.ArgumentParser, *, notice: str | None) -> None:
    """Of the list itself."""
    action.add_argument(
        "--audience",
        action="append",
        default=[],
        type=audience,
        metavar="NAME=PURPOSE",
        help="who is told, e.g. offers-main=offers; several times",
    )
    action.add_argument(
        "--notice", default=notice, metavar="VERSION", help="of the privacy notice, e.g. fi-2026-03"
    )
    action.add_argument(
        "--taxonomy",
        type=Path,
        metavar="FILE",
        help='JSON: {"ap2:1552": "ap2:1551"}, child to parent',
    )
