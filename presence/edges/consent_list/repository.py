"""One list's TUF repository, seen by a client that trusts its root alone; python-tuf proves.

Beyond python-tuf, because it passes both over in silence:

1. A timestamp of the version that we have, which names another snapshot, is properly signed and
   ignored by python-tuf. Somebody is shown a list that others are not: refused.
2. A snapshot or targets of the version that we have is not fetched again, also where the newer
   timestamp names another hash. We compare what we have with the hash; hashes are not optional
   here.

Trap: an Updater may refresh once; there is a new one for each look. All calls block.
"""

from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final
from urllib.parse import quote

from tuf.api.exceptions import (
    BadVersionNumberError,
    DownloadError,
    DownloadHTTPError,
    DownloadLengthMismatchError,
    ExpiredMetadataError,
    LengthOrHashMismatchError,
    RepositoryError,
)
from tuf.api.metadata import Metadata, MetaFile, Root, Snapshot, TargetFile, Targets, Timestamp
from tuf.ngclient import Updater, UpdaterConfig
from urllib3.exceptions import MaxRetryError

from presence.core.consent.growth import ROOT_FIELD, parse_root_field
from presence.core.consent.jws import Keys
from presence.core.timestamps import Moment
from presence.edges.consent_list.fetchers import (
    BoundedFetcher,
    DirectoryFetcher,
    HttpsFetcher,
    OutOfTime,
    Unreadable,
)
from presence.edges.consent_list.segment_files import ComingFile
from presence.edges.consent_list.versions import Versions
from presence.errors import ConsentListError, ListRolledBack, ListUnfinished, StorageError

MAX_TARGET_BYTES: Final = 1 << 28
"""256 MiB packed: no target may ask for more, whatever its signed length says."""
CONFIG: Final = UpdaterConfig(
    max_root_rotations=64,
    root_max_length=200_000,
    timestamp_max_length=16_384,
    snapshot_max_length=200_000,
    targets_max_length=8_000_000,
)
"""1,000 targets take some 300 kB of metadata."""


@dataclass(frozen=True, slots=True)
class Proof:
    """What one look has proven: the versions, and every target with its hashes."""

    versions: Versions
    targets: Mapping[str, TargetFile] = field(repr=False)
    consistent: bool = True
    server: Moment | None = None
    """See ports.VerifiedList."""
    approvers: Keys = field(default_factory=dict)
    """Whose approval counts, by the root alone (presence.core.consent.growth)."""


