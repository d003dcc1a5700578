"""A consent service's web server: a folder over HTTP or HTTPS on this machine, with a clock that a
test may set.
"""

import functools
import http.server
import ssl
import threading
import time
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

    def copyfile(self, source: Any, outputfile: Any) -> None:
        if "/targets/" in self.path:
            time.sleep(self.server_told.file_s)
        super().copyfile(source, outputfile)

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
