"""The signed list (plane A): from TUF's targets to what the engine uses. Behind the same port as
the plain file.

    look ─► refresh (TUF) ─► manifest
              ├─► base (kept as it comes) or deltas ─► one transaction ─► index ─┬─► VerifiedList
              └─► window keys (in memory only, kept as they come) ──────► ring ──┘

1. Nothing is delivered before plane A has given, in this start, the version that is stored or a
   newer one (R-42).
2. A list of another name, an older number, or one that does not add up is refused as a whole; the
   list in force stays.
3. An entry that is not understood is left out and counted, and takes all of its ref with it; the
   others stand.
4. A list that does not come within one look, or on a line that breaks, goes on where it stopped:
   also after a restart.
5. A list that grew by more than a fifth within a day is refused without an approval
   (presence.core.consent.growth).
6. Keys of refs that are no entries are not records over, and keys are on no disk.
"""

import hashlib
import time
from collections.abc import Callable
from dataclasses import dataclass
from threading import Lock
from typing import Final

from presence.config.settings import ConsentSettings, StorageSettings
from presence.core.consent.entry_rules import Refused
from presence.core.consent.growth import Counts, Edition, Offered, judge
from presence.core.consent.manifest import Manifest, read_manifest
from presence.core.consent.segments import DamagedSegment, DeltaStep
from presence.core.engine import IndexedList
from presence.core.recognition.key_ring import KeyRing
from presence.edges.consent_list.changing import Kept
from presence.edges.consent_list.files import ListFiles, key_targets
from presence.edges.consent_list.key_columns import COLUMNS, KeyColumns, overwrite_small_arrays
from presence.edges.consent_list.loading import Loader
from presence.edges.consent_list.repository import Proof, TufRepository
from presence.edges.consent_list.ring import RingMaker
from presence.edges.consent_list.rows import RecordJudge
from presence.edges.consent_list.segment_files import WindowKeyFiles, name_of
from presence.edges.consent_list.store import METADATA, ListStore
from presence.edges.consent_list.stored import StoredConsents
from presence.errors import ConsentListError, ListGrew, ListRolledBack, ListUnfinished
from presence.ports import Progress, VerifiedList

MANIFEST: Final = "manifest.json"
CLOSING_S: Final = 5.0
REVOCATION_KEYS: Final = "notices.jwks"


@dataclass(slots=True)
class _Delivered:
    """What the engine has from us since the start."""

    manifest: bytes
    keys: frozenset[str]
    revocation_keys: str
    index: StoredConsents


