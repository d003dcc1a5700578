"""The consent list as the daemon would find it now: the signed one or the plain file, as the
configuration says.

For `check`, `scan-test` and `replay`. A look changes nothing of the daemon's. What the signed list
needs while it is read (its store, TUF's metadata, window keys) lies in a folder of its own in
memory, for window keys go to no disk, and is gone afterwards. It takes as long as the list is long;
the gateway takes what changed alone.
"""

import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from presence.config import Settings
from presence.config.settings import StorageSettings
from presence.core.consent.list_json import ListHeader
from presence.core.engine import IndexedList, index_list
from presence.core.timestamps import Moment
from presence.edges.consent_list.plain import ConsentFile
from presence.edges.consent_list.store import METADATA
from presence.errors import ConsentListError, StorageError

IN_MEMORY: Final = Path("/dev/shm")  # noqa: S108 - for a folder of its own, mode 0700
"""Where the runtime directory is not there, since it comes and goes with the daemon."""


@dataclass(frozen=True, slots=True)
class FoundList:
    """A list that is verified as far as its transport can. Holds window keys:
    `prepared.keys.erase()` when done.
    """

    header: ListHeader
    indexed: IndexedList = field(repr=False)
    entries: int
    refused: Mapping[str, int]
    complaints: Sequence[str]
    server: Moment | None = None
    """What the list's server said that the time is."""
    notice: str = ""
    """See VerifiedList."""


def look_up_list(settings: Settings) -> FoundList:
    """Raises ConsentListError where the list is not proven, StorageError where there is no room to
    look.
    """
    return _plain(settings) if settings.consent.repository is None else _signed(settings)


def _plain(settings: Settings) -> FoundList:
    source = ConsentFile.of(settings.consent)
    found = source.read()
    if found is None:
        raise ConsentListError(f"{source.path}: changed while it was read; try again")
    consents = found.consents
    return FoundList(
        consents.header,
        index_list(consents),
        len(consents.entries),
        consents.refused,
        found.complaints,
    )


def _signed(settings: Settings) -> FoundList:
    from presence.edges.consent_list.signed import SignedList  # noqa: PLC0415 - wants tuf

    with (
        _scratch(settings.storage) as scratch,
        closing(SignedList.of(settings.consent, scratch)) as source,
    ):
        found = source.read()
    if found is None or found.indexed is None:
        raise ConsentListError(
            f"{settings.consent.repository}: changed while it was read; try again"
        )
    return FoundList(
        found.header,
        found.indexed,
        found.entries,
        found.refused,
        found.complaints,
        found.server,
        found.notice,
    )


@contextmanager
def _scratch(storage: StorageSettings) -> Iterator[StorageSettings]:
    """Folders like the daemon's, with what TUF has proven before, so that a rollback is noticed
    here too.
    """
    try:
        with tempfile.TemporaryDirectory(prefix="look-at-list-", dir=_memory(storage)) as folder:
            scratch = StorageSettings(
                state_dir=Path(folder) / "state", runtime_dir=Path(folder) / "run"
            )
            metadata = storage.state_dir / METADATA
            if metadata.is_dir():
                # tmp*: a file that the daemon is writing at this moment
                shutil.copytree(
                    metadata,
                    scratch.state_dir / METADATA,
                    symlinks=True,
                    ignore=shutil.ignore_patterns("tmp*"),
                )
            yield scratch
    except OSError as error:
        next_step = "look as the daemon's user: sudo -u presence …"
        raise StorageError(
            f"{error.filename or storage.state_dir}: {error.strerror or error}: {next_step}"
        ) from error


def _memory(storage: StorageSettings) -> Path:
    return storage.runtime_dir if os.access(storage.runtime_dir, os.W_OK | os.X_OK) else IN_MEMORY
