"""How loud a phone is beside the chain's reference phone, so that it may be taken off what is heard
of it.

Two say so: the signed list, by the model of the phone (`Consent.loudness_db`), and the power byte
on air, which anybody can write.

1. Neither ever adds: a phone that is quieter, or says so, is heard as it is.
2. A byte takes off MAX_SAID_DB at most.
3. The same is taken off wherever a packet is heard, so no antenna is set against another. A packet
   with a forged byte is worth what one sent with less power would be, and no more. So where
   satellites listen, which do not tell the byte, it counts nowhere (`reference_dbm` None).
"""

from typing import Final

MAX_SAID_DB: Final = 6
"""About what parts two power settings of Android (6 and 8 dB): an app that uses the next one. An
app that says more has not read docs/app-integration.md, and its customers must still be found.
"""
LOSS_OF_1_M_DB: Final = 41
"""What is received at 0 m above what is received at 1 m (github.com/google/eddystone,
eddystone-uid: "add 41 dBm to this").
"""


def loudness_db(listed_db: int, said_dbm: int | None, reference_dbm: int | None) -> int:
    """What is to be taken off a reading, 0 or more. `said_dbm`: the power byte, as received at
    0 m; None where there is none. `reference_dbm`: what the reference phone says.
    """
    if said_dbm is None or reference_dbm is None:
        return listed_db
    return max(listed_db, min(said_dbm - reference_dbm, MAX_SAID_DB))
