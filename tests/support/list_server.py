"""A consent service's web server: a folder over HTTP or HTTPS on this machine, with a clock that a
test may set.
"""

import functools
import http.server
import io
import re
import ssl
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from email.utils import formatdate
from pathlib import Path
from typing import Any

from scripts.dev_broker.certificates import Authority


@dataclass
class ListServer:
    """`asked` are the paths in the order of the requests."""

    port: int = 0
    scheme: str = "https"
    clock_ahead_s: float = 0.0
    """Of the server's Date."""
    file_s: float = 0.0
    """How long each file of a list takes; metadata comes at once."""
    asked: list[str] = field(default_factory=list)
    knows_ranges: bool = True
    bytes_until_cut: int | None = None
    """Of bodies of the list's files, on all connections together; then they are closed."""
    most_bytes: int | None = None
    """Of an answer with a file of a list. A longer one is cut before its first byte, as a line does
    on which no TLS record comes whole.
    """
    sent: Counter[str] = field(default_factory=Counter)
    """Bytes of each file of a list."""
    at_once: int = 0
    most_at_once: int = 0
    """Files of a list under way at the same time."""

    lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def url(self) -> str:
        return f"{self.scheme}://127.0.0.1:{self.port}"


class _Handler(http.server.SimpleHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    timeout = 20
    server_told: ListServer

    def __init__(self, told: ListServer, *arguments: Any, **options: Any) -> None:
        self.server_told = told
        super().__init__(*arguments, **options)

    def do_GET(self) -> None:
        self.server_told.asked.append(self.path)
        super().do_GET()

    def date_time_string(self, timestamp: float | None = None) -> str:
        return formatdate(timestamp or time.time() + self.server_told.clock_ahead_s, usegmt=True)

    def send_head(self) -> Any:
        """As usual; from the middle of a file where that is asked for (RFC 9110 §14)."""
        start = re.fullmatch(r"bytes=(\d+)-(\d*)", self.headers.get("Range", ""))
        path = Path(self.translate_path(self.path))
        if start is None or not self.server_told.knows_ranges or not path.is_file():
            return super().send_head()
        first, size = int(start[1]), path.stat().st_size
        if first >= size:
            self.send_error(416)
            return None
        last = min(size - 1, int(start[2] or size))
        self.send_response(206)
        self.send_header("Content-Length", str(last + 1 - first))
        self.send_header("Content-Range", f"bytes {first}-{last}/{size}")
        self.end_headers()
        return io.BytesIO(path.read_bytes()[first : last + 1])

    def copyfile(self, source: Any, outputfile: Any) -> None:
        if "/targets/" not in self.path:
            super().copyfile(source, outputfile)
            return
        told = self.server_told
        with told.lock:
            told.at_once += 1
            told.most_at_once = max(told.most_at_once, told.at_once)
        time.sleep(told.file_s)
        data = source.read()
        with told.lock:
            told.at_once -= 1
            if told.most_bytes is not None and len(data) > told.most_bytes:
                data, self.close_connection = b"", True
            elif told.bytes_until_cut is not None and len(data) >= told.bytes_until_cut:
                data, self.close_connection = data[: told.bytes_until_cut], True
                told.bytes_until_cut = 0
            elif told.bytes_until_cut is not None:
                told.bytes_until_cut -= len(data)
            told.sent[self.path] += len(data)
        outputfile.write(data)

    def log_message(self, *_arguments: object) -> None:
        """Nothing is said."""


class _Server(http.server.ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False

    def handle_error(self, *_arguments: object) -> None:
        """A client that went away is what these tests are about."""


def server_context(folder: Path) -> ssl.SSLContext:
    """TLS for 127.0.0.1; the authority is then in `ca.pem` of the folder."""
    folder.mkdir(exist_ok=True)
    if not (folder / "ca.pem").exists():
        Authority(folder).broker()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "broker.pem", folder / "broker.key")
    return context


@contextmanager
def list_server(folder: Path, *, tls: ssl.SSLContext | None = None) -> Iterator[ListServer]:
    """Serves `folder` until the block ends."""
    told = ListServer(scheme="http" if tls is None else "https")
    handler = functools.partial(_Handler, told, directory=str(folder))
    with _Server(("127.0.0.1", 0), handler) as httpd:
        if tls is not None:
            httpd.socket = tls.wrap_socket(
                httpd.socket, server_side=True, do_handshake_on_connect=False
            )
        told.port = httpd.server_port
        serving = threading.Thread(target=httpd.serve_forever, kwargs={"poll_interval": 0.05})
        serving.start()
        try:
            yield told
        finally:
            httpd.shutdown()
            serving.join()
