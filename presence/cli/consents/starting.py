"""`presence consents init`: keys, roles, and an empty register."""

import argparse
import time
from pathlib import Path

from presence.cli.consents.options import answer
from presence.cli.consents.settling import judge_header, taxonomy_of
from presence.consent_service.keys import SERVICE_KEY_BYTES, read_service_key
from presence.consent_service.service import ConsentService
from presence.core.consent.model import Purpose
from presence.errors import UsageError


def start(options: argparse.Namespace) -> int:
    judge_header(options.list, {})
    if "/" not in options.list:
        raise UsageError("--list: chain/store or chain/group, such as acme/fi-0042")
    parents = {} if options.taxonomy is None else taxonomy_of(options.taxonomy, options.list)
    output = (options.output or options.directory / "repository").absolute()
    options.directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    service = ConsentService.create(
        options.directory,
        output,
        list_name=options.list,
        notice=options.notice,
        audiences={name: Purpose(purpose) for name, purpose in options.audience},
        parents=parents,
        service_key=_service_key(options.service_key),
        clock=time.time,
    )
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
        "make a new root. They have no passphrase, and whoever has two of them can sign any "
        "list. With them goes approval.pem: it alone says that a list may grow by more than a "
        "fifth a day (publish --approve-growth)\n"
        f"  give gateways {root} by hand (consent.root_file), and {output} over HTTPS with client "
        "certificates or as a folder: it holds keys by which customers are recognised for a day\n"
        "  then: presence consents add …, presence consents publish",
    )


def _service_key(path: Path | None) -> bytes:
    """Raises ConsentServiceError, UsageError."""
    if path is None:
        return b""
    key = read_service_key(path)
    if len(key) != SERVICE_KEY_BYTES:
        raise UsageError(f"--service-key {path}: {2 * SERVICE_KEY_BYTES} hex digits are wanted")
    return key
