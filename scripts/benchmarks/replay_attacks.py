"""What a recording is worth to whoever plays it back: the attacks of docs/replay.md on the engine,
and what they were worth at BASE.

A customer stands outside and is heard at −95 dBm (σ 4 dB); from the third second on a copy is
played inside at −50 dBm, for a minute. The share of RUNS in which the engine says that she entered,
and how long after the copy began. `plain`: her app sends no ticks. `ticks`: it does, and the
attacker cuts them off, which is the best they can do with a recording. `flag`: her consent says so
as well.
`python -m scripts.benchmarks.replay_attacks` prints the table of docs/replay.md.
"""

import json
import statistics
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from random import Random
from typing import Final

from presence.core.consent.model import Flag
from presence.core.engine import Engine
from presence.core.event.cloudevent import encode
from presence.core.recognition.advertisement import advertisement_from_payload
from presence.core.recognition.beacons import eddystone
from presence.core.recognition.challenge import (
    Answer,
    ChallengeRegistry,
    DoorbellReading,
    make_answer,
)
from presence.core.recognition.identifiers import (
    SLOT_S,
    ephemeral_identifier,
    slot_at,
    window_at,
)
from presence.core.recognition.ticks import seal_at
from presence.core.timestamps import Moment
from scripts.benchmarks import subjects
from scripts.benchmarks.figure import Figure

BASE: Final = "e49dc6c"
RUNS: Final = 100
SLOT_START_S: Final = subjects.NOW.utc_s // SLOT_S * SLOT_S
START: Final = Moment(subjects.NOW.monotonic_s, SLOT_START_S + 128)
"""Past the seconds in which the slot before counts too; 896 are left of the slot."""
CLONE_FROM_S, SECONDS = 3.0, 60.0
PHONE, CLONE = bytes.fromhex("4a1122334455"), bytes.fromhex("5b66778899aa")
KEY: Final = subjects.window_key_of(0, window_at(START.utc_s))
APPS: Final = ("plain", "ticks", "flag")


@dataclass(frozen=True, slots=True)
class Packet:
    at_s: float
    address: bytes
    rssi_dbm: int
    ticks: bool
    """Its tick came with it: it is the phone's, or relayed at once."""


@dataclass(frozen=True, slots=True)
class Attack:
    name: str
    packets: Callable[[Random], Iterator[Packet]]
    before_percent: int
    """At BASE: measured by this file, with the guard of that commit."""


def sent(
    chance: Random,
    per_s: float,
    rssi_dbm: float,
    address: bytes,
    *,
    from_s: float = 0.0,
    ticks: bool = True,
) -> Iterator[Packet]:
    first_s = from_s + chance.uniform(0, 1 / per_s)
    for n in range(int((SECONDS - from_s) * per_s)):
        at_s = first_s + n / per_s + chance.uniform(0, 0.01)
        yield Packet(at_s, address, round(chance.gauss(rssi_dbm, 4)), ticks)


def beside(
    phone_per_s: float,
    clone_per_s: float,
    address: bytes,
    *,
    phone_dbm: float = -95,
    clone_dbm: float = -50,
) -> Callable[[Random], Iterator[Packet]]:
    def packets(chance: Random) -> Iterator[Packet]:
        yield from sent(chance, phone_per_s, phone_dbm, PHONE)
        yield from sent(chance, clone_per_s, clone_dbm, address, from_s=CLONE_FROM_S, ticks=False)

    return packets


def restless(chance: Random) -> Iterator[Packet]:
    """A new address every 2.9 s: as long as the old one of a change counts at BASE."""
    yield from sent(chance, 4, -95, PHONE)
    for packet in sent(chance, 10, -50, CLONE, from_s=CLONE_FROM_S, ticks=False):
        number = int((packet.at_s - CLONE_FROM_S) / 2.9)
        yield replace(packet, address=CLONE[:5] + bytes((number,)))


def alone(*, relayed: bool) -> Callable[[Random], Iterator[Packet]]:
    """The phone is out of reach of this gateway."""
    return lambda chance: sent(chance, 4, -50, CLONE, from_s=CLONE_FROM_S, ticks=relayed)


