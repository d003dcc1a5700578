"""`presence consents init`: keys, roles, and an empty register."""

import argparse
import json
import time
from typing import Any

from presence.cli.consents.options import answer
from presence.consent_service.service import ConsentService
from presence.core.consent.entry_rules import Refused
from presence.core.consent.list_json import parse_header
from presence.errors import UsageError, reason_of


def start(options: argparse.Namespace) -> int:
    parents = _parents(options)
    output = (options.output or options.directory / "repository").absolute()
    options.directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    service = ConsentService.create(
        options.directory, output, list_name=options.list, notice=options.notice, clock=time.time
    )
    with service.register.transaction():
        service.register.set_fact("parents", json.dumps(parents))
        service.register.set_fact("audiences", json.dumps(dict(options.audience)))
    root, offline = output / "metadata" / "1.root.json", service.keys.directory / "root"
    service.close()
    values = {
        "list": options.list,
        "repository": str(output),
        "root": str(root),
        "root_keys": str(offline),
    }
    return answer(
        options,
        values,
        f"{options.list}: an empty list in {options.directory}\n"
        f"  now carry {offline} away: three root keys, for two safes and a deputy; two of them "
        "make a new root.\n"
        "    They have no passphrase, and whoever has two of them can sign any list. With them "
        "goes approval.pem:\n"
        "    it alone says that a list may grow by more than a fifth a day (publish "
        "--approve-growth)\n"
        f"  give gateways {root} by hand (consent.root_file), and {output} over HTTPS with client\n"
        "    certificates or as a folder: it holds keys by which customers are recognised for a "
        "day\n"
        "  then: presence consents add …, presence consents publish",
    )


def _parents(options: argparse.Namespace) -> dict[str, str]:
    """The taxonomy; with it, the header is judged as gateways judge it. Raises
    UsageError.
    """
    parents: Any = {}
    if options.taxonomy is not None:
        try:
            parents = json.loads(options.taxonomy.read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise UsageError(
                f"--taxonomy {options.taxonomy}: {reason_of(error)}: a JSON object is wanted"
            ) from error
    header = {"v": 1, "list": options.list, "taxonomy": {"parents": parents}}
    counts = dict.fromkeys(("seq", "published_at", "suppression_checked_at", "count"), 0)
    try:
        parse_header({**header, **counts})
    except Refused as error:
        raise UsageError(f"no gateway would take this list: {error}") from None
    if "/" not in options.list:
        raise UsageError("--list: chain/store or chain/group, such as acme/fi-0042")
    return dict(parents)
