"""The customers that the kit plays, as lines of the file that the engine reads, too: nobody's, and
known as such.
"""

import json
import os
import secrets
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from presence.errors import StorageError, UsageError, reason_of

NEEDED: Final = 50
"""For one run: each is played once, for engines leave alone whom they have just answered."""
MADE: Final = 2000
TURN_S: Final = 20
"""Runs that begin in different turns play different customers, until all have had theirs."""


@dataclass(frozen=True, slots=True)
class KitCustomer:
    name: str
    pairwise_key: bytes = field(repr=False)


def make_customers(path: Path) -> None:
    """Write a new file (mode 0600). Raises StorageError where there is one."""
    lines = (
        json.dumps({"customer": f"engine-test-{n:04}", "pairwise_key": secrets.token_hex(16)})
        for n in range(MADE)
    )
    try:
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.writelines(f"{line}\n" for line in lines)
    except OSError as error:
        raise StorageError(f"--make-customers: {path}: {reason_of(error)}") from None


def read_customers(path: Path) -> list[KitCustomer]:
    """Raises UsageError that names the line, StorageError."""
    customers = []
    try:
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1):
            if line.strip():
                customers.append(_customer(line, f"{path}:{number}"))
    except OSError as error:
        raise StorageError(f"--customers: {path} cannot be read: {reason_of(error)}") from None
    except UnicodeError:
        raise UsageError(f"--customers: {path} is not text: --make-customers makes one") from None
    if len(customers) < NEEDED:
        raise UsageError(
            f"--customers: {path} has {len(customers)}, and a run plays {NEEDED}: "
            "make a file with --make-customers, and give it to the engine, too"
        )
    return customers


def _customer(line: str, where: str) -> KitCustomer:
    try:
        values = json.loads(line)
        return KitCustomer(str(values["customer"]), bytes.fromhex(values["pairwise_key"]))
    except (ValueError, KeyError, TypeError):
        raise UsageError(
            f'--customers: {where} is not like {{"customer": "any", "pairwise_key": "<hex>"}}'
        ) from None


def whose_turn(customers: list[KitCustomer], now_s: float) -> list[KitCustomer]:
    """NEEDED of them, others than in the runs before."""
    turns = len(customers) // NEEDED
    first = int(now_s // TURN_S) % turns * NEEDED
    return customers[first : first + NEEDED]
