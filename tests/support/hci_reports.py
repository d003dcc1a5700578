"""Advertising reports as a controller writes them, in HCI events."""

from presence.core.hci.report_filter import EXTENDED_REPORT, LE_META, LEGACY_REPORT

ADDRESS = bytes.fromhex("c0ffee000001")


def structure(ad_type: int, content: bytes) -> bytes:
    return bytes([1 + len(content), ad_type]) + content


def legacy_report(
    payload: bytes, *, address: bytes = ADDRESS, rssi_dbm: int = -60, event_type: int = 0
) -> bytes:
    """Core 5.4, Vol 4 Part E §7.7.65.2; `address` most significant byte first."""
    head = bytes([event_type, 1]) + address[::-1] + bytes([len(payload)])
    return head + payload + rssi_dbm.to_bytes(1, "little", signed=True)


def extended_report(
    payload: bytes, *, address: bytes = ADDRESS, rssi_dbm: int = -60, status: int = 0
) -> bytes:
    """§7.7.65.13; `status`: 0 complete, 1 more to come, 2 cut off."""
    event_type = (status << 5).to_bytes(2, "little")
    strengths = b"\x01\x00\xff\x7f" + rssi_dbm.to_bytes(1, "little", signed=True)
    head = event_type + b"\x01" + address[::-1] + strengths + bytes(2 + 1 + 6)
    return head + bytes([len(payload)]) + payload


def event(*reports: bytes, extended: bool = False) -> bytes:
    """One LE Meta event, from its event code."""
    parameters = bytes([EXTENDED_REPORT if extended else LEGACY_REPORT, len(reports)])
    parameters += b"".join(reports)
    return bytes([LE_META, len(parameters)]) + parameters


def in_monitor(event: bytes, *, index: int = 0) -> bytes:
    """As the monitor channel brings it."""
    parts = (3, index, len(event))
    return b"".join(part.to_bytes(2, "little") for part in parts) + event


def in_user_channel(event: bytes) -> bytes:
    return b"\x04" + event
