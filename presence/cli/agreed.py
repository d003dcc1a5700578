"""What a customer agreed to beside when, in lines for a person: said alike wherever it is kept."""

from collections.abc import Iterable, Iterator


def agreed_lines(
    *,
    refused: Iterable[str],
    stores: str | Iterable[str],
    told_to: Iterable[str],
    flags: Iterable[str],
    loudness_db: int | None,
) -> Iterator[str]:
    """`stores`: named, or a word for all of them."""
    for category in refused:
        yield f"refused     {category}"
    yield f"stores      {stores if isinstance(stores, str) else ', '.join(stores)}"
    yield f"told to     {', '.join(told_to) or 'nobody'}"
    if said := ", ".join(flags):
        yield f"flags       {said}"
    if loudness_db:
        yield f"loudness    its model of phone sends {loudness_db} dB louder"
