"""Which metadata of a signed list is held; apart from the client that fetches it, so that whoever
reads what is stored loads no TUF.
"""

from typing import NamedTuple


class Versions(NamedTuple):
    """Of the four roles, as last proven."""

    root: int
    timestamp: int
    snapshot: int
    targets: int
