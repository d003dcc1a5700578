"""The shop's configuration: a small file like any operator's, in the demo's own folder."""

from datetime import date, timedelta
from pathlib import Path
from typing import Final

from presence.config import Settings, parse_settings
from presence.demo.publisher import ListPublisher
from presence.demo.story import ANTENNAS, AUDIENCE, CAMPAIGNS, CHAIN, LIST, STORE
from presence.edges.host.files import new_key_file
from presence.simulation.local_broker import LocalBroker

TEMPLATE: Final = """\
store: {{chain: {chain}, store: {store}, gateway: door-1, key_file: "{root}/store.key"}}
notice:
  {{id: demo-1, controller: Acme Oy, dpo_contact: privacy@acme.example, review_by: {review_by}}}
# The clock is the play's own, so nobody disciplines it.
consent:
  {{list: {list}, repository: "{publisher.repository}", root_file: "{publisher.root_file}",
   refresh_s: 5, require_synchronised_clock: false}}
audiences: [{{name: {audience}, campaigns: [{campaigns}]}}]
radio: {{antennas: [{antennas}]}}
mqtt: {{host: "{broker.host}", port: {broker.port}, protocol: "{broker.protocol.value}"}}
storage: {{state_dir: "{root}/state", runtime_dir: "{root}/runtime"}}
# Shorter than in a real shop, where absence_s is 300 and reentry_cooldown_s 900: a visit must begin
# and end within a minute. The numbers of the door belong to the simulated one, as always.
entry: {{near_dbm: -74, enter_rssi_dbm: -82, exit_rssi_dbm: -88, window_s: 8, min_duration_s: 3,
        absence_s: 30, reentry_cooldown_s: 60}}
"""


def demo_settings(root: Path, broker: LocalBroker, publisher: ListPublisher) -> Settings:
    """Writes the store's key and the configuration below `root`, and reads the latter as `presence
    run` would.
    """
    root.mkdir()
    key_file = root / "store.key"
    new_key_file(key_file)
    hung = (f'{{adapter: "{antenna.name}", place: {place.value}}}' for antenna, place in ANTENNAS)
    text = TEMPLATE.format(
        root=root,
        chain=CHAIN,
        store=STORE,
        list=LIST,
        audience=AUDIENCE,
        campaigns=", ".join(CAMPAIGNS),
        antennas=", ".join(hung),
        broker=broker,
        publisher=publisher,
        review_by=date.today() + timedelta(days=365),  # noqa: DTZ011 - the shop's own calendar
    )
    file = root / "presence.yaml"
    file.write_text(text, encoding="utf-8")
    return parse_settings(text, name=str(file))
