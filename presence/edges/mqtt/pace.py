"""How long a connection to the broker waits for what; tests are in a hurry."""

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, kw_only=True)
class MqttPace:
    tcp_s: float = 5.0
    """Until the broker's port answers."""
    will_delay_s: int = 30
    """By MQTT 5.0 §3.1.3.2.2 a will goes out when its delay is over or the session ends, so the
    session lasts as long. Who comes back sooner begins a new session (clean start): by the letter
    the will may go out then, right before the birth.
    """
    farewell_s: float = 2.0
    """How long `stopped` and DISCONNECT may take; systemd waits 90 s, the person at the terminal
    does not.
    """


MQTT_PACE: Final = MqttPace()
