"""The site: which store of which chain this gateway stands in."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Site:
    """The store that this gateway stands in."""

    chain: str
    store: str
    sensitive: bool = False
