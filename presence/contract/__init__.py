"""The contract for engines: what gateways publish, read into types, and whose subject it is.

For programs of others: nothing but the standard library and the schemas of this package, and no
part of the daemon. Beside it the same in TypeScript: clients/typescript. How to build on it:
docs/offer-engine.md.

Imports: the standard library, and nothing of presence.
"""

from presence.contract.events import (
    ConsentReference,
    EnteredData,
    EnteredEvent,
    LeftData,
    LeftEvent,
    VisitEvent,
    WithdrawnData,
    WithdrawnEvent,
    read_event,
)
from presence.contract.schemas import NotInContract, faults, schema, schema_ids
from presence.contract.subjects import SubjectTable, read_customers, subject
from presence.contract.times import read_time

__all__ = [
    "ConsentReference",
    "EnteredData",
    "EnteredEvent",
    "LeftData",
    "LeftEvent",
    "NotInContract",
    "SubjectTable",
    "VisitEvent",
    "WithdrawnData",
    "WithdrawnEvent",
    "faults",
    "read_customers",
    "read_event",
    "read_time",
    "schema",
    "schema_ids",
    "subject",
]
