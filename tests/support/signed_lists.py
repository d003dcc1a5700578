"""A working TUF repository of one list in a directory, for the gateway's side: with all keys at
hand, so that a test can also do what the owner of a stolen key, a frozen mirror or a broken server
would do.

It is not the reference publisher (presence.consent_service), and shares no code with it but the
segments.
"""

import copy
import shutil
import time
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from securesystemslib.signer import CryptoSigner
from tuf.api.metadata import Metadata, MetaFile, Root, Snapshot, TargetFile, Targets, Timestamp

from presence.core.consent.growth import ROOT_FIELD, Approval, Edition, root_field, sign_approval
from presence.core.consent.list_changes import WHOLE, Change
from presence.core.consent.list_json import ListHeader
from presence.core.consent.manifest import Manifest, write_manifest
from presence.core.consent.model import Consent
from presence.core.consent.record import Words, encode_record
from presence.core.consent.segments import (
    Base,
    Delta,
    DeltaStep,
    Keys,
    base_path,
    delta_path,
    delta_rows,
    keys_path,
    later_keys_path,
    lengths_of,
    pack,
    shard_of,
)
from presence.core.recognition.identifiers import window_at
from tests.support.builders import DAY_S, START_S, consent, grant, window_keys
from tests.support.shops import Shop

LIST = "acme/fi-0042"
ROOT_KEYS = 3


def agreed(ref: bytes, **changes: Any) -> Consent:
    """A consent such as a service publishes: every grant lies within it."""
    start_s, end_s = START_S - DAY_S, START_S + 100 * DAY_S
    return consent(
        **{"ref": ref, "version": 7, "grants": (grant(start_s=start_s, end_s=end_s),), **changes}
    )


def agreed_now(ref: bytes, **changes: Any) -> Consent:
    """In force at this hour, by the clock of this machine."""
    start_s, end_s = time.time() - 3600, time.time() + 36_000
    return agreed(ref, **{"not_before_s": start_s, "not_after_s": end_s, "grants": (), **changes})


def base_of(*, rows: Iterable[tuple[bytes, bytes]], **of: Any) -> Base:
    """The segment of these refs and records, in their order."""
    refs, records = tuple(zip(*rows, strict=True)) or ((), ())
    return Base(
        **of,
        refs=memoryview(b"".join(refs)),
        lengths=memoryview(lengths_of(records)),
        records=memoryview(b"".join(records)),
    )


def keys_of(*, rows: Iterable[tuple[bytes, bytes]], **of: Any) -> Keys:
    """The segment of these refs and window keys, in their order."""
    refs, keys = tuple(zip(*rows, strict=True)) or ((), ())
    return Keys(**of, refs=memoryview(b"".join(refs)), keys=memoryview(b"".join(keys)))


