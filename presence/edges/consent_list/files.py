"""The files of a signed list as they come: kept where they must not come again, opened, and judged
by their name.

base, deltas  `fetched` in the state directory, until they are in the store
window keys   `keys` in the runtime directory (memory), as long as the list names them
"""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from threading import Lock, Thread
from typing import TypeVar

from tuf.api.metadata import TargetFile

from presence.core.consent.list_changes import WHOLE
from presence.core.consent.manifest import Manifest
from presence.core.consent.segments import (
    Base,
    DamagedSegment,
    Delta,
    DeltaStep,
    Keys,
    base_path,
    check_shard,
    delta_path,
    keys_path,
    later_keys_path,
    unpack,
)
from presence.edges.consent_list.fetchers import CONNECTIONS
from presence.edges.consent_list.repository import Proof, TufRepository
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
        """Bytes that this look has brought, to be kept."""
        self._counting = Lock()
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
        data = self._kept_or_fetched(proof, path, self._fetched)
        segment = self._opened(Base, data, path, manifest, manifest.base_seq)
        check_shard(segment.refs, shard, manifest.shards)
        return path, segment

    def delta(self, proof: Proof, step: DeltaStep, manifest: Manifest) -> tuple[str, Delta]:
        path = delta_path(step)
        segment = self._opened(Delta, self._repository.fetch(proof, path), path, manifest, step.seq)
        if segment.since != step.since:
            raise DamagedSegment(f"{path} does not start where it should")
        return path, segment

    def keys(self, proof: Proof, manifest: Manifest, window: int) -> Iterator[Keys]:
        """The whole keys of a window, in ascending order of refs. Raises ConsentListError."""
        self._fetch_all(proof, (keys_path(window, shard) for shard in manifest.shards), self._keys)
        for shard in manifest.shards:
            yield from self._keys_at(proof, manifest, window, keys_path(window, shard), shard)

    def later_keys(
        self, proof: Proof, manifest: Manifest, window: int, *, since: int | None
    ) -> Iterator[Keys]:
        """The keys of those who came or changed later, oldest first.

        `since`: the list whose keys are held; None where `keys` alone are. Raises ConsentListError.
        """
        steps = manifest.steps_after_base() if since is None else manifest.steps_after(since)
        steps = manifest.steps_after_base() if steps is None else steps
        paths = [later_keys_path(window, step) for step in steps]
        if not all(path in proof.targets for path in paths):  # the window's keys are newer
            paths = [later_keys_path(window, step) for step in manifest.steps_after_base()]
        self._fetch_all(proof, paths, self._keys)
        for path in paths:
            yield from self._keys_at(proof, manifest, window, path)

    def bring(self, proof: Proof, manifest: Manifest, steps: tuple[DeltaStep, ...] | None) -> None:
        """Fetch what is not here yet of these steps; None: of the base and what follows it. Keys
        come later (`keys`), so that nobody who left stays for want of them.
        """
        paths = (
            []
            if steps is not None
            else [base_path(manifest.epoch, shard) for shard in manifest.shards]
        )
        paths += map(delta_path, manifest.steps_after_base() if steps is None else steps)
        targets = [proof.targets[path] for path in paths if path in proof.targets]
        self._fetched.keep_only({name_of(target) for target in targets})
        self.progress = Progress(0, len(targets) + len(key_targets(proof, manifest)))
        self._fetch_all(proof, paths, self._fetched)

    def _fetch_all(self, proof: Proof, paths: Iterable[str], files: SegmentFiles) -> None:
        """Several at once. Raises what went wrong first."""
        in_parallel(
            lambda path: self._fetch(proof, path, files),
            [path for path in paths if path in proof.targets],
            at_once=CONNECTIONS,
        )

    def _fetch(self, proof: Proof, path: str, files: SegmentFiles) -> None:
        target = proof.targets[path]
        if not files.has(target):
            with files.coming(target) as part:
                try:
                    self._repository.fetch_into(proof, path, part)
                finally:
                    with self._counting:
                        self.came += part.came
        with self._counting:
            if self.progress is not None:
                self.progress = self.progress._replace(here=self.progress.here + 1)

    def _kept_or_fetched(self, proof: Proof, path: str, files: SegmentFiles) -> bytes:
        """From where it was kept; again where that is damaged."""
        target = proof.targets.get(path)
        data = None if target is None else files.read(target)
        return self._repository.fetch(proof, path) if data is None else data

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

    def keys_taken(self, proof: Proof, manifest: Manifest) -> None:
        """Whole keys are in columns (presence.edges.consent_list.key_columns): of the files only
        the later ones stay.
        """
        later = [
            later_keys_path(window, step)
            for window in manifest.windows
            for step in manifest.steps_after_base()
        ]
        self._keys.keep_only({name_of(proof.targets[p]) for p in later if p in proof.targets})

    def _keys_at(
        self, proof: Proof, manifest: Manifest, window: int, path: str, shard: str = WHOLE
    ) -> Iterator[Keys]:
        """Nothing where there is no such file: nobody has a key then."""
        if path in proof.targets:
            data = self._kept_or_fetched(proof, path, self._keys)
            try:
                keys = self._opened(Keys, data, path, manifest, window)
                check_shard(keys.refs, shard, manifest.shards)
            except DamagedSegment as error:
                raise self._repository.refusal(f"{path}: {error}") from None
            yield keys


def key_targets(proof: Proof, manifest: Manifest) -> dict[str, TargetFile]:
    """The key segments that a list with nothing at hand needs, by path."""
    paths = [
        path
        for window in manifest.windows
        for path in (
            *(keys_path(window, shard) for shard in manifest.shards),
            *(later_keys_path(window, step) for step in manifest.steps_after_base()),
        )
    ]
    return {path: proof.targets[path] for path in paths if path in proof.targets}


def in_parallel(work: Callable[[str], None], items: Iterable[str], *, at_once: int) -> None:
    """Raises what went wrong first. What is under way then is brought to its end, and nothing is
    begun any more: the bytes of the others have come, too.
    """
    waiting, failed = deque(items), list[Exception]()

    def take() -> None:
        while waiting and not failed:
            try:
                work(waiting.popleft())
            except IndexError:  # another one took the last
                return
            except Exception as error:  # noqa: BLE001 - handed over to who waits below
                failed.append(error)

    # Threads that keep no process from ending, as the one of the look itself.
    others = [Thread(target=take, daemon=True) for _ in range(min(at_once, len(waiting)) - 1)]
    for thread in others:
        thread.start()
    take()
    for thread in others:
        thread.join()
    if failed:
        raise failed[0]
