"""The publisher's keys, each in a file of its own (PKCS #8, PEM, mode 0600).

keys/root/1.pem, 2.pem, 3.pem     two of them sign a new root: carry the folder away
keys/root/approval.pem            a list grows by more than a fifth a day: away, too
keys/targets.pem, snapshot.pem, timestamp.pem      sign each publication: they stay online
keys/notices.pem, notices-1.pem, …     signs notices and heads; the number is that of the `kid`
keys/service.key                  32 random bytes in hex, for refs and pairwise keys
"""

import secrets
from collections.abc import Iterable
from pathlib import Path
from typing import Final

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)
from securesystemslib.signer import CryptoSigner

from presence.edges.host.files import replace_file
from presence.errors import ConsentServiceError, reason_of

ROOT_KEYS: Final = 3
ROOT_THRESHOLD: Final = 2
ONLINE: Final = ("targets", "snapshot", "timestamp")
NOTICES: Final = "notices"
APPROVAL: Final = "approval"
SERVICE_KEY_BYTES: Final = 32


class KeyFolder:
    def __init__(self, directory: Path) -> None:
        self.directory = directory

    def create(self, service_key: bytes = b"") -> None:
        """All keys, new, but the service key where it is given. Raises ConsentServiceError where
        there are keys already.
        """
        if self.directory.exists():
            raise ConsentServiceError(
                f"{self.directory}: there are keys already; a second `init` would orphan them"
            )
        root = self.directory / "root"
        root.mkdir(mode=0o700, parents=True)
        self.directory.chmod(0o700)
        for number in range(1, ROOT_KEYS + 1):
            replace_file(root / f"{number}.pem", _new_key())
        replace_file(self.approval_path, _new_key())
        for name in (*ONLINE, NOTICES):
            self.renew(name)
        service_key = service_key or secrets.token_bytes(SERVICE_KEY_BYTES)
        replace_file(self.directory / "service.key", service_key.hex().encode())

    def renew(self, name: str) -> None:
        """A new key in place of the old one, for a role that is online or for notices."""
        replace_file(self.directory / f"{name}.pem", _new_key())

    def root_signers(self, directory: Path | None = None) -> list[CryptoSigner]:
        """As many root keys as are there: three after `init`, two of them are enough."""
        folder = directory or self.directory / "root"
        files = (
            path for path in sorted(folder.glob("*.pem")) if not path.stem.startswith(APPROVAL)
        )
        signers = [CryptoSigner(_read(path)) for path in files]
        if len(signers) < ROOT_THRESHOLD:
            raise ConsentServiceError(
                f"{folder}: {len(signers)} root keys, {ROOT_THRESHOLD} are needed: bring them "
                "back from their safe "
                "(--root-keys FOLDER)"
            )
        return signers

    def signer(self, role: str) -> CryptoSigner:
        return CryptoSigner(_read(self.directory / f"{role}.pem"))

    def revocation_key(self, number: int) -> Ed25519PrivateKey:
        path = self.directory / f"{revocation_kid(number)}.pem"
        # The first one, and those that an older version replaced in its place, have no number in
        # their names.
        return _read(path if path.exists() else self.directory / f"{NOTICES}.pem")

    def make_revocation_key(self, number: int) -> None:
        """It counts once the register says this number; so a crash leaves the old key in force, or
        the new one.
        """
        replace_file(self.directory / f"{revocation_kid(number)}.pem", _new_key())

    def forget_revocation_keys(self, *, but: Iterable[int]) -> None:
        kept = {f"{revocation_kid(number)}.pem" for number in but}
        if not all((self.directory / name).exists() for name in kept):
            kept.add(f"{NOTICES}.pem")  # one of them, from before names had numbers
        for path in self.directory.glob(f"{NOTICES}*.pem"):
            if path.name not in kept:
                path.unlink()

    @property
    def approval_path(self) -> Path:
        """Where `create` puts it; later it is where somebody keeps it."""
        return self.directory / "root" / f"{APPROVAL}.pem"

    def approval_key(self, path: Path | None = None) -> Ed25519PrivateKey:
        """Raises ConsentServiceError where nobody has brought it."""
        path = path or self.approval_path
        if not path.exists():
            raise ConsentServiceError(
                f"{path}: the approval key is not here: bring it back from its safe "
                "(--approval-key FILE); where it is "
                "lost, `presence consents rotate approval --new-key FILE` makes another"
            )
        return _read(path)

    def new_approval_key(self, path: Path) -> Ed25519PrivateKey:
        replace_file(path, _new_key())
        return _read(path)

    def service_key(self) -> bytes:
        return read_service_key(self.directory / "service.key")


def read_service_key(path: Path) -> bytes:
    """Raises ConsentServiceError."""
    try:
        return bytes.fromhex(path.read_text("ascii"))
    except (OSError, ValueError) as error:
        raise ConsentServiceError(
            f"{path}: {reason_of(error)}: restore it; refs cannot be made without it"
        ) from error


def revocation_kid(number: int) -> str:
    """What names the key of this number in a JWK set and in a signature."""
    return f"{NOTICES}-{number}"


def _new_key() -> bytes:
    return Ed25519PrivateKey.generate().private_bytes(
        Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()
    )


def _read(path: Path) -> Ed25519PrivateKey:
    try:
        key = load_pem_private_key(path.read_bytes(), None)
    except OSError as error:
        raise ConsentServiceError(
            f"{path}: {error.strerror}: `presence consents init` makes the keys"
        ) from error
    except (ValueError, TypeError, UnsupportedAlgorithm):
        raise ConsentServiceError(
            f"{path}: not a private key in PEM without a passphrase"
        ) from None
    if not isinstance(key, Ed25519PrivateKey):
        raise ConsentServiceError(f"{path}: not an Ed25519 key")
    return key
