"""How the bytes of a signed list come: over HTTPS, or from a directory (a USB stick, an rsync
mirror).

Neither believes what it fetches; that is TUF's part. Both are bounded in size and in time, and keep
what they fetch in memory: python-tuf's own download_file goes through /tmp, and window keys may not
touch a disk. A long file goes on where it broke off (`pieces`; RFC 9110 §14), several at once.
"""

import io
import math
import re
import socket
import threading
import time
from collections.abc import Callable, Generator, Iterator
from contextlib import closing, contextmanager, suppress
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
"""The longest that one look fetches: a server may drip. What came of a long list is kept."""
CHUNK: Final = 1 << 18
CAUTIOUS_BYTES: Final = 1 << 12
"""What is asked for first of a file that broke off before; then twice as much, and so on. TLS gives
nothing of a record before it is whole, and one may have 16 KB (RFC 8446 §5.1): a line that breaks
sooner than that would bring nothing, look after look.
"""
CONNECTIONS: Final = 4
"""Files fetched at once: a distant server is waited for once, and not once a file."""


Chunks = Generator[bytes, None, None]
_PARTIAL: Final = re.compile(r"bytes (\d{1,12})-")

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
        received = b"".join(piece for _, piece in self.pieces(url, 0, max_length))
        if url.endswith(TIMESTAMP):
            self.timestamp = received
        return received

    def pieces(
        self, url: str, start: int, length: int, *, broke_off: bool = False
    ) -> Generator[tuple[int, bytes], None, None]:
        """The bytes of a file from `start` on, each piece with its place in the file; all of them,
        from 0 on, where the other side cannot begin elsewhere. `length`: of the file, at most.
        `broke_off`: an earlier look did not get it whole.
        """
        at_most = CAUTIOUS_BYTES if broke_off else 0
        while True:
            end = start
            for place, piece in self._answer(url, start, length, at_most):
                yield place, piece
                end = place + len(piece)
            if not at_most or end != start + at_most or end >= length:
                return
            start, at_most = end, 2 * at_most

    def _answer(
        self, url: str, start: int, length: int, at_most: int
    ) -> Generator[tuple[int, bytes], None, None]:
        self._refuse_to_go_on()
        place, chunks = self._opened(url, start, at_most)
        with closing(chunks):  # whatever happens: nobody waits for a collector to end an answer
            for chunk in chunks:
                if place + len(chunk) > length:
                    raise DownloadLengthMismatchError(f"more than {length} bytes")
                yield place, chunk
                place += len(chunk)
                self._refuse_to_go_on()
                if time.monotonic() > self._until_s:
                    raise OutOfTime(f"not complete after {FETCH_S:g} s")

    def _opened(self, url: str, start: int, at_most: int) -> tuple[int, Chunks]:
        """Where the answer begins, and what comes. `at_most`: bytes asked for; 0: all."""
        try:
            return self._open(url, start, at_most)
        except DownloadError:
            raise
        except Exception as error:  # as python-tuf's own `fetch` does it
            raise DownloadError(f"failed to fetch {url}") from error

    def _open(self, url: str, start: int, at_most: int) -> tuple[int, Chunks]:
        raise NotImplementedError

    def _fetch(self, url: str) -> Iterator[bytes]:
        return self._opened(url, 0, 0)[1]

    def _refuse_to_go_on(self) -> None:
        if self._closed or self._given_up:
            raise DownloadError("the gateway stops, or waits no longer")


class HttpsFetcher(BoundedFetcher):
    """Keeps its connections from look to look. Certificates are verified, always; no redirection is
    followed.

    Bytes are taken as they come (`read1`): urllib3's `stream` gives nothing before a chunk is full,
    so that a server which drips would be waited for without a look at the time. Only its headers
    can still drip: `give_up` ends that.
    """

    def __init__(self, ca_file: Path | None) -> None:
        super().__init__()
        self._pool = urllib3.PoolManager(
            maxsize=CONNECTIONS,
            ca_certs=None if ca_file is None else str(ca_file),
            cert_reqs="CERT_REQUIRED",
            headers={"User-Agent": f"presence/{__version__}"},
            retries=urllib3.Retry(total=1, redirect=0, raise_on_redirect=False, backoff_factor=0),
            timeout=urllib3.Timeout(connect=CONNECT_S, read=BETWEEN_BYTES_S),
        )

        self._pool.pool_classes_by_scheme = {"https": _pool_class(self._connected)}
        self._sockets: set[socket.socket] = set()
        self._sockets_lock = threading.Lock()

    def _connected(self, connection: Any) -> None:
        with self._sockets_lock:
            closed = {each for each in self._sockets if each.fileno() < 0}
            self._sockets = self._sockets - closed | {connection.sock}
        if self._given_up:  # while it was being made, and there was no socket to shut down yet
            self.give_up()

    def give_up(self) -> None:
        super().give_up()
        with self._sockets_lock:
            for each in self._sockets:
                with suppress(OSError):  # it is closed already
                    socket.socket.shutdown(each, socket.SHUT_RDWR)

    def _open(self, url: str, start: int, at_most: int) -> tuple[int, Chunks]:
        last = start + at_most - 1 if at_most else ""
        wanted = {"Range": f"bytes={start}-{last}"} if start or at_most else {}
        response = self._pool.request(
            "GET",
            url,
            headers={**self._pool.headers, **wanted},
            preload_content=False,
            decode_content=False,
        )
        if url.endswith(TIMESTAMP):
            self.server = _date_of(response, SystemClock().now())
        place = _place_of(response, start)
        return place or 0, self._chunks(response, found=place is not None)

    @staticmethod
    def _chunks(response: urllib3.BaseHTTPResponse, *, found: bool) -> Chunks:
        """The body; where it is not the file it is passed over, so that the connection can be used
        again.
        """
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


def _place_of(response: urllib3.BaseHTTPResponse, start: int) -> int | None:
    """Where the body begins in the file: at `start` where that is what the server says; None: it is
    not of the file.
    """
    if response.status == 200:
        return 0
    said = _PARTIAL.match(response.headers.get("Content-Range", ""))
    return start if response.status == 206 and said is not None and int(said[1]) == start else None


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

    def _open(self, url: str, start: int, _at_most: int) -> tuple[int, Chunks]:
        path = Path(unquote(urlsplit(url).path))
        # Whatever a signed name says, nothing outside of the directory is read.
        if ".." in path.parts:
            raise DownloadHTTPError("a path that climbs", 404)
        return start, self._chunks(path, start)

    @staticmethod
    def _chunks(path: Path, start: int) -> Chunks:
        try:
            with open_regular(path) as file:
                file.seek(start)
                while chunk := file.read(CHUNK):
                    yield chunk
        except (FileNotFoundError, NotADirectoryError):
            raise DownloadHTTPError("no such file", 404) from None
        except OSError as error:
            raise Unreadable(f"{error.strerror}") from error