class TufRepository:
    """Where a list comes from: `https://…`, or a directory."""

    def __init__(
        self, location: str, *, root_file: Path, metadata_dir: Path, ca_file: Path | None = None
    ) -> None:
        self.location = location.rstrip("/")
        self._root_file = root_file
        self._metadata_dir = metadata_dir
        self._fetcher: HttpsFetcher | DirectoryFetcher
        if is_directory(location):
            self._base = Path(location).absolute().as_uri()
            self._fetcher = DirectoryFetcher()
        else:
            self._base = self.location
            self._fetcher = HttpsFetcher(ca_file)

    def close(self) -> None:
        self._fetcher.close()

    def refusal(self, message: str) -> ConsentListError:
        """The list is not as its publisher should have made it."""
        return ConsentListError(f"{self.location}: {message}; ask the consent service")

    def give_up(self) -> None:
        """A look that waits for the network, in another thread, fails now."""
        self._fetcher.give_up()

    def refresh(self) -> Proof:
        """Raises ConsentListError: nothing is proven; StorageError: our folder is not writable."""
        root = self._trusted_root()
        fetcher = self._fetcher
        fetcher.begin()
        try:
            self._metadata_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
            updater = Updater(
                str(self._metadata_dir),
                f"{self._base}/metadata/",
                fetcher=fetcher,
                config=CONFIG,
                bootstrap=root,
            )
            updater.refresh()
            return self._proof(fetcher)
        except (RepositoryError, DownloadError) as error:
            kind = ListRolledBack if isinstance(error, BadVersionNumberError) else ConsentListError
            raise kind(f"{self.location}: {_reason(error)}") from error
        except OSError as error:
            where = self._metadata_dir
            raise StorageError(
                f"{where}: {error.strerror}: make room, or give the folder back to us"
            ) from error

    def fetch(self, proof: Proof, path: str) -> bytes:
        """A target, verified, in memory only. Raises ConsentListError, ListUnfinished: no time."""
        target = proof.targets.get(path)
        if target is None:
            raise ConsentListError(
                f"{self.location}: the signed list has no {path}: publish it anew"
            )
        with self._told(path):
            data = self._fetcher.download_bytes(self._url(proof, target), _most_bytes(target))
            target.verify_length_and_hashes(data)
        return data

    def fetch_into(self, proof: Proof, path: str, part: ComingFile) -> None:
        """A target, verified, into a file; what is there of it already is not fetched again. Raises
        ConsentListError, ListUnfinished: no time.
        """
        target = proof.targets[path]
        with self._told(path):
            try:
                if part.size != target.length:
                    with closing(
                        self._fetcher.pieces(
                            self._url(proof, target),
                            part.size,
                            _most_bytes(target),
                            broke_off=part.broke_off,
                        )
                    ) as pieces:
                        for place, piece in pieces:
                            part.write(place, piece)
                target.verify_length_and_hashes(part.read())
            except (LengthOrHashMismatchError, DownloadLengthMismatchError, DownloadHTTPError):
                part.discard()  # what was there may be why: the next look begins anew
                raise

    @contextmanager
    def _told(self, path: str) -> Iterator[None]:
        try:
            yield
        except OutOfTime as error:
            raise ListUnfinished(f"{self.location}: {path}: {_reason(error)}") from error
        except (RepositoryError, DownloadError) as error:
            raise ConsentListError(f"{self.location}: {path}: {_reason(error)}") from error

    def _url(self, proof: Proof, target: TargetFile) -> str:
        folder, slash, name = target.path.rpartition("/")
        prefix = f"{next(iter(target.hashes.values()))}." if proof.consistent else ""
        return f"{self._base}/targets/{quote(folder)}{slash}{prefix}{quote(name)}"

    def _trusted_root(self) -> bytes:
        try:
            return self._root_file.read_bytes()
        except OSError as error:
            raise ConsentListError(
                f"consent.root_file {self._root_file}: {error.strerror}: install the root.json "
                "that the consent "
                "service gave you, by hand and not from the repository"
            ) from error

    def _proof(self, fetcher: BoundedFetcher) -> Proof:
        """From what python-tuf has just proven and kept; checked again by hash (rules 1 and 2)."""
        kept = {
            name: (self._metadata_dir / f"{name}.json").read_bytes()
            for name in ("timestamp", "snapshot", "targets")
        }
        root = Metadata[Root].from_bytes((self._metadata_dir / "root.json").read_bytes()).signed
        timestamp = Metadata[Timestamp].from_bytes(kept["timestamp"]).signed
        shown = Metadata[Timestamp].from_bytes(fetcher.timestamp).signed
        # Rule 1: of two timestamps with one number python-tuf silently keeps the one that it had.
        if shown.version == timestamp.version and shown.snapshot_meta != timestamp.snapshot_meta:
            raise ListRolledBack(
                f"{self.location}: two different lists under one number (timestamp "
                f"{timestamp.version}): somebody "
                "shows us another list than before; tell the consent service, whose timestamp key "
                "may be stolen"
            )
        _verify("snapshot", timestamp.snapshot_meta, kept["snapshot"])
        snapshot = Metadata[Snapshot].from_bytes(kept["snapshot"]).signed
        _verify("targets", snapshot.meta["targets.json"], kept["targets"])
        targets = Metadata[Targets].from_bytes(kept["targets"]).signed
        return Proof(
            Versions(root.version, timestamp.version, snapshot.version, targets.version),
            targets.targets,
            root.consistent_snapshot is not False,
            fetcher.server,
            parse_root_field(root.unrecognized_fields.get(ROOT_FIELD)),
        )


def _most_bytes(target: TargetFile) -> int:
    return min(target.length, MAX_TARGET_BYTES)


def is_directory(location: str) -> bool:
    return location.startswith("/")


def _verify(role: str, meta: MetaFile, data: bytes) -> None:
    if not meta.hashes:  # TUF lets them be left out; then rule 2 could not be held
        raise RepositoryError(f"{role} is named without a hash")
    try:
        meta.verify_length_and_hashes(data)
    except LengthOrHashMismatchError:
        raise RepositoryError(f"{role}: two different ones under one number") from None


def _reason(error: Exception) -> str:
    """What python-tuf found, with who must act."""
    match error:
        case DownloadHTTPError(status_code=404):
            return (
                "not found: is consent.repository right, and has the consent service "
                "published there?"
            )
        case DownloadHTTPError():
            return f"the server answers with {error.status_code}: ask the consent service"
        case Unreadable():
            return (
                f"cannot be read ({error}): is the stick or mirror whole, and its list copied "
                "to the end?"
            )
        case DownloadError():
            cause = error.__cause__
            cause = cause.reason or cause if isinstance(cause, MaxRetryError) else cause
            kind = f" ({type(cause).__name__})" if cause is not None else ""
            return (
                f"cannot be fetched{kind}, {error}: is the network up, and "
                "consent.repository_ca_file right?"
            )
        case ExpiredMetadataError():
            return (
                f"expired ({error}): the consent service publishes no more, or its newer "
                "lists are held back from us"
            )
        case BadVersionNumberError():
            return (
                f"older than what we had ({error}): somebody brought back an old list; "
                "publish a new one"
            )
        case _:
            return (
                f"not proven ({error}): tampered with, or signed with keys that "
                "consent.root_file does not lead to"
            )
