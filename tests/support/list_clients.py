"""A gateway's side of a signed list: what it keeps of it, and what it reads."""

from pathlib import Path

from presence.edges.consent_list.repository import TufRepository
from presence.edges.consent_list.segment_files import WindowKeyFiles
from presence.edges.consent_list.signed import SignedList
from presence.edges.consent_list.store import ListStore
from presence.ports import VerifiedList
from tests.support.signed_lists import LIST, Repository

MAX_SPAN_S = 396 * 86_400


class Client:
    """What one gateway keeps; `start` begins anew, as after a restart of the daemon."""

    def __init__(self, folder: Path, repository: Repository, *, name: str = LIST) -> None:
        self.state, self.runtime = folder / "state", folder / "run"
        self.repository = repository
        self.name = name
        self.list = self.start()

    def start(self) -> SignedList:
        tuf = TufRepository(
            str(self.repository.folder),
            root_file=self.repository.root_file,
            metadata_dir=self.state / "tuf",
        )
        store, keys = ListStore(self.state, begins_anew=True), WindowKeyFiles(self.runtime)
        return SignedList(tuf, store, keys, name=self.name, max_span_s=MAX_SPAN_S)

    def restart(self) -> None:
        self.list.close()
        self.list = self.start()

    def read(self) -> VerifiedList:
        """A look, and what the daemon lets follow once its engine has the list."""
        verified = self.list.read()
        assert verified is not None
        self.list.settle()
        return verified

    def refs(self) -> set[bytes]:
        verified = self.read()
        assert verified.indexed is not None
        return set(verified.indexed.consents)
