"""What stands around the gateway in a shop as shipped: consent service, web server, offer
engine.
"""

import ctypes
import http.server
import json
import re
import ssl
import struct
import subprocess
import threading
import time
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import paho.mqtt.client as paho
from gateway import Customer, Engine, always_open, sh

DOCS = Path("/src/checkout/docs/install.md")
CHAIN = Path("/srv/chain")
"""The chain's own machine: authority, register, keys."""
CONSENTS = f"env PYTHONPATH={CHAIN}/program /opt/presence/bin/python -m presence consents"
"""Both wheels, unpacked there; only the libraries are those of the gateway, to spare the emulator
an installation.
"""
LIST, PORT, HTTPS = "acme/fi-0042", 8883, 8443
SERVER = "consent.acme.example"
TEST_PHONE = "test-phone"
CLIENT = (
    f"--mqtt localhost:{PORT} --mqtt-ca {CHAIN}/ca.pem --mqtt-certificate "
    f"{CHAIN}/consent-service.pem"
)
CLIENT += f" --mqtt-key {CHAIN}/consent-service.key"
ADJ_MAXERROR, ADJ_ESTERROR, ADJ_STATUS = 0x04, 0x08, 0x10
"""adjtimex(2)"""


def documented(words: str, folder: Path) -> None:
    """Run the shell block of docs/install.md that has these words in it, from `folder`, as root."""
    blocks = re.findall(r"^```sh\n(.*?)^```", DOCS.read_text(), re.DOTALL | re.MULTILINE)
    (block,) = [each for each in blocks if words in each]
    # In the documentation one stands in a checkout and has the files beside.
    sh(f"cd {folder} && ln -sfn /src/checkout/config config && set -e\n{block}")


def disciplined_clock() -> None:
    """Stands for chrony or timesyncd, which a machine without a network has nothing for: the kernel
    is told what they tell it, that its clock is disciplined.
    """
    timex = bytearray(256)
    struct.pack_into("<I", timex, 0, ADJ_STATUS | ADJ_MAXERROR | ADJ_ESTERROR)
    if ctypes.CDLL(None).adjtimex(ctypes.create_string_buffer(bytes(timex), 256)) < 0:
        raise OSError("adjtimex")


def settings(example: str) -> str:
    """The example with what docs/install.md tells to set: hours, notice, list, broker; and the
    audience `test`.
    """
    text = always_open(example)
    blocks = re.findall(r"^```yaml\n(.*?)^```", DOCS.read_text(), re.DOTALL | re.MULTILINE)
    for section in ("consent", "mqtt"):
        (block,) = [each for each in blocks if each.startswith(f"{section}:\n")]
        text = _with(text, section, block)
    return text.replace(
        "  - name: pick-up\n", "  - name: test\n    purpose: service\n\n  - name: pick-up\n"
    )


def _with(text: str, section: str, block: str) -> str:
    """The keys of the documented block put to the front of the section, in place of those that were
    there.
    """
    head, _, rest = text.partition(f"\n{section}:\n")
    body, dashes, after = rest.partition("\n# ------")
    lines = block.splitlines()[1:]
    given = {line.split(":")[0] for line in lines if re.match(r"  \w", line)}
    kept = [line for line in body.splitlines() if line.split(":")[0] not in given]
    return "\n".join((head, f"{section}:", *lines, *kept)) + "\n" + dashes + after


