"""The TUF repository that gateways read, over HTTPS or from a folder
(theupdateframework.github.io/specification).

    metadata/ N.root.json · N.targets.json · N.snapshot.json · timestamp.json
              consistent snapshots
    targets/  base/… · delta/… · changes/… · keys/… · manifest.json · notices.jwks
              each name with its digest before it

What is new is written beside what is old, and becomes true with one rename: that of timestamp.json.
Targets that no metadata names any more are deleted one publication later, so that a gateway that is
reading just then finds them.
"""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from securesystemslib.exceptions import StorageError
from securesystemslib.signer import CryptoSigner
from tuf.api.metadata import (
    Metadata,
    MetaFile,
    Root,
    Snapshot,
    TargetFile,
    Targets,
    Timestamp,
)
from tuf.api.serialization import DeserializationError
from tuf.api.serialization.json import JSONSerializer

from presence.consent_service.keys import APPROVAL, ONLINE, ROOT_THRESHOLD, KeyFolder
from presence.core.consent.growth import ROOT_FIELD, parse_root_field, root_field
from presence.core.consent.jws import Keys
from presence.edges.host.files import replace_file
from presence.errors import ConsentServiceError

PUBLISHED: Final = 0o644
"""Whoever serves the repository may be another user."""
LIVES: Final = {
    "root": timedelta(days=365),
    "targets": timedelta(hours=24),
    "snapshot": timedelta(hours=24),
    "timestamp": timedelta(minutes=30),
}
"""How long each role's word holds (docs/consent-list.md#plane-a-the-signed-list)."""


