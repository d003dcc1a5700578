"""An audit log as a gateway and a technician leave it."""

from pathlib import Path

from presence.core.operations.audit_chain import ChainLink, encode
from presence.edges.host.audit_files import FILE_NAME


def write_audit_log(state: Path) -> None:
    """Two records, and what is none."""
    state.mkdir(parents=True)
    first, link = encode(
        "gateway.started", {"version": "1.2"}, at="2026-11-23T14:05:07Z", after=ChainLink()
    )
    second, _ = encode(
        "technician.asked", {"asked": "metrics", "uid": 1000}, at="2026-11-23T15:00:00Z", after=link
    )
    (state / FILE_NAME).write_bytes(first + second + b"not a line\n")