ATTACKS: Final = (
    Attack("1/s beside 4/s, same address", beside(1, 4, PHONE), 100),
    Attack("1/s beside 4/s, another address", beside(1, 4, CLONE), 67),
    Attack("4/s beside 4/s, same address", beside(4, 4, PHONE), 48),
    Attack("4/s beside 4/s, another address", beside(4, 4, CLONE), 4),
    Attack("4/s beside 10/s, same address", beside(4, 10, PHONE), 100),
    Attack("4/s beside 10/s, another address", beside(4, 10, CLONE), 0),
    Attack("4/s beside 20/s, same address", beside(4, 20, PHONE), 100),
    Attack("4/s beside 20/s, another address", beside(4, 20, CLONE), 12),
    Attack("10/s beside 20/s, same address", beside(10, 20, PHONE), 100),
    Attack("10/s beside 20/s, another address", beside(10, 20, CLONE), 0),
    Attack("10/s beside 40/s, same address", beside(10, 40, PHONE), 100),
    Attack("10/s beside 40/s, another address", beside(10, 40, CLONE), 0),
    Attack("4/s beside 10/s, a new address every 2.9 s", restless, 100),
    Attack(
        "4/s at −85 dBm beside 10/s at −70 dBm, same address",
        beside(4, 10, PHONE, phone_dbm=-85, clone_dbm=-70),
        100,
    ),
    Attack(
        "1/s at −85 dBm beside 10/s at −60 dBm, same address",
        beside(1, 10, PHONE, phone_dbm=-85, clone_dbm=-60),
        100,
    ),
    Attack(
        "4/s at −78 dBm beside 10/s at −68 dBm, same address",
        beside(4, 10, PHONE, phone_dbm=-78, clone_dbm=-68),
        100,
    ),
    Attack("1 in 12 s beside 10/s, another address", beside(1 / 12, 10, CLONE), 100),
    Attack("phone out of reach, recorded", alone(relayed=False), 100),
    Attack("phone out of reach, relayed at once (wormhole)", alone(relayed=True), 100),
)


class Shop:
    """An engine with one customer on its list."""

    def __init__(self, app: str) -> None:
        self.app = app
        listed = subjects.consent_list(1)
        if app == "flag":
            entries = {
                ref: replace(entry, consent=replace(entry.consent, flags=frozenset({Flag.TICKS})))
                for ref, entry in listed.entries.items()
            }
            listed = replace(listed, entries=entries)
        self.engine = Engine(subjects.rules())
        self.engine.admissions.trust(subjects.STANDING)
        self.engine.apply(listed, START)
        self.engine.matcher.complete(START.utc_s)

    def hear(self, packet: Packet) -> None:
        at = START.later(packet.at_s)
        eid = ephemeral_identifier(KEY, slot_at(at.utc_s))
        seal = seal_at(KEY, at.utc_s) if packet.ticks and self.app != "plain" else b""
        payload = eddystone.payload(eid, tx_power_dbm=-20, seal=seal)
        self.engine.receive(
            advertisement_from_payload(at, packet.address, packet.rssi_dbm, payload)
        )

    def enters_after_s(self, packets: Iterator[Packet]) -> float | None:
        """Since the copy began; None where she never does."""
        for packet in sorted(packets, key=lambda packet: packet.at_s):
            self.hear(packet)
            if self.engine.counts.entered:
                return packet.at_s - CLONE_FROM_S
        return None

    def answer(self, at_s: float, rssi_dbm: int) -> None:
        """Her phone answers at the bell, with readings of the last six seconds."""
        at, bell = START.later(at_s), ChallengeRegistry()
        challenge = bell.challenge("phone", bytes(16), at)
        readings = [DoorbellReading(6.0 - n / 2, rssi_dbm) for n in range(13)]
        written = make_answer(challenge, readings, KEY, subjects.rules().site, slot_at(at.utc_s))
        answer = bell.answer("phone", written, at)
        if not isinstance(answer, Answer):
            raise SystemExit(f"the benchmark is wrong: the answer is {answer}")
        self.engine.answered(answer)

    def assurance(self, at_s: float) -> str:
        """Of the event that is sent; empty where there is none."""
        for outgoing in tuple(self.engine.outbox.pending):
            released = self.engine.dispatcher.release(outgoing, START.later(at_s))
            if isinstance(released, tuple):
                event = json.loads(encode(released[0], subjects.rules().site))
                return str(event["data"]["assurance"])
        return ""


