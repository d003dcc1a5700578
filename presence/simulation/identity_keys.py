"""What a phone makes of its identity key. On a gateway only the stage's made-up customers have one;
the daemon imports nothing of this (tests/house/test_packaging.py).
"""

from presence.core.recognition.identifiers import encrypt_block, window_at, window_block


def window_key(identity_key: bytes, utc_s: float) -> bytes:
    """TK of the window around `utc_s`."""
    return encrypt_block(identity_key, window_block(window_at(utc_s)))
