"""Our formats as a classic BPF program: the kernel lets an HCI event with a report of ours pass,
and drops bystanders before any process sees a byte of them.

1. A report passes where its payload holds a structure that a `Pattern` describes to the last
   length and byte, and would be read so: the last structure of its UUID or company counts, and a
   payload whose structures do not add up is nobody's (presence.core.recognition.advertisement).
2. Direction of error: doubt is refusal. Of an event, MAX_REPORTS are looked at (nearly all
   controllers send one), of a report MAX_STRUCTURES, all that fit a legacy advertisement. What
   stands behind them is dropped. An extended report must be complete: ours fit into one.
3. A filtered socket is silent in a shop without customers, and where the radio is deaf. So a user
   channel, which nobody else reads, is given a *heartbeat*: of 1 in HEARTBEAT_OF events of
   bystanders HEARTBEAT_BYTES, which are the same for each of them. They say that somebody was on
   air: not who, not what, not how long or strong.
4. Coarser than a report it has to be: an event passes whole or not at all. A bystander's report
   in one event with ours is dropped by the engine.

How an event lies in memory: event code 0x3E, length, subevent, number of reports, reports (Core
5.4, Vol 4 Part E §7.7.65.2 and §7.7.65.13; controllers write report after report, and so does
Linux read them). Before it come, by channel (Linux, include/net/bluetooth):

    monitor    opcode u16 = 3 (an event) | index u16 | length u16         hci_mon.h, little-endian
    user       packet type 0x04                                           hci.h
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from presence.core.hci import bpf
from presence.core.hci.bpf import Assembler, Instruction
from presence.core.recognition.advertisement import (
    AD_MANUFACTURER_DATA,
    AD_SERVICE_DATA_16,
    AD_SERVICE_DATA_128,
)
from presence.core.recognition.beacons import Pattern

MAX_STRUCTURES: Final = 15
"""A legacy payload of 31 bytes has no more."""
MAX_REPORTS: Final = 6
"""So many fit into the 4,096 instructions of a program."""
FEW_REPORTS: Final = 2
"""As many as fit into 20 KiB, the memory that kernels before 6.8 give to a socket's filter."""
HEARTBEAT_OF: Final = 64
"""A power of two. The busiest shop (2,000 advertisements a second) wakes us 31 times a second; one
beacon a second, forgotten in a drawer, is a sign of life a minute.
"""
HEARTBEAT_BYTES: Final = 2
"""Packet type and event code: 04 3E."""
KEEP: Final = 0x40000
"""Bytes of a packet that passes: all."""

MONITOR_HEADER_BYTES: Final = 6
MONITOR_EVENT: Final = 3
EVENT_PACKET: Final = 0x04
LE_META: Final = 0x3E
LEGACY_REPORT: Final = 0x02
EXTENDED_REPORT: Final = 0x0D
ANSWERS: Final = (0x0E, 0x0F, 0x10)
"""Command Complete, Command Status, Hardware Error: what drives a controller needs them."""
KEY_BYTES: Final = 2
"""Of the UUID or the company at the head of a structure."""

_NOT_COMPLETE: Final = 0b11 << 5
"""Data status in the low byte of an extended report's event type."""
_NEGATIVE: Final = 1 << 31
_UUID_128_BYTES: Final = 16

_END, _HEAD, _TRAILER, _LEFT, _LENGTH, _START = range(6)
"""Words of memory: where the payload ends; from a report's start to its data length; bytes behind
the payload; reports left; length of a structure; where the report starts."""
_SLOTS: Final = 6
"""From here on: where the last structure of each UUID or company stands; 0 for nowhere."""


@dataclass(frozen=True)
class _Slot:
    """What is read of structures with one AD type and one UUID or company."""

    ad_type: int
    key: bytes
    patterns: tuple[Pattern, ...]


class CannotFilter(ValueError):
    """A format that this program cannot tell from others."""