def entered(attack: Attack, app: str) -> tuple[int, float]:
    """Percent of the runs, and the median seconds of those."""
    found = [
        after_s
        for seed in range(RUNS)
        if (after_s := Shop(app).enters_after_s(attack.packets(Random(f"{attack.name}/{seed}"))))
        is not None
    ]
    return round(100 * len(found) / RUNS), statistics.median(found) if found else float("nan")


def held_back(app: str, spoofed_every_s: float) -> int:
    """Of 892 readings of a customer in the shop, once a second to the end of the slot: how many do
    not count because her identifier was played under another address, at −90 dBm, once or so often.
    """
    shop = Shop(app)
    shop.hear(Packet(0.0, PHONE, -60, ticks=True))
    spoof_s = 0.5
    for second in range(4, 896):
        while spoof_s < second:
            shop.hear(Packet(spoof_s, CLONE, -90, ticks=False))
            spoof_s += spoofed_every_s
        shop.hear(Packet(float(second), PHONE, -60, ticks=True))
    return 893 - shop.engine.counts.recognised


BEFORE: Final = {"once": 891, "minute": 891, "challenge": 100}
"""At BASE, as `Attack.before_percent`."""


def playback_after_an_answer(app: str) -> int:
    """Percent of runs whose event says `challenge`: she answers at the bell outside, at −92 dBm,
    and a copy is played inside.
    """
    told = 0
    for seed in range(RUNS):
        shop = Shop(app)
        shop.answer(1.0, -92)
        shop.enters_after_s(sent(Random(seed), 4, -50, PHONE, from_s=CLONE_FROM_S, ticks=False))
        told += shop.assurance(SECONDS) == "challenge"
    return round(100 * told / RUNS)


def rescued(app: str) -> int:
    """Percent of runs in which a customer who is kept suspect enters by an answer inside."""
    found = 0
    for seed in range(RUNS):
        shop, chance = Shop(app), Random(seed)
        packets = [*sent(chance, 4, -60, PHONE), *sent(chance, 4, -90, CLONE, ticks=False)]
        for packet in sorted(packets, key=lambda packet: packet.at_s):
            if packet.at_s < 20:
                shop.hear(packet)
        shop.answer(20.0, -60)
        found += shop.engine.counts.entered
    return round(100 * found / RUNS)


def figures() -> Iterator[Figure]:
    for attack in ATTACKS:
        for app in APPS:
            percent, median_s = entered(attack, app)
            yield Figure(
                f"replay_attacks.{app}",
                percent,
                "% entered",
                note=f"{attack.name}; {_after(percent, median_s)}"
                f"at {BASE} {attack.before_percent} %",
            )
    for app in APPS:
        for name, every_s in (("once", 1e9), ("minute", 60.0)):
            yield Figure(
                f"replay_attacks.denied.{name}.{app}",
                held_back(app, every_s),
                "of 892 readings held back",
                note=f"at {BASE} {BEFORE[name]}",
            )
        yield Figure(
            f"replay_attacks.answer.{app}",
            playback_after_an_answer(app),
            "% say challenge",
            note=f"answer outside, playback inside; at {BASE} {BEFORE['challenge']} %",
        )
        yield Figure(f"replay_attacks.rescued.{app}", rescued(app), "% entered by the bell")


def _after(percent: int, median_s: float) -> str:
    return f"after {median_s:.1f} s, " if percent else ""


def table() -> Iterator[str]:
    """The table of docs/replay.md."""
    yield f"| attack | {BASE} | now, plain | now, ticks | now, ticks and flag |"
    yield "|---|---|---|---|---|"
    for attack in ATTACKS:
        cells = [f"{attack.before_percent} %"]
        for app in APPS:
            percent, median_s = entered(attack, app)
            cells.append(f"{percent} %" + (f", {median_s:.1f} s" if percent else ""))
        yield f"| {attack.name} | {' | '.join(cells)} |"
    for what, name, value in (
        ("one spoofed packet: readings held back, of 892", "once", lambda app: held_back(app, 1e9)),
        ("one each minute: readings held back, of 892", "minute", lambda app: held_back(app, 60)),
        (
            "answer outside, playback inside: % that say `challenge`",
            "challenge",
            playback_after_an_answer,
        ),
    ):
        yield f"| {what} | {BEFORE[name]} | {' | '.join(str(value(app)) for app in APPS)} |"


if __name__ == "__main__":
    for line in table():
        print(line, flush=True)