class SignedList:
    """Implements ports.ConsentSource; used by one thread at a time."""

    def __init__(
        self,
        repository: TufRepository,
        store: ListStore,
        keys: WindowKeyFiles,
        *,
        name: str,
        max_span_s: float,
        clock: Callable[[], float] = time.time,
    ) -> None:
        """`clock`: UTC; python-tuf has refused before what is no longer valid by it."""
        self._repository = repository
        self._store = store
        self._files = ListFiles(repository, store.fetched, keys, name=name)
        self._ring = RingMaker(self._files, KeyColumns(keys.runtime_dir / COLUMNS))
        self._name = name
        self._max_span_s = max_span_s
        self._clock = clock
        self._delivered: _Delivered | None = None
        self._timestamp_version = 0
        self._undelivered = False
        """Entries changed in the store, and the keys of that list have not come yet."""
        self._wiped = False
        self._verified = False
        """The base's file was read as a whole since the start."""
        self._looking = Lock()
        self._closed = False
        kept = store.kept()
        self.last_signed_s = kept.signed_s if kept else 0.0

    @classmethod
    def of(cls, consent: ConsentSettings, storage: StorageSettings) -> "SignedList":
        """The list that the configuration names."""
        if consent.repository is None or consent.root_file is None:
            raise ValueError("no repository is configured")
        repository = TufRepository(
            consent.repository,
            root_file=consent.root_file,
            metadata_dir=storage.state_dir / METADATA,
            ca_file=consent.repository_ca_file,
        )
        store = ListStore(storage.state_dir, begins_anew=True)
        try:
            keys = WindowKeyFiles(storage.runtime_dir)
            return cls(repository, store, keys, name=consent.list, max_span_s=consent.max_span_s)
        except BaseException:
            store.close()
            raise

    @property
    def progress(self) -> Progress | None:
        return self._files.progress

    @property
    def begun_anew(self) -> str:
        """See edges.store.Database."""
        return self._store.begun_anew

    def close(self) -> None:
        """Waits a moment for a look that is under way: the store is not pulled away below it."""
        self._repository.close()
        if self._looking.acquire(timeout=CLOSING_S):
            self._closed = True
            self._store.close()
            self._looking.release()

    def give_up(self) -> None:
        self._repository.give_up()

    def forget_keys(self) -> None:
        self._files.forget_keys()
        self._ring.forget()
        self._wiped = True

    def settle(self) -> None:
        """See ConsentSource.settle."""
        with self._looking:
            if not self._closed:
                self._settle()

    def _settle(self) -> None:
        base = self._store.base
        if self._delivered is None or base is None:
            return
        self._ring.settle(base, self._store.over())
        self._store.settle()
        # Once, when nobody waits for the disk: damage is found, and what will be asked for is read.
        if not self._verified:
            self._verified = True
            base.verify()
        overwrite_small_arrays()

    def read(self) -> VerifiedList | None:
        """See ConsentSource.read."""
        with self._looking:
            if self._closed:
                raise ConsentListError(
                    f"{self._repository.location}: not looked at, the gateway stops"
                )
            self._files.came = 0
            try:
                return self._look()
            except ListUnfinished as error:
                # After an unfinished look the next goes on at once; one that got nowhere is an
                # error, and waits like every other.
                if not self._files.came:
                    raise ConsentListError(f"{error}; nothing of it came") from error
                raise
            finally:
                self._files.progress = None

    def _look(self) -> VerifiedList | None:
        self._settle()  # what an earlier one left
        base = self._store.base
        if base is not None and base.damaged:
            self._delivered = None
            raise self._store.lose_base(base.damaged)
        proof = self._repository.refresh()
        kept = self._store.kept()
        if kept is not None:
            self._refuse_older(proof, kept)
        manifest, digest = self._manifest(proof)
        # The engine has erased its keys (DEAD): the same manifest must bring them again.
        if self._wiped:
            self._delivered, self._wiped = None, False
        if self._delivered is not None and self._delivered.manifest == digest:
            return self._verified_again(proof, manifest)
        revocation_keys = self._revocation_keys(proof)
        changed, complaints = self._store_changes(proof, manifest, digest, kept)
        self._undelivered = self._undelivered or changed
        self.last_signed_s = max(self.last_signed_s, manifest.header.published_at_s)
        now_kept = self._store.kept()
        assert now_kept is not None  # noqa: S101 - stored a moment ago
        indexed, delivered = self._deliver(proof, manifest, digest)
        return VerifiedList(
            header=manifest.header,
            indexed=indexed,
            entries=len(delivered.index),
            refused=now_kept.refused,
            complaints=complaints,
            timestamp_version=proof.versions.timestamp,
            server=proof.server,
            revocation_keys=revocation_keys,
            digest=digest.hex(),
            notice=manifest.notice,
            root_version=proof.versions.root,
        )

    def _manifest(self, proof: Proof) -> tuple[Manifest, bytes]:
        """What the list says of itself, and the hash of that."""
        data = self._repository.fetch(proof, MANIFEST)
        try:
            return read_manifest(data), hashlib.sha256(data).digest()
        except Refused as error:
            raise self._repository.refusal(str(error)) from None

    def _deliver(
        self, proof: Proof, manifest: Manifest, digest: bytes
    ) -> tuple[IndexedList | None, _Delivered]:
        """What the engine is given, None where it has it already; and what it has from now on."""
        was = self._delivered
        paths = frozenset(name_of(target) for target in key_targets(proof, manifest).values())
        indexed = None
        if was is None or self._undelivered or paths != was.keys:
            index = (
                self._store.index(manifest.words) if was is None or self._undelivered else was.index
            )
            indexed = IndexedList(index, self._key_ring(proof, manifest))
            was = self._delivered = _Delivered(digest, paths, "", index)
            self._undelivered = False
        was.manifest = digest
        was.revocation_keys = (
            name_of(proof.targets[REVOCATION_KEYS]) if REVOCATION_KEYS in proof.targets else ""
        )
        self._timestamp_version = proof.versions.timestamp
        return indexed, was

    def _key_ring(self, proof: Proof, manifest: Manifest) -> KeyRing:
        store = self._store
        if store.base is None:  # never: a list was stored before it is delivered
            return KeyRing()
        ring = self._ring.make(proof, manifest, store.base, store.changed(), store.dead())
        self._files.keys_taken(proof, manifest)
        return ring

    def _verified_again(self, proof: Proof, manifest: Manifest) -> VerifiedList | None:
        """The list that we have: its lease goes on as it is, since nothing newer was published."""
        if proof.versions.timestamp == self._timestamp_version:
            return None
        self._timestamp_version = proof.versions.timestamp
        return VerifiedList(
            header=manifest.header,
            indexed=None,
            timestamp_version=proof.versions.timestamp,
            server=proof.server,
        )

    def _revocation_keys(self, proof: Proof) -> bytes:
        """Who may sign revocations, where that is not as it was; a list may come without."""
        target = proof.targets.get(REVOCATION_KEYS)
        if target is None or (
            self._delivered is not None and self._delivered.revocation_keys == name_of(target)
        ):
            return b""
        return self._repository.fetch(proof, REVOCATION_KEYS)

    def _refuse_older(self, proof: Proof, kept: Kept) -> None:
        """TUF's own memory may have been lost or put back; a new root begins anew: other keys."""
        had, got = kept.versions, proof.versions
        if got.root < had.root or (
            got.root == had.root and (got.timestamp, got.snapshot) < (had.timestamp, had.snapshot)
        ):
            older = "older than the list that this gateway had: somebody brought back an old list"
            raise ListRolledBack(str(self._repository.refusal(older)))

    def _store_changes(
        self, proof: Proof, manifest: Manifest, digest: bytes, kept: Kept | None
    ) -> tuple[bool, tuple[str, ...]]:
        """Bring the store to this manifest, in one transaction; did entries change; complaints."""
        header = manifest.header
        self._refuse_another(proof, manifest, kept)
        counts = self._counts(proof, manifest, kept)
        steps = self._steps(manifest, kept)
        self._files.bring(proof, manifest, steps)
        records = RecordJudge(manifest.words, self._max_span_s)
        if steps is not None and kept is not None:
            records.refused.update(kept.refused)
        newest = Kept(
            name=header.name,
            seq=header.seq,
            epoch=manifest.epoch,
            words=manifest.words,
            manifest=digest,
            signed_s=max(header.published_at_s, kept.signed_s if kept else 0.0),
            max_span_s=self._max_span_s,
            refused=records.refused,
            versions=proof.versions,
            counts=counts,
        )
        if steps == ():
            # Only newer: nobody waits for the disk. Forgotten with the power, it is as if this look
            # had not been.
            self._refuse_a_wrong_count(header.count, self._store.count(), records)
            self._store.keep_later(newest)
            return False, ()
        loader = Loader(self._files, proof, manifest, records)
        self._load(loader, manifest, steps, records, newest)
        self._files.loaded()
        return True, tuple(records.complaints)

    def _load(
        self,
        loader: Loader,
        manifest: Manifest,
        steps: tuple[DeltaStep, ...] | None,
        records: RecordJudge,
        newest: Kept,
    ) -> None:
        try:
            with self._store.changing() as changing:
                if steps is None:
                    loader.base(changing)
                for step in manifest.steps_after_base() if steps is None else steps:
                    loader.delta(step, changing)
                self._refuse_a_wrong_count(manifest.header.count, changing.count(), records)
                changing.keep(newest)
        except DamagedSegment as error:
            raise self._repository.refusal(str(error)) from None

    def _refuse_another(self, proof: Proof, manifest: Manifest, kept: Kept | None) -> None:
        """The list of another group, or one older than ours under the same root and epoch."""
        header = manifest.header
        if header.name != self._name:
            raise self._repository.refusal(
                f"this is the list {header.name}, consent.list asks for {self._name}"
            )
        # Rule 2; under a newer root or epoch the numbers may begin anew (growth.Edition).
        if (
            kept is not None
            and header.seq < kept.seq
            and (proof.versions.root, manifest.epoch)
            <= (
                kept.versions.root,
                kept.epoch,
            )
        ):
            older = f"number {header.seq} is older than {kept.seq}, which this gateway already had"
            raise self._repository.refusal(older)

    def _refuse_a_wrong_count(self, announced: int, count: int, records: RecordJudge) -> None:
        """Rows that were refused were announced, too; a missing one may be a customer left out."""
        if count > announced or count + sum(records.refused.values()) < announced:
            raise self._repository.refusal(
                f"the manifest announces {announced} entries, {count} were found"
            )

    def _counts(self, proof: Proof, manifest: Manifest, kept: Kept | None) -> Counts:
        """What the next list is measured by. Raises ListGrew before anything of it is fetched."""
        header = manifest.header
        edition = Edition(proof.versions.root, manifest.epoch, header.seq)
        offered = Offered(header.name, edition, header.count, manifest.approved_by)
        counts: Counts = ()
        held = None
        if kept is not None and kept.name == header.name:
            counts, held = kept.counts, Edition(kept.versions.root, kept.epoch, kept.seq)
        try:
            return judge(counts, self._clock(), offered, held, proof.approvers)
        except Refused as error:
            raise ListGrew(
                str(self._repository.refusal(str(error))), entries=header.count
            ) from None

    def _steps(self, manifest: Manifest, kept: Kept | None) -> tuple[DeltaStep, ...] | None:
        """Those that lead from the store to the manifest; None where only the base does."""
        judged = (self._name, manifest.epoch, self._max_span_s)
        # With another `max_span_s` entries that were refused may stand, and the other way round.
        if kept is None or (kept.name, kept.epoch, kept.max_span_s) != judged:
            return None
        # Records name words by their number: those stored would come to mean something else.
        if manifest.words[: len(kept.words)] != kept.words:
            raise self._repository.refusal(
                "its words changed within an epoch: publish a new base under a new epoch"
            )
        return manifest.steps_after(kept.seq)
