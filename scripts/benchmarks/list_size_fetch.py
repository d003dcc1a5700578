"""A first list over a bad line: how many files, how long until it is in force, and how much comes
twice.

    gateway ─► relay (150 ms there and back; or 3 kB/s, cut every few seconds) ─► HTTPS server

The relay stands on this machine; a new connection costs one way there and back more, as TCP's
handshake would. PRESENCE_BENCH_SIZES says how many customers (10000). On the slow line there are
300, and a look lasts until the line is cut.
"""

import asyncio
import functools
import http.server
import os
import re
import ssl
import tempfile
import threading
import time
from collections.abc import Generator, Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from presence.consent_service.import_lines import rows_of_csv
from presence.consent_service.importing import import_rows
from presence.consent_service.service import ConsentService
from presence.core.consent.model import Purpose
from presence.edges.consent_list.repository import TufRepository
from presence.edges.consent_list.segment_files import WindowKeyFiles
from presence.edges.consent_list.signed import SignedList
from presence.edges.consent_list.store import ListStore
from presence.errors import ConsentListError
from presence.ports import VerifiedList
from scripts.benchmarks.figure import Figure
from scripts.benchmarks.list_size_publisher import write_exports
from scripts.dev_broker.certificates import Authority

LIST: Final = "acme/fi"
SIZES: Final = "10000"
ROUND_TRIP_S: Final = 0.15
SLOW_BYTES_S: Final = 3000
SLOW_CUSTOMERS: Final = 300
CUT_EVERY_S: Final = 4.0
GOAL_FILES: Final = 20.0
GOAL_READY_S: Final = 10.0
GOAL_TWICE: Final = 0.0


def figures() -> Iterator[Figure]:
    for size in map(int, os.environ.get("PRESENCE_BENCH_SIZES", SIZES).split()):
        with tempfile.TemporaryDirectory() as folder, _site(Path(folder), size) as site:
            began_s = time.perf_counter()
            with closing(site.gateway()) as gateway:
                gateway.read()
            ready_s = round(time.perf_counter() - began_s, 2)
            files = sum("/targets/" in path for path in site.asked)
            note = f"{ROUND_TRIP_S * 1000:.0f} ms there and back; {len(site.asked)} requests"
            yield Figure(f"list_size.fetch.files.{size}", files, "files", GOAL_FILES)
            yield Figure(f"list_size.fetch.ready.{size}", ready_s, "s", GOAL_READY_S, note=note)
    with tempfile.TemporaryDirectory() as folder, _site(Path(folder), SLOW_CUSTOMERS) as site:
        yield from _slow(site)


def _slow(site: "_Site") -> Iterator[Figure]:
    site.round_trip_s, site.bytes_s, site.cut_every_s = 0.0, SLOW_BYTES_S, CUT_EVERY_S
    began_s, looks = time.perf_counter(), 0
    verified: VerifiedList | None = None
    while verified is None:
        looks += 1
        with closing(site.gateway()) as gateway, suppress(ConsentListError):
            verified = gateway.read()
    took_s = round(time.perf_counter() - began_s, 1)
    once = sum(file.stat().st_size for file in (site.folder / "repository/targets").rglob("*.seg"))
    note = f"{once / 1000:.0f} kB of files; {looks} looks, each cut after {CUT_EVERY_S:g} s"
    yield Figure("list_size.fetch.slow", took_s, "s", note=note)
    yield Figure(
        "list_size.fetch.slow_twice",
        round(site.received / once - 1, 3),
        "of the files",
        GOAL_TWICE,
        note=f"{SLOW_BYTES_S} B/s",
    )


@dataclass
class _Site:
    """A repository, its server, and the line to it."""

    folder: Path
    port: int = 0
    round_trip_s: float = ROUND_TRIP_S
    bytes_s: float = 0.0
    cut_every_s: float = 0.0
    asked: list[str] = field(default_factory=list)
    received: int = 0
    """Bytes of segments that the gateway has read."""

    def gateway(self) -> SignedList:
        tuf = TufRepository(
            f"https://127.0.0.1:{self.port}",
            root_file=self.folder / "repository/metadata/1.root.json",
            metadata_dir=self.folder / "state/tuf",
            ca_file=self.folder / "tls/ca.pem",
        )
        pieces = tuf._fetcher.pieces

        def counted(
            url: str, start: int, length: int, *, broke_off: bool = False
        ) -> Generator[tuple[int, bytes], None, None]:
            for place, piece in pieces(url, start, length, broke_off=broke_off):
                self.received += len(piece) if url.endswith(".seg") else 0
                yield place, piece

        tuf._fetcher.pieces = counted  # type: ignore[method-assign]
        store, keys = ListStore(self.folder / "state"), WindowKeyFiles(self.folder / "run")
        return SignedList(tuf, store, keys, name=LIST, max_span_s=396 * 86_400)


