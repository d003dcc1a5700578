"""How the bytes of a signed list come: over HTTPS, or from a directory (a USB stick, an rsync mirror).

Neither believes what it fetches; that is TUF's part. Both are bounded in size and in time, and keep what they fetch in
memory: python-tuf's own download_file goes through /tmp, and window keys may not touch a disk.
"""

import io
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Final
from urllib.parse import unquote, urlsplit

import urllib3
from tuf.api.exceptions import DownloadError, DownloadHTTPError, DownloadLengthMismatchError, SlowRetrievalError
from tuf.ngclient import FetcherInterface

from presence import __version__

CONNECT_S: Final = 5.0
BETWEEN_BYTES_S: Final = 8.0
FILE_S: Final = 120.0
"""The longest that one file may take: a server that drips is no server."""
CHUNK: Final = 1 << 18


class BoundedFetcher(FetcherInterface):
    """Bounded in size and in time, in memory. Remembers the last timestamp as it came."""

    def __init__(self) -> None:
        self.timestamp = b""
        self._closed = False

    def close(self) -> None:
        """What is being fetched in another thread ends at its next bytes."""
        self._closed = True

    @contextmanager
    def download_file(self, url: str, max_length: int) -> Iterator[IO[bytes]]:
        yield io.BytesIO(self.download_bytes(url, max_length))

    def download_bytes(self, url: str, max_length: int) -> bytes:
        if self._closed:
            raise DownloadError("the gateway stops")
        end_s = time.monotonic() + FILE_S
        received = bytearray()
        for chunk in self.fetch(url):
            received += chunk
            if len(received) > max_length:
                raise DownloadLengthMismatchError(f"more than {max_length} bytes")
            if self._closed or time.monotonic() > end_s:
                raise SlowRetrievalError(f"not complete after {FILE_S:.0f} s")
        if url.endswith("/timestamp.json"):
            self.timestamp = bytes(received)
        return bytes(received)


class HttpsFetcher(BoundedFetcher):
    """Keeps its connection from look to look. Certificates are verified, always; no redirection is followed."""

    def __init__(self, ca_file: Path | None) -> None:
        super().__init__()
        self._pool = urllib3.PoolManager(
            ca_certs=None if ca_file is None else str(ca_file),
            cert_reqs="CERT_REQUIRED",
            headers={"User-Agent": f"presence/{__version__}"},
            retries=urllib3.Retry(total=1, redirect=0, raise_on_redirect=False, backoff_factor=0),
            timeout=urllib3.Timeout(connect=CONNECT_S, read=BETWEEN_BYTES_S),
        )

    def _fetch(self, url: str) -> Iterator[bytes]:
        response = self._pool.request("GET", url, preload_content=False, decode_content=False)
        if response.status != 200:
            response.drain_conn() if response.status == 404 else response.close()
            raise DownloadHTTPError(f"status {response.status}", response.status)
        return self._chunks(response)

    @staticmethod
    def _chunks(response: urllib3.BaseHTTPResponse) -> Iterator[bytes]:
        try:
            yield from response.stream(CHUNK, decode_content=False)
            response.release_conn()
        except urllib3.exceptions.TimeoutError:
            raise SlowRetrievalError("nothing came for too long") from None
        finally:
            response.close()

    def close(self) -> None:
        super().close()
        self._pool.clear()


class DirectoryFetcher(BoundedFetcher):
    """`file:` URLs below one directory."""

    def _fetch(self, url: str) -> Iterator[bytes]:
        path = Path(unquote(urlsplit(url).path))
        if ".." in path.parts:
            raise DownloadHTTPError("a path that climbs", 404)
        if not path.is_file():  # also a pipe that would never end
            raise DownloadHTTPError("no such file", 404)
        return self._chunks(path)

    @staticmethod
    def _chunks(path: Path) -> Iterator[bytes]:
        with path.open("rb") as file:
            while chunk := file.read(CHUNK):
                yield chunk
