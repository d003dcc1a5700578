"""What changes from one signed list to the next: an entry is put, or deleted.

Apart from the segments that carry it: whoever keeps a register needs none of the libraries by which
they are packed.
"""

from dataclasses import dataclass, field
from typing import Final

WHOLE: Final = "all"
"""The shard of a list that is not cut."""


@dataclass(frozen=True, slots=True)
class Put:
    ref: bytes = field(repr=False)
    record: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Delete:
    ref: bytes = field(repr=False)
    version: int


Change = Put | Delete
