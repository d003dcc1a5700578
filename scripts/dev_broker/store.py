"""The files of a store: the broker's, as config/mosquitto shows them, and those of a gateway and an
engine beside it.

One customer, Dana, agreed to cars and garden; her phone's key stands in `dana.identity-key`, where
a real one never would. The window keys of the list last until the day after tomorrow at most: lay
the store out anew then.
"""

import getpass
import json
import os
import secrets
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

from presence.core.encoding import encode_base64url
from presence.core.recognition.identifiers import WINDOW_S, window_at
from presence.simulation.identity_keys import window_key
from scripts.dev_broker.certificates import Authority

EXAMPLES: Final = Path(__file__).resolve().parents[2] / "config" / "mosquitto"
INSTALLED: Final = "/etc/mosquitto/presence"
CHAIN, STORE, GATEWAY, AUDIENCE = "acme", "fi-0042", "gw-1", "offers-main"
ENGINE: Final = f"engine-{AUDIENCE}"
SATELLITE: Final = "sat-pavement"
COUNTER: Final = "counter-main"
CLIENTS: Final = (
    *(GATEWAY, SATELLITE, COUNTER, ENGINE, f"sender-{AUDIENCE}"),
    *("consent-service", "monitor", "admin"),
)
DAY_S: Final = 86_400

PRESENCE: Final = """\
store: {{chain: {chain}, store: {store}, gateway: {gateway}, key_file: store.key}}
notice:
  {{id: dev-1, controller: Acme Oy, dpo_contact: privacy@acme.example, review_by: {review_by}}}
consent: {{directory: ., list: {chain}/{store}}}
audiences: [{{name: {audience}, purpose: offers, campaigns: ["ap2:1551", "ap2:1285"]}}]
mqtt:
  host: 127.0.0.1
  port: {port}
  tls: {{ca_file: ca.pem, certificate_file: {gateway}.pem, key_file: {gateway}.key}}
storage: {{state_dir: state, runtime_dir: run}}
"""


def lay_out(folder: Path, port: int, *, dynamic_security: bool = False) -> None:
    """Everything that broker, gateway and engine read, in one folder that is ours alone."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    authority = Authority(folder)
    authority.broker()
    for client in CLIENTS:
        authority.client(client)
    for name in ("acl", "dynamic-security.json"):
        (folder / name).write_text((EXAMPLES / name).read_text(encoding="utf-8"), encoding="utf-8")
        (folder / name).chmod(0o600)
    config = broker_config((EXAMPLES / "mosquitto.conf").read_text(encoding="utf-8"), folder, port)
    if dynamic_security:
        config = with_dynamic_security(config, folder)
    (folder / "mosquitto.conf").write_text(config, encoding="utf-8")
    review_by = datetime.now(UTC).date() + timedelta(days=30)
    text = PRESENCE.format(
        chain=CHAIN, store=STORE, gateway=GATEWAY, audience=AUDIENCE, port=port, review_by=review_by
    )
    (folder / "presence.yaml").write_text(text, encoding="utf-8")
    _write_secret(folder / "store.key", secrets.token_hex(32))
    _one_customer(folder, time.time())


def broker_config(example: str, folder: Path, port: int) -> str:
    """config/mosquitto/mosquitto.conf with the paths and the port of this folder, and nothing else
    changed.
    """
    for line in ("listener 8883\n", "log_type warning\n"):
        if line not in example:
            raise ValueError(f"config/mosquitto/mosquitto.conf has lost its line {line!r}")
    config = example.replace(INSTALLED, str(folder)).replace(
        "listener 8883\n", f"listener {port} 127.0.0.1\n"
    )
    return f"{config}log_dest stderr\nuser {getpass.getuser()}\n"


def with_dynamic_security(config: str, folder: Path) -> str:
    """The same broker with the plugin in place of the access list; FileNotFoundError where it is
    not installed.
    """
    plugin = find_plugin()
    if plugin is None:
        raise FileNotFoundError(
            "mosquitto_dynamic_security.so is not below /usr/lib: apt install mosquitto"
        )
    without = config.replace(f"acl_file {folder}/acl\n", "")
    return f"{without}plugin {plugin}\nplugin_opt_config_file {folder}/dynamic-security.json\n"


def find_plugin() -> Path | None:
    """Where Debian puts it (below the architecture's name), and where others do."""
    found = (
        path
        for place in ("*", ".")
        for path in Path("/usr/lib").glob(f"{place}/mosquitto_dynamic_security.so")
    )
    return next(found, None)


def _one_customer(folder: Path, now_s: float) -> None:
    identity_key, pairwise_key, now = secrets.token_bytes(16), secrets.token_bytes(16), int(now_s)
    window = window_at(now_s)
    keys = [_text(window_key(identity_key, number * WINDOW_S)) for number in (window, window + 1)]
    entry: dict[str, Any] = {
        "ref": _text(secrets.token_bytes(8)),
        "ver": 1,
        "win": {"start": window * WINDOW_S, "len": WINDOW_S, "keys": keys},
        "pk": {AUDIENCE: _text(pairwise_key)},
        "purposes": ["presence", "offers"],
        "nb": now - DAY_S,
        "na": now + 30 * DAY_S,
        "scope": {"type": "store", "id": STORE},
        "grants": [["ap2:1551", 0], ["ap2:1285", 0]],
    }
    header = {
        "v": 1,
        "list": f"{CHAIN}/{STORE}",
        "seq": 1,
        "published_at": now,
        "suppression_checked_at": now,
        "count": 1,
    }
    lines = "".join(json.dumps(line) + "\n" for line in (header, entry))
    (folder / "consents.jsonl").write_text(lines, encoding="utf-8")
    customer = {"customer": "Dana", "pairwise_key": pairwise_key.hex()}
    _write_secret(folder / "customers.jsonl", json.dumps(customer) + "\n")
    _write_secret(folder / "dana.identity-key", identity_key.hex())


def _text(value: bytes) -> str:
    return encode_base64url(value)


def _write_secret(path: Path, text: str) -> None:
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
        file.write(text)