def monitor_filter(
    patterns: Sequence[Pattern], *, index: int, reports: int = MAX_REPORTS
) -> tuple[Instruction, ...]:
    """For the monitor channel; `index` is N of hciN. Raises CannotFilter."""
    program = Assembler()
    _expect(program, bpf.HALF | bpf.LD_ABSOLUTE, 0, _swapped(MONITOR_EVENT))
    _expect(program, bpf.HALF | bpf.LD_ABSOLUTE, 2, _swapped(index))
    return _finished(program, patterns, MONITOR_HEADER_BYTES, reports, heartbeat=False)


def user_filter(
    patterns: Sequence[Pattern], *, reports: int = MAX_REPORTS
) -> tuple[Instruction, ...]:
    """For the user channel: answers to commands and a heartbeat, too. Raises CannotFilter."""
    program = Assembler()
    _expect(program, bpf.BYTE | bpf.LD_ABSOLUTE, 0, EVENT_PACKET)
    program.emit(bpf.BYTE | bpf.LD_ABSOLUTE, 1)
    for code in ANSWERS:
        program.branch(bpf.JEQ_K, code, then="keep")
    return _finished(program, patterns, 1, reports, heartbeat=True)


def _swapped(number: int) -> int:
    """A u16 as a big-endian load sees what lies there little-endian."""
    return int.from_bytes(number.to_bytes(2, "little"), "big")


def _expect(program: Assembler, load: int, at: int, value: int) -> None:
    program.emit(load, at)
    program.branch(bpf.JEQ_K, value, otherwise="drop")


def _finished(
    program: Assembler,
    patterns: Sequence[Pattern],
    event_at: int,
    reports: int,
    *,
    heartbeat: bool,
) -> tuple[Instruction, ...]:
    slots = _slots_of(patterns)
    _expect(program, bpf.BYTE | bpf.LD_ABSOLUTE, event_at, LE_META)
    # What the event says of its length must be so: readers go by the smaller of the two.
    program.emit(bpf.BYTE | bpf.LD_ABSOLUTE, event_at + 1)
    program.emit(bpf.ADD_K, event_at + 2)
    program.emit(bpf.TAX)
    program.emit(bpf.LD_LENGTH)
    program.branch(bpf.JEQ_X, otherwise="drop")
    program.emit(bpf.BYTE | bpf.LD_ABSOLUTE, event_at + 2)
    program.branch(bpf.JEQ_K, LEGACY_REPORT, then="legacy")
    program.branch(bpf.JEQ_K, EXTENDED_REPORT, otherwise="drop")
    _layout(program, head=23, trailer=0)
    program.jump("reports")
    program.label("legacy")
    _layout(program, head=8, trailer=1)
    program.label("reports")
    program.emit(bpf.BYTE | bpf.LD_ABSOLUTE, event_at + 3)
    program.branch(bpf.JEQ_K, 0, then="drop")
    program.emit(bpf.ST, _LEFT)
    program.emit(bpf.LDX_IMMEDIATE, event_at + 4)
    for number in range(reports):
        _report(program, slots, f"report {number}: ")
    program.label("bystander")
    if heartbeat:
        program.emit(bpf.WORD | bpf.LD_ABSOLUTE, bpf.RANDOM_AT)
        program.branch(bpf.JSET_K, HEARTBEAT_OF - 1, then="drop")
        program.emit(bpf.RET_K, HEARTBEAT_BYTES)
    program.label("drop")
    program.emit(bpf.RET_K, 0)
    program.label("keep")
    program.emit(bpf.RET_K, KEEP)
    return program.assemble()


