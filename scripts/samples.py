"""Writes docs/samples: a capture of two phones at a door, and what a gateway needs to play it.

    python -m scripts.samples          writes them; tests/scripts/test_samples.py holds them to it

Dana agreed to cars and comes in; the other phone is a stranger's and passes. Both are played by the
emulator, with the keys of tests/vectors. Nothing here is secret.
"""

import json
from heapq import merge
from io import BytesIO
from pathlib import Path
from typing import Any, Final

from presence.core.encoding import encode_base64url
from presence.core.recognition.identifiers import WINDOW_S, window_at
from presence.simulation.identity_keys import window_key
from scripts.app_emulator.outputs import write_capture
from scripts.app_emulator.phones import Heard, encoder, performance, phone_of_identity_key

FOLDER: Final = Path(__file__).parents[1] / "docs" / "samples"
START_S: Final = 1_795_442_707
"""2026-11-23T14:05:07Z, as in the vectors."""
DANA: Final = bytes(range(16))
STRANGER: Final = bytes.fromhex("0102030405060708090a111213141516")
DAY_S: Final = 86_400

SETTINGS: Final = """\
# What `presence replay` needs for walk.btsnoop, and no more. The key is everybody's: make your own
# (`presence config init`). The sign at your door is reviewed sooner than in this century.
store: {chain: acme, store: fi-0042, gateway: door-1, key_file: store.key}
notice: {id: fi-2026-03, controller: Acme Oy,
  dpo_contact: privacy@acme.example, review_by: 2099-12-31}
consent: {list: acme/fi-0042, directory: .}
audiences: [{name: offers-main, campaigns: [ap2:1551]}]
"""


def samples() -> dict[str, bytes]:
    """Name of each file → its content."""
    return {
        "walk.btsnoop": capture(),
        "consents.jsonl": consents().encode(),
        "presence.yaml": SETTINGS.encode(),
        "store.key": bytes(range(32)).hex().encode() + b"\n",
    }


def capture() -> bytes:
    file = BytesIO()
    write_capture(merge(comes_in(), passes(), key=lambda heard: heard.t), file)
    return file.getvalue()


def comes_in() -> list[Heard]:
    return _walk(DANA, at_s=START_S + 8, seconds=32, rssi_dbm=(-88, -52))


def passes() -> list[Heard]:
    near = _walk(STRANGER, at_s=START_S, seconds=12, rssi_dbm=(-92, -70))
    return near + _walk(STRANGER, at_s=START_S + 12, seconds=12, rssi_dbm=(-70, -92))


def _walk(key: bytes, *, at_s: float, seconds: float, rssi_dbm: tuple[int, int]) -> list[Heard]:
    phone = phone_of_identity_key(key, encoder("E1", prefix=b"", tx_power_dbm=-18))
    return list(
        performance([phone], start_s=at_s, seconds=seconds, interval_ms=250, rssi_dbm=rssi_dbm)
    )


def consents() -> str:
    """The plain list of that day: Dana, and nobody else."""
    window = window_at(START_S)
    header = {
        "v": 1,
        "list": "acme/fi-0042",
        "seq": 1,
        "published_at": START_S - 600,
        "suppression_checked_at": START_S - 600,
        "count": 1,
    }
    keys = [window_key(DANA, number * WINDOW_S) for number in (window, window + 1)]
    entry: dict[str, Any] = {
        "ref": encode_base64url(bytes(range(8))),
        "ver": 1,
        "win": {
            "start": window * WINDOW_S,
            "len": WINDOW_S,
            "keys": [encode_base64url(key) for key in keys],
        },
        "pk": {"offers-main": encode_base64url(bytes(range(16)))},
        "purposes": ["presence", "offers"],
        "nb": START_S - 30 * DAY_S,
        "na": START_S + 300 * DAY_S,
        "scope": {"type": "store", "id": "fi-0042"},
        "grants": [["ap2:1551", 0]],
    }
    return "".join(json.dumps(line) + "\n" for line in (header, entry))


def main() -> None:
    FOLDER.mkdir(exist_ok=True)
    for name, content in samples().items():
        (FOLDER / name).write_bytes(content)


if __name__ == "__main__":
    main()