class _Handler(http.server.SimpleHTTPRequestHandler):
    """With ranges, as a web server has them."""

    protocol_version = "HTTP/1.1"
    site: _Site

    def do_GET(self) -> None:
        self.site.asked.append(self.path)
        path = Path(self.translate_path(self.path))
        if not path.is_file():
            self.send_error(404)
            return
        data = path.read_bytes()
        asked = re.fullmatch(r"bytes=(\d+)-(\d*)", self.headers.get("Range", ""))
        first = int(asked[1]) if asked else 0
        body = data[first : int(asked[2] or len(data)) + 1 if asked else None]
        self.send_response(206 if asked else 200)
        self.send_header("Content-Length", str(len(body)))
        if asked:
            said = f"bytes {first}-{first + len(body) - 1}/{len(data)}"
            self.send_header("Content-Range", said)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_arguments: object) -> None:
        """Nothing is said."""


class _Server(http.server.ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False

    def handle_error(self, *_arguments: object) -> None:
        """A line that was cut."""


@contextmanager
def _site(folder: Path, size: int) -> Iterator[_Site]:
    site = _Site(folder)
    write_exports(folder, size, size // 20)
    with closing(
        ConsentService.create(
            folder / "list", folder / "repository", list_name=LIST, notice="n", clock=time.time
        )
    ) as service:
        for export in ("export.csv", "later.csv", "last.csv"):
            with (folder / export).open(encoding="utf-8", newline="") as text:
                audiences = {"offers-main": Purpose.PRESENCE}
                import_rows(
                    service, rows_of_csv(text), audiences=audiences, told=lambda _revocation: None
                )
            service.publish()
    (folder / "tls").mkdir()
    Authority(folder / "tls").broker()
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(folder / "tls/broker.pem", folder / "tls/broker.key")

    _Handler.site = site
    handler = functools.partial(_Handler, directory=str(folder / "repository"))
    with _Server(("127.0.0.1", 0), handler) as httpd:
        httpd.socket = tls.wrap_socket(
            httpd.socket, server_side=True, do_handshake_on_connect=False
        )
        threading.Thread(target=httpd.serve_forever, daemon=True).start()
        with _Relay(site, httpd.server_port):
            yield site
        httpd.shutdown()


class _Relay:
    """Carries each connection, in a thread of its own."""

    def __init__(self, site: _Site, to_port: int) -> None:
        self._site = site
        self._to_port = to_port
        self._loop = asyncio.new_event_loop()
        self._loop.set_exception_handler(lambda *_: None)  # lines are cut here
        self._ready = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> None:
        self._thread.start()
        self._ready.wait()

    def __exit__(self, *_exception: object) -> None:
        self._loop.call_soon_threadsafe(self._end)
        self._thread.join()

    def _end(self) -> None:
        for task in asyncio.all_tasks(self._loop):
            task.cancel()
        self._loop.call_later(0.1, self._loop.stop)

    def _run(self) -> None:
        self._loop.run_until_complete(self._start())
        self._ready.set()
        self._loop.run_forever()

    async def _start(self) -> None:
        server = await asyncio.start_server(self._serve, "127.0.0.1", 0, limit=1 << 22)
        self._site.port = server.sockets[0].getsockname()[1]

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await asyncio.sleep(self._site.round_trip_s)
        onward_reader, onward = await asyncio.open_connection("127.0.0.1", self._to_port)
        if self._site.cut_every_s:
            for each in (writer, onward):
                self._loop.call_later(self._site.cut_every_s, each.transport.abort)
        with suppress(OSError):
            await asyncio.gather(
                self._carry(reader, onward, down=False),
                self._carry(onward_reader, writer, down=True),
            )

    async def _carry(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, down: bool
    ) -> None:
        """What comes goes on after half a round trip; downwards no faster than the line."""
        due: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue()
        delivering = self._loop.create_task(self._deliver(due, writer))
        slow = self._site.bytes_s if down else 0.0
        with suppress(OSError):
            while data := await reader.read(512 if slow else 65_536):
                if slow:
                    await asyncio.sleep(len(data) / slow)
                due.put_nowait((self._loop.time() + self._site.round_trip_s / 2, data))
        due.put_nowait((self._loop.time(), b""))
        await delivering

    async def _deliver(
        self, due: "asyncio.Queue[tuple[float, bytes]]", writer: asyncio.StreamWriter
    ) -> None:
        while True:
            at_s, data = await due.get()
            await asyncio.sleep(max(0.0, at_s - self._loop.time()))
            if not data:
                writer.close()
                return
            writer.write(data)
            await writer.drain()