def _slots_of(patterns: Sequence[Pattern]) -> list[_Slot]:
    slots: dict[tuple[int, bytes], list[Pattern]] = {}
    for pattern in patterns:
        filterable = pattern.ad_type in (AD_SERVICE_DATA_16, AD_MANUFACTURER_DATA)
        if not filterable or pattern.offset or len(pattern.content) < KEY_BYTES:
            raise CannotFilter(f"a pattern of AD type {pattern.ad_type:#04x} without its head")
        slots.setdefault((pattern.ad_type, pattern.content[:KEY_BYTES]), []).append(pattern)
    if len(slots) > bpf.MEMORY_WORDS - _SLOTS:
        raise CannotFilter(f"{len(slots)} UUIDs and companies are too many")
    return [_Slot(ad_type, key, tuple(of)) for (ad_type, key), of in slots.items()]


def _layout(program: Assembler, *, head: int, trailer: int) -> None:
    for value, word in ((head, _HEAD), (trailer, _TRAILER)):
        program.emit(bpf.LD_IMMEDIATE, value)
        program.emit(bpf.ST, word)


def _report(program: Assembler, slots: Sequence[_Slot], name: str) -> None:
    """One report, which starts at X; leaves X at the next one."""
    _enter(program, slots)
    for number in range(MAX_STRUCTURES):
        _structure(program, slots, name, f"{name}structure {number}: ")
    _remaining(program, name)
    program.emit(bpf.BYTE | bpf.LD_INDEXED, 0)
    program.branch(bpf.JEQ_K, 0, otherwise=f"{name}next")
    program.label(f"{name}judge")
    for number, slot in enumerate(slots):
        _judge(program, slot, _SLOTS + number, f"{name}slot {number}: ", f"{name}ours")
    program.jump(f"{name}next")
    program.label(f"{name}ours")
    program.emit(bpf.LD_MEMORY, _TRAILER)
    program.branch(bpf.JEQ_K, 1, then="keep")  # legacy: always whole
    program.emit(bpf.LDX_MEMORY, _START)
    program.emit(bpf.BYTE | bpf.LD_INDEXED, 0)
    program.branch(bpf.JSET_K, _NOT_COMPLETE, otherwise="keep")
    program.label(f"{name}next")
    program.emit(bpf.LD_MEMORY, _LEFT)
    program.emit(bpf.SUB_K, 1)
    program.branch(bpf.JEQ_K, 0, then="bystander")
    program.emit(bpf.ST, _LEFT)
    program.emit(bpf.LD_MEMORY, _END)
    program.emit(bpf.LDX_MEMORY, _TRAILER)
    program.emit(bpf.ADD_X)
    program.emit(bpf.TAX)


def _enter(program: Assembler, slots: Sequence[_Slot]) -> None:
    """From the start of a report at X to its payload; no structure has been seen."""
    program.emit(bpf.STX, _START)
    program.emit(bpf.LD_IMMEDIATE, 0)
    for number in range(len(slots)):
        program.emit(bpf.ST, _SLOTS + number)
    program.emit(bpf.LD_MEMORY, _HEAD)
    program.emit(bpf.ADD_X)
    program.emit(bpf.TAX)
    program.emit(bpf.BYTE | bpf.LD_INDEXED, 0)  # the data length
    program.emit(bpf.ADD_K, 1)
    program.emit(bpf.ADD_X)
    program.emit(bpf.ST, _END)
    # The last byte of the report must be there, or it is cut off: then this load drops the packet.
    program.emit(bpf.STX, _LENGTH)
    program.emit(bpf.LDX_MEMORY, _TRAILER)
    program.emit(bpf.ADD_X)
    program.emit(bpf.SUB_K, 1)
    program.emit(bpf.TAX)
    program.emit(bpf.BYTE | bpf.LD_INDEXED, 0)
    program.emit(bpf.LD_MEMORY, _LENGTH)
    program.emit(bpf.ADD_K, 1)
    program.emit(bpf.TAX)


def _remaining(program: Assembler, name: str) -> None:
    """Goes on where bytes of the payload remain at X."""
    program.emit(bpf.LD_MEMORY, _END)
    program.emit(bpf.SUB_X)
    program.branch(bpf.JEQ_K, 0, then=f"{name}judge")
    program.branch(bpf.JSET_K, _NEGATIVE, then=f"{name}next")  # it ran over the end


