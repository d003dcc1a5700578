"""What a first start fetches, from where, and what it says where that cannot be: a package index on
loopback.
"""

import base64
import hashlib
import http.server
import io
import json
import os
import shutil
import ssl
import subprocess
import sys
import threading
import tomllib
import zipfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from scripts.dev_broker.certificates import Authority
from scripts.fetch_uv import CannotFetch, Machine, Wheel, choose_wheel, fetch_program
from scripts.package_settings import (
    PackageSettings,
    UnreadableSettings,
    read_settings,
    without_password,
)
from tests.support.paths import ROOT

NAME = "uv-9.9.9-py3-none-manylinux_2_17_x86_64.manylinux2014_x86_64.whl"


def wheel_of(program: bytes) -> bytes:
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        archive.writestr("uv-9.9.9.data/scripts/uvx", b"another")
        archive.writestr("uv-9.9.9.data/scripts/uv", program)
    return content.getvalue()


CONTENT = wheel_of(b"#!/bin/sh\necho uv 9.9.9\n")


@dataclass
class Index:
    """What it has, by path: content and kind, or where to go instead; who asked for what, and with
    which password.
    """

    address: str = ""
    pages: dict[str, tuple[bytes, str]] = field(default_factory=dict)
    moved: dict[str, str] = field(default_factory=dict)
    asked: list[tuple[str, str | None]] = field(default_factory=list)
    breaks: int = 0
    """How many of the next answers end in their middle."""

    def page(
        self, *names: str, at: str = "/simple/uv/", href: str = "../../files/{}#sha256=1"
    ) -> None:
        anchors = "".join(f'<a href="{href.format(name)}" data-x>{name}</a><br/>' for name in names)
        self.pages[at] = (
            f"<!DOCTYPE html><html><body>{anchors}</body></html>".encode(),
            "text/html",
        )

    def file(self, content: bytes = CONTENT, *, name: str = NAME) -> None:
        self.pages[f"/files/{name}"] = (content, "application/octet-stream")


