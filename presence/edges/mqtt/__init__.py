"""MQTT through paho: events out, subscriptions in, one connection at a time.

Imports: presence.core, presence.config, presence.ports; no other edge."""