def _structure(program: Assembler, slots: Sequence[_Slot], name: str, here: str) -> None:
    """One AD structure at X: noted where its UUID or company is ours; leaves X at the next one."""
    _remaining(program, name)
    program.emit(bpf.BYTE | bpf.LD_INDEXED, 0)
    program.branch(bpf.JEQ_K, 0, then=f"{name}judge")  # the rest is padding
    program.emit(bpf.ST, _LENGTH)
    program.emit(bpf.BYTE | bpf.LD_INDEXED, 1)
    types = dict.fromkeys(slot.ad_type for slot in slots)
    # Structures too short for their type spoil the payload, also those that we do not read.
    known = dict.fromkeys((*types, AD_SERVICE_DATA_16, AD_MANUFACTURER_DATA))
    for ad_type in known:
        program.branch(bpf.JEQ_K, ad_type, then=f"{here}{ad_type}")
    program.branch(bpf.JEQ_K, AD_SERVICE_DATA_128, otherwise=f"{here}on")
    program.emit(bpf.LD_MEMORY, _LENGTH)
    program.branch(bpf.JGE_K, 1 + _UUID_128_BYTES, then=f"{here}on", otherwise=f"{name}next")
    for ad_type in known:
        program.label(f"{here}{ad_type}")
        program.emit(bpf.LD_MEMORY, _LENGTH)
        program.branch(bpf.JGE_K, 1 + KEY_BYTES, otherwise=f"{name}next")
        if ad_type in types:
            program.emit(bpf.HALF | bpf.LD_INDEXED, 2)
        for number, slot in enumerate(slots):
            if slot.ad_type == ad_type:
                key = int.from_bytes(slot.key, "big")
                program.branch(bpf.JEQ_K, key, otherwise=f"{here}not {number}")
                program.emit(bpf.STX, _SLOTS + number)
                program.jump(f"{here}on")
                program.label(f"{here}not {number}")
        program.jump(f"{here}on")
    program.label(f"{here}on")
    program.emit(bpf.LD_MEMORY, _LENGTH)
    program.emit(bpf.ADD_K, 1)
    program.emit(bpf.ADD_X)
    program.emit(bpf.TAX)


def _judge(program: Assembler, slot: _Slot, word: int, here: str, ours: str) -> None:
    """Goes to `ours` where the structure that was noted is as one of the patterns says."""
    program.emit(bpf.LD_MEMORY, word)
    program.branch(bpf.JEQ_K, 0, then=f"{here}no")
    program.emit(bpf.TAX)
    for number, pattern in enumerate(slot.patterns):
        other = f"{here}not {number}"
        if pattern.lengths:
            program.emit(bpf.BYTE | bpf.LD_INDEXED, 0)
            for length in sorted(pattern.lengths):
                program.branch(bpf.JEQ_K, 1 + length, then=f"{here}content {number}")
            program.jump(other)
            program.label(f"{here}content {number}")
        content = pattern.content[KEY_BYTES:]
        for offset, expected in ((KEY_BYTES, content), *pattern.besides):
            _compare(program, 2 + offset, expected, other)
        program.jump(ours)
        program.label(other)
    program.label(f"{here}no")


def _compare(program: Assembler, at: int, expected: bytes, other: str) -> None:
    """Goes on where `expected` lies at X + at, else to `other`."""
    done = 0
    while done < len(expected):
        for size, bytes_ in ((bpf.WORD, 4), (bpf.HALF, 2), (bpf.BYTE, 1)):
            part = expected[done : done + bytes_]
            if len(part) == bytes_:
                program.emit(size | bpf.LD_INDEXED, at + done)
                program.branch(bpf.JEQ_K, int.from_bytes(part, "big"), otherwise=other)
                done += bytes_
                break