def answer(index: Index) -> type[http.server.BaseHTTPRequestHandler]:
    class Answer(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            index.asked.append((self.path, self.headers["Authorization"]))
            path = self.path.replace("http://mirror.example", "")  # asked as a proxy
            if path in index.moved:
                self.send_response(302)
                self.send_header("Location", index.moved[path])
                self.send_header("Content-Length", "0")
                self.end_headers()
                return
            content, kind = index.pages.get(path, (b"", ""))
            self.send_response(200 if kind else 404)
            self.send_header("Content-Type", kind or "text/plain")
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            if index.breaks:
                index.breaks -= 1
                content = content[: len(content) // 2]
                self.close_connection = True
            self.wfile.write(content)

        def log_message(self, *_: object) -> None:
            pass

    return Answer


def serve(
    index: Index, context: ssl.SSLContext | None = None, *, host: str = "127.0.0.1"
) -> Iterator[Index]:
    with http.server.ThreadingHTTPServer((host, 0), answer(index)) as server:
        if context:
            server.socket = context.wrap_socket(server.socket, server_side=True)
        index.address = f"http{'s' if context else ''}://{host}:{server.server_address[1]}"
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield index
        server.shutdown()
        thread.join()


@pytest.fixture(autouse=True)
def _no_settings_of_this_machine(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY", "NETRC"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))


@pytest.fixture
def index() -> Iterator[Index]:
    index = Index()
    index.page("uv-9.9.9.tar.gz", NAME)
    index.file()
    yield from serve(index)


@pytest.fixture
def other_index() -> Iterator[Index]:
    yield from serve(Index(), host="127.0.0.2")


def locked(index: Index, *, content: bytes = CONTENT) -> Wheel:
    return Wheel(
        NAME, f"{index.address}/files/{NAME}", hashlib.sha256(content).hexdigest(), len(content)
    )


def mirrored(content: bytes = CONTENT) -> Wheel:
    """A file whose locked address leads nowhere: it can come from a mirror only."""
    return Wheel(
        NAME, f"http://127.0.0.1:9/{NAME}", hashlib.sha256(content).hexdigest(), len(content)
    )


def fetch(wheel: Wheel, settings: PackageSettings, folder: Path) -> bytes:
    target = folder / "uv-9.9.9" / "bin" / "uv"
    fetch_program(wheel, settings, target, pause_s=0)
    assert os.access(target, os.X_OK)
    assert [file.name for file in target.parent.iterdir()] == ["uv"]
    return target.read_bytes()


PROGRAM = b"#!/bin/sh\necho uv 9.9.9\n"


# --- the wheel for this machine


def wheels() -> list[dict[str, Any]]:
    packages = tomllib.loads((ROOT / "uv.lock").read_text(encoding="utf-8"))["package"]
    return next(package["wheels"] for package in packages if package["name"] == "uv")


@pytest.mark.parametrize(
    ("machine", "platform"),
    [
        (Machine("linux", "x86_64", (2, 36)), "manylinux_2_17_x86_64.manylinux2014_x86_64"),
        (Machine("linux", "x86_64", ()), "musllinux_1_1_x86_64"),
        (Machine("linux", "x86_64", (2, 12)), None),  # a glibc older than any wheel wants
        (
            Machine("linux", "aarch64", (2, 36)),
            "manylinux_2_17_aarch64.manylinux2014_aarch64.musllinux_1_1_aarch64",
        ),
        (
            Machine("linux", "aarch64", ()),
            "manylinux_2_17_aarch64.manylinux2014_aarch64.musllinux_1_1_aarch64",
        ),
        (
            Machine("linux", "armv7l", (2, 41)),
            "manylinux_2_17_armv7l.manylinux2014_armv7l.musllinux_1_1_armv7l",
        ),
        (Machine("linux", "armv6l", (2, 36)), "linux_armv6l"),
        (Machine("linux", "mips", (2, 36)), None),
        (Machine("darwin", "arm64", ()), "macosx_11_0_arm64"),
        (Machine("win32", "x86_64", ()), None),
    ],
)
def test_the_lock_has_a_uv_for_each_machine_that_runs_us(
    machine: Machine, platform: str | None
) -> None:
    if platform is None:
        with pytest.raises(CannotFetch, match=r"no uv for this machine .* Next step: install uv"):
            choose_wheel(wheels(), machine)
    else:
        assert choose_wheel(wheels(), machine).name.endswith(f"-py3-none-{platform}.whl")


def test_the_lock_has_a_uv_for_this_machine() -> None:
    wheel = choose_wheel(wheels(), Machine.here())
    assert len(bytes.fromhex(wheel.sha256)) == 32
    assert wheel.size > 1_000_000


# --- fetching


def test_without_a_mirror_uv_comes_from_its_locked_address(index: Index, tmp_path: Path) -> None:
    assert fetch(locked(index), PackageSettings(), tmp_path) == PROGRAM
    assert index.asked == [(f"/files/{NAME}", None)]


def test_a_mirror_is_asked_for_the_file_by_its_name(index: Index, tmp_path: Path) -> None:
    assert fetch(mirrored(), PackageSettings(index=f"{index.address}/simple"), tmp_path) == PROGRAM
    assert [path for path, _ in index.asked] == ["/simple/uv/", f"/files/{NAME}"]


@pytest.mark.parametrize("address", ["files/{}", "/files/{}?token=1#sha256=2", "../files/{}"])
def test_a_mirror_that_speaks_json_is_understood(
    index: Index, tmp_path: Path, address: str
) -> None:
    page = {
        "files": [{"filename": "x", "url": "x"}, {"filename": NAME, "url": address.format(NAME)}]
    }
    index.pages["/uv/"] = (json.dumps(page).encode(), "application/vnd.pypi.simple.v1+json")
    index.pages[f"/uv/files/{NAME}"] = index.pages[f"/files/{NAME}?token=1"] = index.pages[
        f"/files/{NAME}"
    ]
    assert fetch(mirrored(), PackageSettings(index=index.address), tmp_path) == PROGRAM


def test_a_page_may_name_another_base_for_its_links(index: Index, tmp_path: Path) -> None:
    index.page(NAME, href="{}")
    page, kind = index.pages["/simple/uv/"]
    index.pages["/simple/uv/"] = (page.replace(b"<body>", b'<base href="/files/"><body>'), kind)
    assert fetch(mirrored(), PackageSettings(index=f"{index.address}/simple"), tmp_path) == PROGRAM


def test_an_index_may_be_a_folder(tmp_path: Path) -> None:
    (tmp_path / "simple" / "uv").mkdir(parents=True)
    (tmp_path / "simple" / "uv" / "index.html").write_text(
        f'<a href="{NAME}">{NAME}</a>', encoding="utf-8"
    )
    (tmp_path / "simple" / "uv" / NAME).write_bytes(CONTENT)
    for named in (
        str(tmp_path / "simple"),
        (tmp_path / "simple").as_uri(),
        f"ours={tmp_path / 'simple'}",
    ):
        assert fetch(mirrored(), PackageSettings(index=named), tmp_path / "got") == PROGRAM


def test_where_no_index_is_wanted_a_folder_or_a_page_of_links_will_do(
    index: Index, tmp_path: Path
) -> None:
    (tmp_path / "wheels").mkdir()
    (tmp_path / "wheels" / NAME).write_bytes(CONTENT)
    offline = PackageSettings(no_index=True, folders=(str(tmp_path / "wheels"),))
    assert fetch(mirrored(), offline, tmp_path / "first") == PROGRAM
    online = PackageSettings(no_index=True, folders=(f"{index.address}/simple/uv/",))
    assert fetch(mirrored(), online, tmp_path / "second") == PROGRAM


def test_what_the_first_index_does_not_have_the_second_may(
    index: Index, other_index: Index, tmp_path: Path
) -> None:
    settings = PackageSettings(index=other_index.address, more_indexes=(f"{index.address}/simple",))
    assert fetch(mirrored(), settings, tmp_path) == PROGRAM


def test_what_no_index_has_is_said_with_the_next_step(index: Index, tmp_path: Path) -> None:
    index.page("uv-9.9.8-py3-none-manylinux_2_17_x86_64.manylinux2014_x86_64.whl")
    with pytest.raises(
        CannotFetch, match=rf"/simple: no {NAME} there\. Next step: have it mirrored"
    ):
        fetch(mirrored(), PackageSettings(index=f"{index.address}/simple"), tmp_path)


@pytest.mark.parametrize(
    "content", [b"", wheel_of(b"something else"), CONTENT + b"x", CONTENT[:-1]]
)
def test_another_file_than_the_locked_one_is_never_kept(
    index: Index, tmp_path: Path, content: bytes
) -> None:
    index.file(content)
    with pytest.raises(
        CannotFetch, match=r"is not the file that uv.lock names: .* Next step: start again"
    ):
        fetch(locked(index), PackageSettings(), tmp_path)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("breaks", [1, 2])
def test_a_connection_that_breaks_is_tried_again(index: Index, tmp_path: Path, breaks: int) -> None:
    index.breaks = breaks
    assert fetch(locked(index), PackageSettings(), tmp_path) == PROGRAM
    assert len(index.asked) == breaks + 1


def test_a_connection_that_breaks_each_time_is_said_with_the_next_step(
    index: Index, tmp_path: Path
) -> None:
    index.breaks = 3
    with pytest.raises(
        CannotFetch, match=r"cannot be reached: .* Next step: mend the network or the proxy"
    ):
        fetch(locked(index), PackageSettings(), tmp_path)
    assert len(index.asked) == 3


def test_what_is_no_page_of_an_index_is_said_with_the_next_step(
    index: Index, tmp_path: Path
) -> None:
    index.pages["/simple/uv/"] = (b'{"files":[', "application/json")
    with pytest.raises(
        CannotFetch, match=r"not a page of a package index .* Next step: see whether"
    ):
        fetch(mirrored(), PackageSettings(index=f"{index.address}/simple"), tmp_path)


def test_what_nobody_serves_is_said_with_the_next_step(tmp_path: Path) -> None:
    with pytest.raises(
        CannotFetch,
        match=r"cannot be reached: .*refused.* Next step: mend the network or the proxy",
    ):
        fetch(mirrored(), PackageSettings(), tmp_path)


def test_a_server_that_refuses_is_not_asked_again(index: Index, tmp_path: Path) -> None:
    index.pages.clear()
    with pytest.raises(CannotFetch, match=r"answers 404 Not Found\. Next step: "):
        fetch(locked(index), PackageSettings(), tmp_path)
    assert len(index.asked) == 1


# --- names, passwords, certificates, proxies


def basic(login: str, password: str) -> str:
    return f"Basic {base64.b64encode(f'{login}:{password}'.encode()).decode()}"


def test_the_password_in_an_address_is_for_that_host_alone(
    index: Index, other_index: Index, tmp_path: Path
) -> None:
    index.moved[f"/files/{NAME}"] = f"{other_index.address}/files/{NAME}"
    other_index.file()
    address = index.address.replace("//", "//anna:p%40ss@")
    assert fetch(mirrored(), PackageSettings(index=f"{address}/simple"), tmp_path) == PROGRAM
    assert {password for _, password in index.asked} == {basic("anna", "p@ss")}
    assert other_index.asked == [(f"/files/{NAME}", None)]


def test_no_message_shows_a_password(index: Index, tmp_path: Path) -> None:
    address = index.address.replace("//", "//anna:secret@")
    for path in ("/nothing", "/simple"):
        index.page()
        with pytest.raises(CannotFetch) as told:
            fetch(mirrored(), PackageSettings(index=f"{address}{path}"), tmp_path)
        assert "secret" not in str(told.value)
    assert without_password("https://a:b@c.example/d@e") == "https://c.example/d@e"
    assert without_password("/a/folder") == "/a/folder"


def test_netrc_is_asked_for_a_password(index: Index, tmp_path: Path) -> None:
    (tmp_path / ".netrc").write_text(
        "machine 127.0.0.1 login berit password pw\n", encoding="utf-8"
    )
    (tmp_path / ".netrc").chmod(0o600)
    fetch(locked(index), PackageSettings(), tmp_path)
    assert index.asked == [(f"/files/{NAME}", basic("berit", "pw"))]
    (tmp_path / ".netrc").write_text("machine\n", encoding="utf-8")
    with pytest.raises(CannotFetch, match=r"\.netrc: .* Next step: mend this file"):
        fetch(locked(index), PackageSettings(), tmp_path)


def test_a_proxy_of_pips_is_gone_through(index: Index, tmp_path: Path) -> None:
    settings = PackageSettings(index="http://mirror.example/simple", proxy=index.address)
    assert fetch(mirrored(), settings, tmp_path) == PROGRAM
    assert [path for path, _ in index.asked] == [
        "http://mirror.example/simple/uv/", f"http://mirror.example/files/{NAME}",
    ]  # fmt: skip


@pytest.fixture
def certificates(tmp_path: Path) -> Path:
    folder = tmp_path / "certificates"
    folder.mkdir()
    Authority(folder).broker()
    return folder


@pytest.fixture
def index_with_tls(certificates: Path) -> Iterator[Index]:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificates / "broker.pem", certificates / "broker.key")
    index = Index()
    index.file()
    yield from serve(index, context)


def test_a_certificate_that_nobody_knows_is_not_trusted(
    index_with_tls: Index, tmp_path: Path
) -> None:
    with pytest.raises(
        CannotFetch, match=r"cannot be trusted: .* Next step: .*ca-certificates.*SSL_CERT_FILE"
    ):
        fetch(locked(index_with_tls), PackageSettings(), tmp_path)
    assert index_with_tls.asked == []


def test_a_company_may_have_its_own_authority(
    index_with_tls: Index, certificates: Path, tmp_path: Path
) -> None:
    settings = PackageSettings(certificates=str(certificates / "ca.pem"))
    assert fetch(locked(index_with_tls), settings, tmp_path / "got") == PROGRAM


def test_a_host_that_pip_trusts_needs_no_certificate(index_with_tls: Index, tmp_path: Path) -> None:
    assert (
        fetch(
            locked(index_with_tls), PackageSettings(trusted_hosts=("127.0.0.1",)), tmp_path / "got"
        )
        == PROGRAM
    )
    with pytest.raises(CannotFetch, match="cannot be trusted"):
        fetch(locked(index_with_tls), PackageSettings(trusted_hosts=("127.0.0.2",)), tmp_path)


def test_a_file_without_certificates_is_named(index: Index, tmp_path: Path) -> None:
    for name in ("nothing.pem", NAME):
        (tmp_path / NAME).write_bytes(CONTENT)
        with pytest.raises(
            CannotFetch, match=rf"{name}: .*not a file of certificates\. Next step: set"
        ):
            fetch(locked(index), PackageSettings(certificates=str(tmp_path / name)), tmp_path)


# --- the user's settings


@dataclass
class Home:
    """A machine with a user, and the files that pip and uv would read."""

    folder: Path
    environment: dict[str, str] = field(default_factory=dict)

    def write(self, path: str, text: str) -> Path:
        file = self.folder / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8")
        return file

    def settings(self, **variables: str) -> PackageSettings:
        environment: Mapping[str, str] = {
            "HOME": str(self.folder / "home"),
            **self.environment,
            **variables,
        }
        return read_settings(environment, self.folder / "etc")


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home(tmp_path / "machine")


def pip_conf(index: str, section: str = "global") -> str:
    return f"[{section}]\nindex-url = {index}\n"


def test_without_settings_there_is_no_mirror(home: Home) -> None:
    assert home.settings() == PackageSettings()
    assert not home.settings().name_a_mirror
    assert home.settings().for_uv({}) == {}


def test_the_user_has_the_last_word_of_pips_files_and_a_variable_of_all(home: Home) -> None:
    """In the order in which each outdoes those before it."""
    home.write("etc/xdg/pip/pip.conf", pip_conf("xdg"))
    assert home.settings().index == "xdg"
    home.write("etc/pip.conf", pip_conf("etc"))
    assert home.settings().index == "etc"
    home.write("home/.pip/pip.conf", pip_conf("old"))
    assert home.settings().index == "old"
    home.write("home/.config/pip/pip.conf", pip_conf("user"))
    assert home.settings().index == "user"
    elsewhere = home.write("elsewhere/pip/pip.conf", pip_conf("elsewhere"))
    assert home.settings(XDG_CONFIG_HOME=str(elsewhere.parent.parent)).index == "elsewhere"
    named = home.write("named.conf", pip_conf("named"))
    assert home.settings(PIP_CONFIG_FILE=str(named)).index == "named"
    home.write("etc/pip.conf", pip_conf("install", "install"))
    assert home.settings(PIP_CONFIG_FILE=str(named)).index == "install"
    assert home.settings(PIP_CONFIG_FILE=os.devnull).index is None
    home.write("home/.config/uv/uv.toml", '[[index]]\nurl = "toml"\ndefault = true\n')
    assert home.settings().index == "toml"
    assert home.settings(PIP_INDEX_URL="pip").index == "pip"
    assert home.settings(PIP_INDEX_URL="pip", UV_INDEX_URL="old uv").index == "old uv"
    assert (
        home.settings(PIP_INDEX_URL="pip", UV_INDEX_URL="old uv", UV_DEFAULT_INDEX="uv").index
        == "uv"
    )


@pytest.mark.parametrize(
    "text", ['index-url = "a"', '[pip]\nindex-url = "a"', '[[index]]\nurl = "a"\ndefault = true']
)
def test_uv_toml_may_name_an_index_in_three_ways(home: Home, text: str) -> None:
    home.write("etc/uv/uv.toml", text)
    assert home.settings().index == "a"


def test_a_second_index_beside_the_usual_one_is_not_a_mirror(home: Home) -> None:
    home.write("etc/pip.conf", "[global]\nextra-index-url = a\n  b\nfind-links = /c\n")
    assert not home.settings().name_a_mirror
    home.write(
        "etc/pip.conf", "[global]\nextra_index_url = a\n  b\nfind-links = /c\nindex-url = d\n"
    )
    assert home.settings().name_a_mirror
    assert home.settings().places == ("/c", "d", "a", "b")


def test_uv_is_told_what_pips_settings_say(home: Home) -> None:
    home.write(
        "etc/pip.conf",
        "[global]\nindex-url = https://u:p@mirror.example/simple\n"
        "extra-index-url = https://b.example/simple\n"
        "trusted-host = mirror.example\ncert = /etc/ours.pem\nproxy = http://proxy.example:3128\n"
        "find-links = /wheels\n",
    )
    assert home.settings().for_uv({}) == {
        "UV_DEFAULT_INDEX": "https://u:p@mirror.example/simple",
        "UV_INDEX": "https://b.example/simple",
        "UV_INDEX_STRATEGY": "unsafe-best-match",
        "UV_FIND_LINKS": "/wheels",
        "UV_INSECURE_HOST": "mirror.example",
        "SSL_CERT_FILE": "/etc/ours.pem",
        "HTTPS_PROXY": "http://proxy.example:3128",
        "HTTP_PROXY": "http://proxy.example:3128",
    }
    mine = {
        "SSL_CERT_FILE": "/mine.pem",
        "HTTPS_PROXY": "http://mine.example",
        "UV_INDEX": "https://mine.example",
    }
    assert not home.settings(**mine).for_uv(mine).keys() & mine.keys()


def test_settings_that_cannot_be_read_are_an_error_with_their_file(home: Home) -> None:
    home.write("etc/pip.conf", "no section\n")
    with pytest.raises(UnreadableSettings, match=r"etc/pip\.conf: .* Next step: mend this file"):
        home.settings()
    home.write("etc/pip.conf", "")
    home.write("home/.config/uv/uv.toml", "index-url = ")
    with pytest.raises(UnreadableSettings, match=r"uv\.toml: .* Next step: mend this file"):
        home.settings()


# --- the whole set-up

UV = """#!/bin/sh
if [ "$1" = --version ]; then echo "uv 9.9.9 (a test)"; exit; fi
shift 2 # --project FOLDER
printf '%s|%s\\n' "$*" "$UV_DEFAULT_INDEX" >>"$(dirname "$VIRTUAL_ENV")/uv.log"
mkdir -p "$VIRTUAL_ENV/bin" && ln -sf "$UV_PYTHON" "$VIRTUAL_ENV/bin/python"
"""


@dataclass
class Checkout:
    """A copy of what sets itself up, and of a lock that names a uv of ours, which only notes what
    it is asked.
    """

    folder: Path
    index: Index

    def lock(self, content: bytes) -> None:
        processor = Machine.here().processor
        name = f"uv-9.9.9-py3-none-manylinux_2_5_{processor}.musllinux_1_1_{processor}.whl"
        self.index.file(content, name=name)
        self.index.page(name)
        (self.folder / "uv.lock").write_text(
            f'[[package]]\nname = "uv"\nversion = "9.9.9"\nwheels = [{{ url = '
            f'"{self.index.address}/files/{name}",'
            f' hash = "sha256:{hashlib.sha256(content).hexdigest()}", size = {len(content)} }}]\n',
            encoding="utf-8",
        )

    def set_up(self, **variables: str) -> "subprocess.CompletedProcess[str]":
        environment = {
            "PATH": "/usr/bin:/bin",
            "HOME": str(self.folder / "home"),
            "PIP_CONFIG_FILE": os.devnull,
        }
        return subprocess.run(
            [sys.executable, "-IS", self.folder / "scripts" / "setup.py", "demo"],
            env=environment | variables, capture_output=True, text=True, check=False,
        )  # fmt: skip

    def asked_of_uv(self) -> list[str]:
        return (self.folder / "uv.log").read_text(encoding="utf-8").splitlines()


@pytest.fixture
def checkout(tmp_path: Path, index: Index) -> Checkout:
    checkout = Checkout(tmp_path / "checkout", index)
    (checkout.folder / "scripts").mkdir(parents=True)
    for name in (
        "scripts/setup.py",
        "scripts/fetch_uv.py",
        "scripts/package_settings.py",
        "pyproject.toml",
    ):
        shutil.copy(ROOT / name, checkout.folder / name)
    checkout.lock(wheel_of(UV.encode()))
    return checkout


def test_a_first_start_fetches_uv_and_lets_it_install_what_is_locked(checkout: Checkout) -> None:
    done = checkout.set_up()
    assert done.returncode == 0, done.stderr
    assert [line.partition(" --no-default")[0] for line in checkout.asked_of_uv()] == [
        "sync --frozen"
    ]
    again = checkout.set_up()
    assert (again.returncode, again.stderr) == (0, "")
    assert len(checkout.asked_of_uv()) == 1


def test_a_first_start_behind_a_mirror_takes_everything_from_there(checkout: Checkout) -> None:
    mirror = f"{checkout.index.address}/simple"
    conf = checkout.folder / "pip.conf"
    conf.write_text(f"[global]\nindex-url = {mirror}\n", encoding="utf-8")
    done = checkout.set_up(PIP_CONFIG_FILE=str(conf))
    assert done.returncode == 0, done.stderr
    assert f"installing the locked packages from {mirror}" in done.stderr
    asked = checkout.asked_of_uv()
    assert [line.split(" ", 1)[0] for line in asked] == ["venv", "export", "pip", "pip"]
    assert {line.rpartition("|")[2] for line in asked} == {mirror}
    assert "--require-hashes" in asked[2]


def test_a_first_start_that_cannot_fetch_uv_says_what_to_do_and_ends_with_69(
    checkout: Checkout,
) -> None:
    done = checkout.set_up(PIP_INDEX_URL="http://127.0.0.1:9/simple")
    assert done.returncode == 69
    assert done.stderr.splitlines()[-1].startswith(
        "presence: http://127.0.0.1:9/simple/uv/ cannot be reached: "
    )
    assert not (checkout.folder / ".venv").exists()


def test_a_uv_that_does_not_run_here_is_not_used(checkout: Checkout) -> None:
    checkout.lock(wheel_of(b"#!/bin/false\n"))
    done = checkout.set_up()
    assert done.returncode == 69
    assert "does not run here. Next step: install uv" in done.stderr
