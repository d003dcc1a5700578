"""Records by their key, in the order in which they came, and by the person whom they are about."""

from collections.abc import Iterator, Mapping
from typing import Generic, Protocol, TypeVar


class AboutSomebody(Protocol):
    @property
    def ref(self) -> bytes: ...


Held = TypeVar("Held", bound=AboutSomebody)


class ByRef(Generic[Held]):
    """Whatever asks for one person's records must not walk through those of everybody present."""

    def __init__(self) -> None:
        self._by_key: dict[str, Held] = {}
        self._keys_of: dict[bytes, dict[str, None]] = {}
        self.records: Mapping[str, Held] = self._by_key
        """For reading: all of them by key, in the order in which they came."""

    def __iter__(self) -> Iterator[Held]:
        """In the order in which they came."""
        return iter(self._by_key.values())

    def put(self, key: str, held: Held) -> None:
        """Under a key that is held already it takes the older record's place, and its turn."""
        self._by_key[key] = held
        self._keys_of.setdefault(held.ref, {})[key] = None

    def pop(self, key: str) -> Held | None:
        held = self._by_key.pop(key, None)
        if held is not None:
            keys = self._keys_of[held.ref]
            del keys[key]
            if not keys:
                del self._keys_of[held.ref]
        return held

    def of(self, ref: bytes) -> list[Held]:
        """All records of one person, oldest first."""
        return [self._by_key[key] for key in self._keys_of.get(ref, ())]

    def knows(self, ref: bytes) -> bool:
        return ref in self._keys_of

    def refs(self) -> set[bytes]:
        return set(self._keys_of)
