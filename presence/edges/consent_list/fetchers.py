"""How the bytes of a signed list come: over HTTPS, or from a directory (a USB stick, an rsync
mirror).

Neither believes what it fetches; that is TUF's part. Both are bounded in size and in time, and keep
what they fetch in memory: python-tuf's own download_file goes through /tmp, and window keys may not
touch a disk.
"""

import io
import math
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import IO, Any, Final
from urllib.parse import unquote, urlsplit

import urllib3
from tuf.api.exceptions import (
    DownloadError,
    DownloadHTTPError,
    DownloadLengthMismatchError,
    SlowRetrievalError,
)
from tuf.ngclient import FetcherInterface

from presence import __version__
from presence.core.timestamps import Moment
from presence.edges.consent_list.regular_file import open_regular
from presence.edges.host.clock import SystemClock

CONNECT_S: Final = 5.0
BETWEEN_BYTES_S: Final = 8.0
FETCH_S: Final = 300.0
"""The longest that one look fetches: a server may drip. What came whole of a long list is kept."""
CHUNK: Final = 1 << 18


TIMESTAMP: Final = "/timestamp.json"
"""Asked for with each look, and never the same for long: its Date is the server's clock."""


class Unreadable(DownloadError):
    """The directory is there, and its medium does not give this file."""


class OutOfTime(SlowRetrievalError):
    """This look has fetched for as long as a look may."""


class BoundedFetcher(FetcherInterface):
    """Bounded in size and in time, in memory. Remembers the last timestamp as it came."""

    def __init__(self) -> None:
        self.timestamp = b""
        self.server: Moment | None = None
        """What the server said that the time is, with its timestamp."""
        self._closed = self._given_up = False
        self._until_s = math.inf

    def begin(self) -> None:
        """A new look."""
        self.timestamp = b""
        self.server = None
        self._given_up = False
        self._until_s = time.monotonic() + FETCH_S

    def close(self) -> None:
        """What is being fetched in another thread ends at its next bytes."""
        self._closed = True

    def give_up(self) -> None:
        """The look that is under way in another thread fails now, as far as it can be ended."""
        self._given_up = True

    @contextmanager
    def download_file(self, url: str, max_length: int) -> Iterator[IO[bytes]]:
        yield io.BytesIO(self.download_bytes(url, max_length))

    def download_bytes(self, url: str, max_length: int) -> bytes:
        if self._closed or self._given_up:
            raise DownloadError("the gateway stops, or waits no longer")
        received = bytearray()
        for chunk in self.fetch(url):
            received += chunk
            if len(received) > max_length:
                raise DownloadLengthMismatchError(f"more than {max_length} bytes")
            if self._closed or self._given_up:
                raise DownloadError("the gateway stops, or waits no longer")
            if time.monotonic() > self._until_s:
                raise OutOfTime(f"not complete after {FETCH_S:g} s")
        if url.endswith(TIMESTAMP):
            self.timestamp = bytes(received)
        return bytes(received)


class HttpsFetcher(BoundedFetcher):
    """Keeps its connection from look to look. Certificates are verified, always; no redirection is
    followed.

    Bytes are taken as they come (`read1`): urllib3's `stream` gives nothing before a chunk is full,
    so that a server which drips would be waited for without a look at the time. Only its headers
    can still drip: `give_up` ends that.
    """

    def __init__(self, ca_file: Path | None) -> None:
        super().__init__()
        self._pool = urllib3.PoolManager(
            ca_certs=None if ca_file is None else str(ca_file),
            cert_reqs="CERT_REQUIRED",
            headers={"User-Agent": f"presence/{__version__}"},
            retries=urllib3.Retry(total=1, redirect=0, raise_on_redirect=False, backoff_factor=0),
            timeout=urllib3.Timeout(connect=CONNECT_S, read=BETWEEN_BYTES_S),
        )

        self._pool.pool_classes_by_scheme = {"https": _pool_class(self._connected)}
        self._socket: socket.socket | None = None

    def _connected(self, connection: Any) -> None:
        self._socket = connection.sock
        if self._given_up:  # while it was being made, and there was no socket to shut down yet
            self.give_up()

    def give_up(self) -> None:
        super().give_up()
        if self._socket is not None:
            with suppress(OSError):  # it is closed already
                socket.socket.shutdown(self._socket, socket.SHUT_RDWR)

    def _fetch(self, url: str) -> Iterator[bytes]:
        response = self._pool.request("GET", url, preload_content=False, decode_content=False)
        if url.endswith(TIMESTAMP):
            self.server = _date_of(response, SystemClock().now())
        return self._chunks(response)

    @staticmethod
    def _chunks(response: urllib3.BaseHTTPResponse) -> Iterator[bytes]:
        """The body; where the status is not 200 it is passed over, so that the connection can be
        used again.
        """
        found = response.status == 200
        try:
            while chunk := response.read1(CHUNK, decode_content=False):
                yield chunk if found else b""
            response.release_conn()
        except urllib3.exceptions.TimeoutError:
            raise SlowRetrievalError("nothing came for too long") from None
        except urllib3.exceptions.HTTPError as error:
            raise DownloadError("the answer was cut short or damaged") from error
        finally:
            response.close()
        if not found:
            raise DownloadHTTPError(f"status {response.status}", response.status)

    def close(self) -> None:
        super().close()
        self._pool.clear()


def _date_of(response: urllib3.BaseHTTPResponse, now: Moment) -> Moment | None:
    """What the server's clock shows (RFC 9110 §6.6.1), plus how long a cache kept the answer."""
    try:
        date = parsedate_to_datetime(response.headers.get("Date", ""))
    except (ValueError, TypeError):
        return None
    kept = response.headers.get("Age", "")
    kept_s = int(kept) if kept.isascii() and kept.isdigit() and len(kept) < 8 else 0
    return Moment(now.monotonic_s, date.replace(tzinfo=UTC).timestamp() + kept_s)


def _pool_class(connected: Callable[[Any], None]) -> type[urllib3.HTTPSConnectionPool]:
    """urllib3's own, whose connections say when they are made."""

    class HttpsConnection(urllib3.connection.HTTPSConnection):
        def connect(self) -> None:
            super().connect()
            connected(self)

    class HttpsPool(urllib3.HTTPSConnectionPool):
        ConnectionCls = HttpsConnection

    return HttpsPool


class DirectoryFetcher(BoundedFetcher):
    """`file:` URLs below one directory."""

    def _fetch(self, url: str) -> Iterator[bytes]:
        path = Path(unquote(urlsplit(url).path))
        # Whatever a signed name says, nothing outside of the directory is read.
        if ".." in path.parts:
            raise DownloadHTTPError("a path that climbs", 404)
        return self._chunks(path)

    @staticmethod
    def _chunks(path: Path) -> Iterator[bytes]:
        try:
            with open_regular(path) as file:
                while chunk := file.read(CHUNK):
                    yield chunk
        except (FileNotFoundError, NotADirectoryError):
            raise DownloadHTTPError("no such file", 404) from None
        except OSError as error:
            raise Unreadable(f"{error.strerror}") from error
