"""A shop on disk: configuration, key and plain consent list, as an operator would lay them out."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

CONFIG = """
store: {{chain: acme, store: fi-0042, gateway: gw-1, key_file: store.key}}
notice:
  {{id: fi-2026-03, controller: Acme Oy, dpo_contact: dpo@acme.example, review_by: 2099-01-01}}
consent: {{directory: ., list: acme/fi-0042, poll_s: 1}}
audiences:
  - {{name: offers-main, purpose: offers, campaigns: ["ap2:1551", "ap2:1285"]}}
mqtt: {{host: 127.0.0.1, port: {port}{mqtt}}}
storage: {{state_dir: state, runtime_dir: run}}
log: {{format: json}}
"""


@dataclass
class ShopFolder:
    folder: Path
    port: int
    mqtt: str = ""
    """More of section `mqtt`, such as `, protocol: "3.1.1"`."""

    @property
    def config(self) -> Path:
        return self.folder / "presence.yaml"

    def lay_out(self) -> None:
        """Write everything that `presence` reads, but for the list."""
        self.folder.mkdir(exist_ok=True)
        self.config.write_text(CONFIG.format(port=self.port, mqtt=self.mqtt))
        (self.folder / "store.key").write_text("ab" * 32)
        (self.folder / "store.key").chmod(0o600)

    def write_list(self, header: Mapping[str, Any], entries: Iterable[Mapping[str, Any]]) -> None:
        """At once, as a consent service puts a list in place."""
        new = self.folder / "consents.jsonl.new"
        new.write_text("".join(json.dumps(line) + "\n" for line in (header, *entries)))
        new.replace(self.folder / "consents.jsonl")
