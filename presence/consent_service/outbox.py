"""Signed revocations as files, until somebody carries them to the broker: `outbox/000000017.jws` is
revocation 17 of the list.

Whoever has a way to the shops' brokers of their own takes the files in their order; `presence
consents … --mqtt` does it by presence.consent_service.post. A revocation that is lost delays a
withdrawal until the next list and does nothing worse.
"""

from collections.abc import Callable
from pathlib import Path

from presence.edges.host.files import replace_file
from presence.errors import ConsentServiceError


class RevocationOutbox:
    def __init__(self, directory: Path) -> None:
        self.directory = directory

    def put(self, seq: int, revocation: bytes) -> Path:
        """Raises ConsentServiceError."""
        path = self.directory / f"{seq:09d}.jws"
        try:
            self.directory.mkdir(mode=0o700, parents=True, exist_ok=True)
            replace_file(path, revocation)
        except OSError as error:
            raise ConsentServiceError(
                f"{path}: {error.strerror}: the change is registered, its notice is not written: "
                "`presence consents "
                "publish` tells gateways at their next look"
            ) from error
        return path

    def sign_anew(self, signed: Callable[[bytes], bytes | None]) -> None:
        """What waits was signed by a key that gateways will not know any more."""
        for path in self.waiting():
            message = signed(path.read_bytes())
            if message is not None:
                self.put(int(path.stem), message)

    def waiting(self) -> list[Path]:
        """In the order of their numbers."""
        return sorted(self.directory.glob("*.jws"))