class ConsentService:
    """`presence consents` on the chain's machine, and the web server that hands out what it
    publishes.
    """

    def __init__(self) -> None:
        self._directory = CHAIN / "acme"
        self._loop: subprocess.Popen[bytes] | None = None
        self.stalls = threading.Event()
        """While it is set, the web server keeps whoever asks waiting."""

    def begin(self, customers: dict[str, Customer]) -> None:
        sh("echo 127.0.0.1 consent.acme.example >>/etc/hosts")
        for wheel in ("/src/wheels/presence-*.whl", "/src/chain/presence_consents-*.whl"):
            sh(f"python3 -m zipfile -e {wheel} {CHAIN}/program")
        self._consents(
            f"init --list {LIST} --notice fi-2026-03 --audience offers-main=offers --audience "
            "test=service"
        )
        today = datetime.now(UTC).date()
        given, expiry = today - timedelta(days=1), today + timedelta(days=90)
        lines = ["subject,purpose,value,timestamp,notice,expiry,identity_key,flags"]
        for name, customer in customers.items():
            wish, flag = (
                (("service",), "test") if name == TEST_PHONE else (("offers", "ap2:1551"), "")
            )
            for purpose in ("presence", *wish):
                key = customer.identity_key.hex() if purpose == "presence" else ""
                lines.append(f"{name},{purpose},given,{given},fi-2026-03,{expiry},{key},{flag}")
        (CHAIN / "export.csv").write_text("\n".join(lines) + "\n")
        self._consents(f"import {CHAIN}/export.csv")
        sh(f"cp {self._directory}/repository/metadata/1.root.json {CHAIN}/")
        self._certify()
        self.serve()

    def publish(self, options: str = "") -> str:
        """Once, by hand."""
        return self._consents(f"publish --suppression-checked now {options}")

    def go_on_publishing(self, every_s: int = 60) -> None:
        """Until `end`, with heads and notices over the broker."""
        command = f"{CONSENTS} publish --directory {self._directory} --loop --every {every_s}"
        with (CHAIN / "publish.log").open("ab") as log:
            self._loop = subprocess.Popen(f"{command} {CLIENT}".split(), stdout=log, stderr=log)

    def applying(self) -> subprocess.Popen[str]:
        """Takes actions as lines of JSON, and answers each."""
        command = f"{CONSENTS} apply --directory {self._directory} -"
        return subprocess.Popen(
            command.split(), stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1
        )

    def withdraw(self, name: str) -> None:
        self._consents(f"withdraw {name} {CLIENT}")

    def customers(self) -> Path:
        """For the offer engine."""
        path = CHAIN / "customers.jsonl"
        path.write_text(self._consents("customers offers-main") + "\n")
        return path

    def end(self) -> None:
        if self._loop is not None:
            self._loop.terminate()
            self._loop.wait()
            self._loop = None

    def _consents(self, action: str) -> str:
        verb, _, rest = action.partition(" ")
        return sh(f"{CONSENTS} {verb} --directory {self._directory} {rest}")

    @staticmethod
    def _certify() -> None:
        certificate = "extendedKeyUsage=serverAuth -addext subjectAltName=DNS:" + SERVER
        sh(
            f"cd {CHAIN} && openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes "
            "-days 397 "
            f"-subj /CN={SERVER} -CA ca.pem -CAkey ca.key -addext "
            "basicConstraints=critical,CA:FALSE "
            f"-addext {certificate} -keyout server.key -out server.pem 2>/dev/null"
        )

    def serve(self) -> None:
        """A web server with a certificate of the chain's authority: any would do that serves a
        folder.
        """
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(CHAIN / "server.pem", CHAIN / "server.key")
        handler = partial(Handler, self.stalls, directory=str(self._directory / "repository"))
        server = http.server.ThreadingHTTPServer(("127.0.0.1", HTTPS), handler)
        server.socket = context.wrap_socket(server.socket, server_side=True)
        threading.Thread(target=server.serve_forever, daemon=True).start()


class Handler(http.server.SimpleHTTPRequestHandler):
    """A folder over HTTP; what is a target of TUF, a key or a segment, is a file like any other."""

    protocol_version = "HTTP/1.1"

    def __init__(self, stalls: threading.Event, *arguments: Any, **more: Any) -> None:
        self._stalls = stalls
        super().__init__(*arguments, **more)

    def do_GET(self) -> None:
        while self._stalls.is_set():
            time.sleep(0.2)
        super().do_GET()

    def log_message(self, *_: Any) -> None:
        return


class OfferEngine:
    """scripts/offer_engine.py as it is, with its own certificate."""

    def __init__(self) -> None:
        self.offers: list[dict[str, Any]] = []
        self._process: subprocess.Popen[str] | None = None

    def start(self, customers: Path) -> None:
        command = (
            "/opt/presence/bin/python -B /src/checkout/scripts/offer_engine.py --host localhost "
            f"--port {PORT} "
            f"--tls-ca {CHAIN}/ca.pem --tls-cert {CHAIN}/engine-offers-main.pem --tls-key "
            f"{CHAIN}/engine-offers-main.key --chain acme --store fi-0042 --audience offers-main "
            "--json "
            f"--customers {customers}"
        )
        log = (CHAIN / "engine.log").open("wb")
        self._process = subprocess.Popen(
            command.split(), stdout=subprocess.PIPE, stderr=log, text=True
        )
        threading.Thread(target=self._read, daemon=True).start()
        began = time.monotonic()
        while b"listening" not in (CHAIN / "engine.log").read_bytes():
            if time.monotonic() - began > 60:
                raise AssertionError("the offer engine does not listen")
            time.sleep(0.2)

    def _read(self) -> None:
        assert self._process is not None
        assert self._process.stdout is not None
        for line in self._process.stdout:
            self.offers.append(json.loads(line))

    def end(self) -> None:
        if self._process is not None:
            self._process.terminate()


class Watcher(Engine):
    """A second engine of the same audience, which only looks."""

    host, port = "localhost", PORT

    def prepare(self, client: paho.Client) -> None:
        client.tls_set(
            f"{CHAIN}/ca.pem", f"{CHAIN}/engine-offers-main.pem", f"{CHAIN}/engine-offers-main.key"
        )

    def told(self) -> list[str]:
        return [event["type"] for _, event in self.events]
