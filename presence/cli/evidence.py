"""`presence evidence`: a page for the data-protection officer, with strangers to try a promise."""

import argparse
import asyncio
import json
import secrets
import sys
from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from presence.accountability.page import write_page
from presence.accountability.report import EvidenceReport
from presence.accountability.second_gateway import plant
from presence.cli.command import columns_of, print_lines
from presence.cli.findings import finding_lines
from presence.cli.status import StatusUnanswered, asked
from presence.config import Settings
from presence.config.reading import load_with_lines
from presence.core.operations.audit_chain import ChainVerdict
from presence.edges.host.audit_files import read_whole
from presence.edges.host.clock import SystemClock
from presence.edges.host.status_socket import FILE_NAME


def start(options: argparse.Namespace) -> int:
    # As the service names it: a relative path would make other settings of the same file.
    settings, lines = load_with_lines(options.config.absolute(), Settings)
    status, status_trouble = _status(settings)
    chain, records, chain_trouble = _audit_log(settings.storage.state_dir)
    report = EvidenceReport(
        settings=settings,
        lines=lines,
        at_s=SystemClock().now().utc_s,
        status=status,
        status_trouble=status_trouble,
        chain=chain,
        chain_trouble=chain_trouble,
        records=records,
        strangers=None
        if options.no_strangers
        else asyncio.run(plant(settings, secrets.randbits(64))),
    )
    if options.json:
        print(json.dumps(report.as_dict(), ensure_ascii=False))
    path = options.output
    if path is None and not options.json:
        day = datetime.fromtimestamp(report.at_s, report.zone).date()
        path = Path(f"presence-evidence-{day}.html")
    if path is not None:
        write_page(report, path)
    if not options.json:
        _show(report, path)
    return int(report.verdict)


def _show(report: EvidenceReport, path: Path | None) -> None:
    for finding in report.findings():
        print("\n".join(finding_lines(finding, columns_of(sys.stdout), names=10)))
    print_lines(f"\n{path}: for the data-protection officer; open it in a browser, or print it")


def _status(settings: Settings) -> tuple[Mapping[str, Any] | None, str]:
    """And why there is none, with the next step."""
    try:
        return asked(settings.storage.runtime_dir / FILE_NAME), ""
    except StatusUnanswered as trouble:
        return None, str(trouble)


def _audit_log(
    state_dir: Path,
) -> tuple[ChainVerdict | None, Sequence[Mapping[str, Any]], str]:
    """Records that can be read, and why there are none."""
    try:
        return *read_whole(state_dir), ""
    except OSError as error:
        return None, [], f"{state_dir}: {error.strerror}: ask as presence's user or as root"
