"""What the actions of `presence consents` have in common: the folder, the broker, times, and how
they answer.
"""

import argparse
import json
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from presence.config.settings import MqttSettings, TlsSettings
from presence.consent_service.decisions import ref_text
from presence.consent_service.import_lines import LONGEST_SUBJECT, parse_time
from presence.consent_service.outbox import Post, RevocationOutbox
from presence.consent_service.service import ConsentService
from presence.core.consent.revocation import Revocation
from presence.errors import BrokerError, ConfigurationError

DAY_S: Final = 86_400.0
LOOPBACK: Final = ("127.0.0.1", "::1", "localhost")


def add_action(
    actions: "argparse._SubParsersAction[argparse.ArgumentParser]",
    name: str,
    start: Callable[[argparse.Namespace], int],
    description: str,
) -> argparse.ArgumentParser:
    """An action with the folder and `--json`."""
    action = actions.add_parser(
        name, help=description, description=f"{description[0].upper()}{description[1:]}."
    )
    action.add_argument(
        "--directory",
        type=Path,
        default=Path("consents"),
        metavar="DIR",
        help="the list's folder (consents)",
    )
    action.add_argument("--json", action="store_true", help="one JSON object on stdout")
    action.set_defaults(start=start)
    return action


def add_broker(action: argparse.ArgumentParser) -> None:
    action.add_argument(
        "--mqtt", type=_host_and_port, metavar="HOST:PORT", help="send notices to this broker now"
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


def customer(options: argparse.Namespace) -> str:
    name = sys.stdin.readline().strip() if options.id == "-" else str(options.id)
    if not 0 < len(name) <= LONGEST_SUBJECT or not name.isprintable():
        raise ConfigurationError([f"ID: 1 to {LONGEST_SUBJECT} printable characters"])
    return name


@contextmanager
def service_of(options: argparse.Namespace) -> Iterator[ConsentService]:
    """The list of the folder."""
    service = ConsentService(options.directory, None, clock=time.time)
    try:
        yield service
    finally:
        service.close()


def post_of(options: argparse.Namespace, service: ConsentService) -> Post | None:
    """The way to the broker, where one is named. Raises ConfigurationError."""
    if options.mqtt is None:
        return None
    host, port = options.mqtt
    tls = None
    if options.mqtt_ca is not None:
        tls = TlsSettings(
            ca_file=options.mqtt_ca,
            certificate_file=options.mqtt_certificate,
            key_file=options.mqtt_key,
        )
    elif host not in LOOPBACK:
        raise ConfigurationError(
            [f"--mqtt {host}: another machine is reached by TLS only: name its --mqtt-ca"]
        )
    settings = MqttSettings(
        host=host,
        port=port,
        username=options.mqtt_user,
        password_file=options.mqtt_password_file,
        tls=tls,
    )
    return Post(settings, service.list_name)


def outbox_of(service: ConsentService) -> RevocationOutbox:
    return RevocationOutbox(service.directory / "outbox")


def tell(
    options: argparse.Namespace, service: ConsentService, revocation: Revocation
) -> dict[str, object]:
    """Sign the notice, put it into the outbox, and send what waits there where a broker is
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


def sharing_advice(refs: Sequence[bytes]) -> str:
    several = ", ".join(map(ref_text, refs[:10])) + (", …" if len(refs) > 10 else "")
    return (
        f"{len(refs)} agreements share identity keys ({several}): no gateway recognises any of "
        "them; withdraw all but "
        "one of each key, and give the other phones keys of their own"
    )


def warn(doubts: Iterable[str]) -> None:
    """On stderr, so that `--json` stays one object."""
    for doubt in doubts:
        print(f"presence consents: WARN: {doubt}", file=sys.stderr)


def answer(options: argparse.Namespace, values: Mapping[str, object], sentence: str) -> int:
    print(json.dumps(values, ensure_ascii=False) if options.json else sentence)
    return 0


def moment(text: str) -> float:
    """A time, `now`, or `+90d`: so many days from now."""
    if text == "now":
        return time.time()
    try:
        if text.startswith("+") and text.endswith("d"):
            return time.time() + float(text[1:-1]) * DAY_S
        return parse_time(text)
    except ValueError:
        raise argparse.ArgumentTypeError(
            f"{text}: a date (2027-03-01), a date and time (2027-03-01T12:00:00Z), UTC seconds, "
            "or +90d"
        ) from None


def _host_and_port(text: str) -> tuple[str, int]:
    host, colon, port = text.rpartition(":")
    if not colon:
        host, port = text, "1883"
    if not host or not port.isdecimal() or not 0 < int(port) < 65_536:
        raise argparse.ArgumentTypeError(f"{text}: HOST or HOST:PORT")
    return host.strip("[]"), int(port)
