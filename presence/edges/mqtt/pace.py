"""How long a connection to the broker waits for what; tests are in a hurry."""

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, kw_only=True)
class MqttPace:
    tcp_s: float = 5.0
    """Until the broker's port answers."""
    hop_s: float = 3.0
    """Until CONNACK, where there is another broker to be tried."""
    farewell_s: float = 2.0
    """How long `stopped` and DISCONNECT may take; systemd waits 90 s, the person at the terminal
    does not.
    """


MQTT_PACE: Final = MqttPace()