class Repository:
    def __init__(self, directory: Path, keys: KeyFolder) -> None:
        self.directory = directory
        self._metadata = directory / "metadata"
        self._targets = directory / "targets"
        self._keys = keys

    def create(self, now_s: float) -> None:
        """A root that names all keys, signed by all root keys. Publish afterwards."""
        self._metadata.mkdir(parents=True, exist_ok=True)
        self._targets.mkdir(exist_ok=True)
        signers = self._keys.root_signers()
        root = Root(consistent_snapshot=True, expires=_expiry("root", now_s))
        for signer in signers:
            root.add_key(signer.public_key, "root")
        root.roles["root"].threshold = ROOT_THRESHOLD
        for role in ONLINE:
            root.add_key(self._keys.signer(role).public_key, role)
        _name_approver(root, self._keys.approval_key())
        self._sign_and_write(Metadata(root), signers, "1.root.json")

    def stage(self, path: str, data: bytes) -> TargetFile:
        """Write a target; it counts once it is released."""
        target = TargetFile.from_data(path, data, ["sha256"])
        file = self._targets / _file_of(target)
        if not file.exists():
            file.parent.mkdir(parents=True, exist_ok=True)
            replace_file(file, data, mode=PUBLISHED)
        return target

    def targets(self) -> dict[str, TargetFile]:
        """What is released now, by path; nothing before the first publication."""
        current = self._current("targets")
        return dict(current.signed.targets) if current else {}

    def release(self, targets: Mapping[str, TargetFile], now_s: float) -> int:
        """These targets and no others, from now on; answers with the version of the timestamp."""
        before = {_file_of(target) for target in self.targets().values()}
        new_targets = Targets(
            version=self._version("targets") + 1,
            expires=_expiry("targets", now_s),
            targets=dict(targets),
        )
        self._sign_and_write(
            Metadata(new_targets),
            [self._keys.signer("targets")],
            f"{new_targets.version}.targets.json",
        )
        snapshot = Snapshot(
            version=self._version("snapshot") + 1,
            expires=_expiry("snapshot", now_s),
            meta={"targets.json": self._meta_of("targets", new_targets.version)},
        )
        self._sign_and_write(
            Metadata(snapshot), [self._keys.signer("snapshot")], f"{snapshot.version}.snapshot.json"
        )
        version = self._sign_timestamp(snapshot.version, now_s)
        self._forget(
            {_file_of(target) for target in targets.values()} | before,
            new_targets.version,
            snapshot.version,
        )
        return version

    def renew(self, now_s: float) -> int:
        """Sign the timestamp anew; nothing else changes."""
        return self._sign_timestamp(self._version("snapshot"), now_s)

    def timestamp_version(self) -> int:
        return self._version("timestamp")

    def rotate(self, roles: tuple[str, ...], root_keys: Path | None, now_s: float) -> int:
        """New keys for these roles, under a new root; publish afterwards. Answers with the root's
        version.

        `root_keys`: where the root keys were brought. Raises ConsentServiceError.
        """
        signers = self._keys.root_signers(root_keys)
        old = self._newest_root()
        root = old.signed
        for role in roles:
            for keyid in list(root.roles[role].keyids):
                root.revoke_key(keyid, role)
            self._keys.renew(role)
            root.add_key(self._keys.signer(role).public_key, role)
        root.version += 1
        root.expires = _expiry("root", now_s)
        self._sign_and_write(old, signers, f"{root.version}.root.json")
        return root.version

    def replace_root_key(self, lost: Path, now_s: float, root_keys: Path | None = None) -> int:
        """A new root key in the file `lost`, in place of the one that was lost: the two others
        sign.
        """
        signers = self._keys.root_signers(root_keys)
        old = self._newest_root()
        known = {signer.public_key.keyid for signer in signers}
        new = CryptoSigner.generate_ed25519()
        for keyid in set(old.signed.roles["root"].keyids) - known:
            old.signed.revoke_key(keyid, "root")
        old.signed.add_key(new.public_key, "root")
        old.signed.version += 1
        old.signed.expires = _expiry("root", now_s)
        replace_file(lost, new.private_bytes)
        self._sign_and_write(old, [*signers, new], f"{old.signed.version}.root.json")
        return int(old.signed.version)

    def replace_approval_key(self, new: Path, now_s: float, root_keys: Path | None = None) -> int:
        """A new key in the file `new`, under a new root, in place of the one that says that a list
        may grow.
        """
        signers = self._keys.root_signers(root_keys)
        old = self._newest_root()
        old.signed.version += 1
        old.signed.expires = _expiry("root", now_s)
        _name_approver(old.signed, self._keys.new_approval_key(new))
        self._sign_and_write(old, signers, f"{old.signed.version}.root.json")
        return int(old.signed.version)

    def approvers(self) -> Keys:
        """Whose approvals gateways believe; nobody's under a root that an older version made."""
        return parse_root_field(self._newest_root().signed.unrecognized_fields.get(ROOT_FIELD))

    def root_version(self) -> int:
        return int(self._newest_root().signed.version)

    def _newest_root(self) -> "Metadata[Root]":
        versions = [int(path.name.split(".")[0]) for path in self._metadata.glob("*.root.json")]
        if not versions:
            raise ConsentServiceError(
                f"{self._metadata}: no root: `presence consents init` makes one"
            )
        return Metadata[Root].from_file(str(self._metadata / f"{max(versions)}.root.json"))

    def _current(self, role: str) -> "Metadata[Any] | None":
        """The metadata that timestamp.json leads to."""
        if not (self._metadata / "timestamp.json").exists():
            return None
        try:
            timestamp = Metadata[Timestamp].from_file(str(self._metadata / "timestamp.json"))
            if role == "timestamp":
                return timestamp
            number = timestamp.signed.snapshot_meta.version
            snapshot = Metadata[Snapshot].from_file(str(self._metadata / f"{number}.snapshot.json"))
            if role == "snapshot":
                return snapshot
            number = snapshot.signed.meta["targets.json"].version
            return Metadata[Targets].from_file(str(self._metadata / f"{number}.targets.json"))
        except (DeserializationError, StorageError, KeyError) as error:
            raise ConsentServiceError(
                f"{self._metadata}: {error}: restore the folder, or `init` a new list"
            ) from error

    def _version(self, role: str) -> int:
        current = self._current(role)
        return current.signed.version if current else 0

    def _sign_timestamp(self, snapshot_version: int, now_s: float) -> int:
        timestamp = Timestamp(
            version=self._version("timestamp") + 1,
            expires=_expiry("timestamp", now_s),
            snapshot_meta=self._meta_of("snapshot", snapshot_version),
        )
        self._sign_and_write(
            Metadata(timestamp), [self._keys.signer("timestamp")], "timestamp.json"
        )
        return timestamp.version

    def _meta_of(self, role: str, version: int) -> MetaFile:
        """With digest and length: another one under the same version does not fit, and gateways ask
        for both.
        """
        data = (self._metadata / f"{version}.{role}.json").read_bytes()
        return MetaFile.from_data(version, data, ["sha256"])

    def _sign_and_write(
        self, metadata: "Metadata[Any]", signers: list[CryptoSigner], name: str
    ) -> None:
        metadata.signatures.clear()
        for signer in signers:
            metadata.sign(signer, append=True)
        try:
            replace_file(
                self._metadata / name,
                metadata.to_bytes(JSONSerializer(compact=True)),
                mode=PUBLISHED,
            )
        except OSError as error:
            raise ConsentServiceError(
                f"{self._metadata / name}: {error.strerror}: nothing was published"
            ) from error

    def _forget(self, kept: set[str], targets_version: int, snapshot_version: int) -> None:
        for file in self._targets.rglob("*"):
            if file.is_file() and str(file.relative_to(self._targets)) not in kept:
                file.unlink()
        for role, version in (("targets", targets_version), ("snapshot", snapshot_version)):
            for file in self._metadata.glob(f"*.{role}.json"):
                if int(file.name.split(".")[0]) < version - 1:
                    file.unlink()


def _name_approver(root: Root, key: Ed25519PrivateKey) -> None:
    """Under a kid that no approval key of this list had."""
    root.unrecognized_fields[ROOT_FIELD] = root_field(
        f"{APPROVAL}-{root.version}", key.public_key()
    )


def _file_of(target: TargetFile) -> str:
    """Where a target lies: its name with its digest before it."""
    return str(target.get_prefixed_paths()[0])


def _expiry(role: str, now_s: float) -> datetime:
    return datetime.fromtimestamp(int(now_s), UTC) + LIVES[role]
