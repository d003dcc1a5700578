"""An air that the tests of the entry bench share."""

from scripts.entrybench.radio import Radio

AIR = Radio(
    level_1m_dbm=-70,
    exponent=2,
    phone_db=3,
    shadow_db=4,
    shadow_m=2,
    shadow_s=3,
    body_db=10,
    rice_k=3,
    edge_dbm=-97,
)