class Repository:
    """Publishes into `folder`; every part of the metadata may be changed between `stage` and
    `release`.
    """

    def __init__(
        self, folder: Path, *, name: str = LIST, shards: tuple[str, ...] = (WHOLE,)
    ) -> None:
        self.folder = folder
        self.name = name
        self.shards = shards
        self.root_file = folder.with_name(f"{folder.name}-root.json")
        (folder / "metadata").mkdir(parents=True)
        self.signers = {
            "root": [CryptoSigner.generate_ed25519() for _ in range(ROOT_KEYS)],
            **{
                role: [CryptoSigner.generate_ed25519()]
                for role in ("timestamp", "snapshot", "targets")
            },
        }
        self.words = Words()
        self.seq = self.epoch = self.base_seq = 1
        self.count = 0
        self.changed: list[Change] = []
        self.came: dict[bytes, bytes] = {}
        """Since the base."""
        self.files: dict[str, bytes] = {}
        self.manifest_changes: dict[str, Any] = {}
        self.notice = "fi-2026-03"
        self.approval_key = Ed25519PrivateKey.generate()
        self.approved_by = ""
        root = Root(expires=_in(days=365), consistent_snapshot=True)
        root.unrecognized_fields[ROOT_FIELD] = root_field(
            "approval-1", self.approval_key.public_key()
        )
        for role, signers in self.signers.items():
            for signer in signers:
                root.add_key(signer.public_key, role)
        root.roles["root"].threshold = 2
        self.root = Metadata(root)
        self.timestamp = Metadata(Timestamp(expires=_in(minutes=30)))
        self.snapshot = Metadata(Snapshot(expires=_in(days=1)))
        self.targets = Metadata(Targets(expires=_in(days=1)))
        for each in (self.timestamp, self.snapshot, self.targets):
            each.signed.version = 0
        self.publish_root()
        self.root_file.write_bytes((folder / "metadata/1.root.json").read_bytes())

    def base(self, consents: Iterable[Consent], *, new_epoch: bool = False) -> "Repository":
        """A whole list, with window keys of this window and the next."""
        consents = list(consents)
        if new_epoch:
            self.epoch += 1
            self.words = Words()
        rows = [(each.ref, encode_record(each, self.words)) for each in consents]
        return self.base_of(rows, keyed=[each.ref for each in consents])

    def base_of(
        self, rows: list[tuple[bytes, bytes]], *, keyed: Iterable[bytes] = ()
    ) -> "Repository":
        """Records as they are, also those that no encoder makes."""
        self.files = {}
        self.base_seq, self.count, self.changed = self.seq, len(rows), []
        for shard in self.shards:
            some = sorted(row for row in rows if shard_of(row[0], self.shards) == shard)
            self.files[base_path(self.epoch, shard)] = pack(
                base_of(**self._of(self.seq), rows=some)
            )
        return self.keys(keyed)

    def keys(self, refs: Iterable[bytes], *, around_s: float | None = None) -> "Repository":
        around_s = time.time() if around_s is None else around_s
        self.files = {
            path: data for path, data in self.files.items() if not path.startswith("keys/")
        }
        self.windows = [window_at(around_s), window_at(around_s) + 1]
        rows: dict[tuple[int, str], list[tuple[bytes, bytes]]] = {}
        for ref in sorted(refs):
            for key in window_keys(ref, around_s):
                rows.setdefault((key.window, shard_of(ref, self.shards)), []).append((ref, key.key))
        for (window, shard), some in rows.items():
            self.files[keys_path(window, shard)] = pack(keys_of(**self._of(window), rows=some))
        return self

    def later_keys(self, refs: Iterable[bytes], *, as_if: bytes | None = None) -> "Repository":
        """Of those whom the newest delta brought or changed; `as_if` they were somebody else."""
        now = {ref: as_if or ref for ref in refs}
        self.came |= now
        for step, some in (
            (DeltaStep(self.base_seq, self.seq), self.came),
            (DeltaStep(self.seq - 1, self.seq), now),
        ):
            for n, window in enumerate(self.windows):
                rows = [
                    (ref, window_keys(whose, time.time())[n].key) for ref, whose in some.items()
                ]
                segment = keys_of(**self._of(window), rows=sorted(rows))
                self.files[later_keys_path(window, step)] = pack(segment)
        return self

    def _of(self, number: int) -> dict[str, Any]:
        return {"list_name": self.name, "epoch": self.epoch, "number": number}

    def delta(self, changes: Iterable[Change], *, count: int) -> "Repository":
        """The next number; `count` is how many entries there are after it."""
        changes = list(changes)
        self.seq += 1
        self.count = count
        self.changed += changes
        for step, some in (
            (DeltaStep(self.base_seq, self.seq), self.changed),
            (DeltaStep(self.seq - 1, self.seq), changes),
        ):
            puts, deletes = delta_rows(some)
            segment = Delta(**self._of(self.seq), since=step.since, puts=puts, deletes=deletes)
            self.files[delta_path(step)] = pack(segment)
        return self

    def manifest(self) -> bytes:
        now_s = time.time()
        values: dict[str, Any] = {
            "name": self.name,
            "seq": self.seq,
            "published_at_s": now_s,
            "suppression_checked_at_s": now_s - 3600,
            "count": self.count,
        }
        header = ListHeader(**{**values, **self.manifest_changes})
        return write_manifest(
            Manifest(
                header,
                self.notice,
                self.epoch,
                self.base_seq,
                self.shards,
                tuple(self.windows),
                tuple(self.words.all),
                self.approved_by,
                self.base_seq + 1 if self.seq > self.base_seq else 0,
            ),
            "2.0",
        )

    def approve(
        self, *, key: Ed25519PrivateKey | None = None, kid: str = "approval-1", **changes: Any
    ) -> "Repository":
        """The list as it stands now may have so many entries; or whatever `changes` makes of
        that.
        """
        edition = Edition(self.root.signed.version, self.epoch, self.seq)
        values: dict[str, Any] = {
            "name": self.name,
            "edition": edition,
            "count": self.count,
            **changes,
        }
        self.approved_by = sign_approval(Approval(**values), kid=kid, key=key or self.approval_key)
        return self

    def publish(self) -> "Repository":
        """New targets, snapshot and timestamp over what there is."""
        return self.stage().release()

    def stage(self, *, lists: Mapping[str, bytes] | None = None) -> "Repository":
        files = {"manifest.json": self.manifest(), **self.files, **(lists or {})}
        self.targets.signed.targets = {}
        for path, data in files.items():
            target = TargetFile.from_data(path, data, ["sha256"])
            self.targets.signed.targets[path] = target
            folder, slash, name = path.rpartition("/")
            self.write(f"targets/{folder}{slash}{target.hashes['sha256']}.{name}", data)
        self.sign("targets")
        return self

    def release(self, *, of: Iterable[str] = ("targets", "snapshot", "timestamp")) -> "Repository":
        """Sign and write these roles, each with the next number."""
        if "snapshot" in of:
            self.snapshot.signed.meta["targets.json"] = self.meta("targets")
            self.sign("snapshot")
        if "timestamp" in of:
            self.timestamp.signed.snapshot_meta = self.meta("snapshot")
            self.sign("timestamp")
        for role in of:
            self.put(role)
        return self

    def meta(self, role: str) -> MetaFile:
        metadata = self.role(role)
        return MetaFile.from_data(metadata.signed.version, metadata.to_bytes(), ["sha256"])

    def role(self, role: str) -> Metadata[Any]:
        metadata: Metadata[Any] = getattr(self, role)
        return metadata

    def sign(self, role: str, *, version: int | None = None) -> None:
        metadata = self.role(role)
        metadata.signed.version = metadata.signed.version + 1 if version is None else version
        metadata.signatures.clear()
        for signer in self.signers[role]:
            metadata.sign(signer, append=True)

    def put(self, role: str) -> None:
        metadata = self.role(role)
        name = f"{role}.json" if role == "timestamp" else f"{metadata.signed.version}.{role}.json"
        self.write(f"metadata/{name}", metadata.to_bytes())

    def publish_root(self, *, signers: Iterable[CryptoSigner] | None = None) -> None:
        self.root.signatures.clear()
        for signer in signers or self.signers["root"]:
            self.root.sign(signer, append=True)
        self.put("root")

    def rotate(self, role: str) -> CryptoSigner:
        """A new key for an online role, by a new root of two of its three keys. Returns the old
        key.
        """
        (old,) = self.signers[role]
        new = CryptoSigner.generate_ed25519()
        self.root.signed.revoke_key(old.public_key.keyid, role)
        self.root.signed.add_key(new.public_key, role)
        self.root.signed.version += 1
        self.signers[role] = [new]
        self.publish_root(signers=self.signers["root"][:2])
        return old

    def write(self, path: str, data: bytes) -> None:
        file = self.folder / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(data)

    def copy_to(self, folder: Path) -> "Repository":
        """The same repository elsewhere, from where its history may take another way."""
        shutil.copytree(self.folder, folder)
        twin = copy.copy(self)
        twin.folder = folder
        twin.files = dict(self.files)
        for role in ("root", "timestamp", "snapshot", "targets"):
            setattr(twin, role, copy.deepcopy(self.role(role)))
        return twin


def with_signed_list(shop: Shop, folder: Path, *consents: Consent) -> Repository:
    """The shop's configuration as docs/install.md has it: the list is signed, the plain file is not
    there.
    """
    repository = Repository(folder / "repository").base(consents).publish()
    (shop.folder / "consents.jsonl").unlink()
    (shop.folder / "run").mkdir()
    signed = f"repository: {repository.folder}, root_file: {repository.root_file}"
    shop.config.write_text(shop.config.read_text().replace("poll_s: 1}", f"{signed}}}"))
    return repository


def _in(**span: float) -> datetime:
    return datetime.now(UTC).replace(microsecond=0) + timedelta(**span)
