"""The files of a signed list as they come: kept where they must not come again, opened, and judged
by their name.

base         `fetched` in the state directory, until the whole of it is loaded
window keys  `keys` in the runtime directory (memory), as long as the list names them
deltas       small, fetched where they are wanted
"""

from collections.abc import Iterable, Iterator
from typing import TypeVar

from tuf.api.metadata import TargetFile

from presence.core.consent.index import ConsentIndex
from presence.core.consent.manifest import Manifest
from presence.core.consent.segments import (
    Base,
    DamagedSegment,
    Delta,
    Keys,
    base_path,
    delta_path,
    unpack,
)
from presence.core.recognition.key_ring import KeyRing
from presence.edges.consent_list.repository import Proof, TufRepository
from presence.edges.consent_list.rows import keys_of_window
from presence.edges.consent_list.segment_files import SegmentFiles, name_of
from presence.ports import Progress

S = TypeVar("S", Base, Delta, Keys)


class ListFiles:
    """Used by one thread at a time; `progress` is looked at by others."""

    def __init__(
        self, repository: TufRepository, fetched: SegmentFiles, keys: SegmentFiles, *, name: str
    ) -> None:
        self.progress: Progress | None = None
        self.came = 0
        """Files that this look has brought, to be kept."""
        self._repository = repository
        self._fetched = fetched
        self._keys = keys
        self._name = name

    def forget_keys(self) -> None:
        self._keys.keep_only(())

    def loaded(self) -> None:
        """A whole list is in the store: what came of a base is wanted no more."""
        self._fetched.keep_only(())

    def base(self, proof: Proof, shard: str, manifest: Manifest) -> tuple[str, Base]:
        """A segment of the base, from where it was kept."""
        path = base_path(manifest.epoch, shard)
        target = proof.targets.get(path)
        data = None if target is None else self._fetched.read(target)
        data = self._repository.fetch(proof, path) if data is None else data
        return path, self._opened(Base, data, path, manifest, manifest.base_seq)

    def delta(self, proof: Proof, seq: int, manifest: Manifest) -> tuple[str, Delta]:
        path = delta_path(seq)
        data = self._repository.fetch(proof, path)
        return path, self._opened(Delta, data, path, manifest, seq)

    def bring(self, proof: Proof, manifest: Manifest, *, whole: bool) -> None:
        """Fetch what is not here yet: the segments of the base where it is wanted. Keys follow with
        `_ring`.
        """
        paths = [base_path(manifest.epoch, shard) for shard in manifest.shards] if whole else []
        targets = {path: proof.targets[path] for path in paths if path in proof.targets}
        fetched = self._fetched
        fetched.keep_only({name_of(target) for target in targets.values()})
        keys = key_targets(proof, manifest.windows)
        self.progress = Progress(0, len(targets) + len(keys))
        for path, target in targets.items():
            self._kept_or_fetched(proof, path, target, fetched)

    def _kept_or_fetched(
        self, proof: Proof, path: str, target: TargetFile, files: SegmentFiles
    ) -> bytes:
        data = files.read(target)
        if data is None:
            data = self._repository.fetch(proof, path)
            files.write(target, data)
            self.came += 1
        if self.progress is not None:
            self.progress = self.progress._replace(here=self.progress.here + 1)
        return data

    def _opened(self, kind: type[S], data: bytes, path: str, manifest: Manifest, number: int) -> S:
        segment = unpack(data)
        # Keys know no words: they outlive an epoch.
        epoch = segment.epoch if isinstance(segment, Keys) else manifest.epoch
        if not isinstance(segment, kind) or (segment.list_name, segment.epoch, segment.number) != (
            self._name,
            epoch,
            number,
        ):
            raise DamagedSegment(f"{path} is not what its name says")
        return segment

    def ring(self, proof: Proof, manifest: Manifest, index: ConsentIndex) -> KeyRing:
        windows = {
            window: keys_of_window(self._key_segments(proof, manifest, window), index.refs)
            for window in manifest.windows
        }
        self._keys.keep_only(
            {name_of(target) for target in key_targets(proof, manifest.windows).values()}
        )
        return KeyRing(windows)

    def _key_segments(
        self, proof: Proof, manifest: Manifest, window: int
    ) -> Iterator[tuple[bytes, bytearray]]:
        for path, target in sorted(key_targets(proof, [window]).items()):
            data = self._kept_or_fetched(proof, path, target, self._keys)
            try:
                segment = self._opened(Keys, data, path, manifest, window)
            except DamagedSegment as error:
                raise self._repository.refusal(f"{path}: {error}") from None
            yield segment.refs, bytearray(segment.keys)


def key_targets(proof: Proof, windows: Iterable[int]) -> dict[str, TargetFile]:
    """The key segments of these windows, by path."""
    folders = tuple(f"keys/{window}/" for window in windows)
    return {path: target for path, target in proof.targets.items() if path.startswith(folders)}
