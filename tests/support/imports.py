"""What came of an import, as plain values: messages, revocations, and the register."""

import json
from dataclasses import asdict
from hashlib import sha256
from typing import Any

from presence.consent_service.importing import Imported
from presence.consent_service.service import ConsentService
from presence.core.consent.revocation import Revocation


def said_of(done: Imported, revocations: list[Revocation]) -> dict[str, Any]:
    told = asdict(done)
    told["bad"] = [f"{number}: {reason}" for number, reason in done.bad]
    told["dropped"], told["doubts"] = sorted(done.dropped), dict(sorted(done.doubts.items()))
    rows = [
        [
            revocation.seq,
            *(
                [row.ref.hex(), row.version, row.removed, row.objected, sorted(row.categories),
                 sorted(row.purposes)]
                for row in revocation.rows
            ),
        ]
        for revocation in revocations
    ]  # fmt: skip
    return {**told, "revocations": len(rows), "revocations_digest": digest_of(rows)}


def digest_of(value: Any) -> str:
    return sha256(json.dumps(value).encode()).hexdigest()


def register_of(service: ConsentService) -> dict[str, Any]:
    """All of it but the numbers of words, which follow the order of sets."""
    entries = service.register._database.execute(
        "SELECT hex(ref), changed_seq, not_after FROM entry ORDER BY ref"
    ).fetchall()
    facts = ("entries", "notice_seq", "seq", "settings_changed")
    return {
        "states": service.register.by_state(),
        "facts": {name: service.register.fact(name) for name in facts},
        "entries_digest": digest_of(entries),
        "export_digest": sha256(b"".join(service.export())).hexdigest(),
    }
