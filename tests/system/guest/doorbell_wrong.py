"""The doorbell and answers that are worth nothing: what is told, what is counted, what the phone
sees.
"""

import argparse
import asyncio
import random
import time
from collections.abc import Awaitable, Callable
from typing import Any, Final

from doorbell_phone import Link
from doorbell_shop import SITE, Guest, Shop, run, visit

from presence.core.site import Site

Make = Callable[[bytes], bytes]
Counts = Callable[[], Awaitable[dict[str, Any]]]
ENDS_AFTER_S: Final = 45.0
TIMES: Final = 3
"""So often each of them."""


async def refused(shop: Shop, _options: argparse.Namespace) -> dict[str, Any]:
    """Whatever is wrong: nothing is told, it is counted, and the phone sees what a right one would
    see.
    """
    phone, good = await shop.phone(), shop.guest()
    ended, withdrawn = shop.guest(), shop.guest()
    ended.ends_at_s = time.time() + ENDS_AFTER_S
    times: dict[str, list[float]] = {}
    told: dict[str, Any] = {}
    async with shop.counted() as counts:
        await run(shop.give_out)
        ends_at = time.monotonic() + ENDS_AFTER_S
        await phone.hear(within_s=60)

        async def note(
            name: str, use: Callable[[Link], Any], *, times: int = 1, **how: Any
        ) -> None:
            before = await counts()
            for _ in range(times):
                await visit(phone, use, **how)
            told[name] = _differs(before, await counts())

        recorded, right = [b""], shop.guest()
        await note("twice", _twice(right.answer, recorded))
        await shop.event_of(right)
        events = len(shop.engine.ids())
        for name, make in _wrong(good, recorded).items():
            await note(name, _timed(make, times.setdefault(name, [])), times=TIMES)
        await note("in_halves", _in_halves(good.answer))
        await asyncio.sleep(max(0.0, ends_at + 2 - time.monotonic()))
        await note(
            "permission_ended", _timed(ended.answer, times.setdefault("permission_ended", []))
        )
        shop.guests.remove(withdrawn)
        await run(shop.give_out)
        await asyncio.sleep(5)
        await note(
            "permission_withdrawn",
            _timed(withdrawn.answer, times.setdefault("permission_withdrawn", [])),
        )
        await asyncio.sleep(3)
        published = len(shop.engine.ids()) - events
        # And nothing of all that keeps the customer from being recognised: in pieces of 18 bytes
        # this time.
        await note("in_pieces", _timed(good.answer, []), mtu=0)
        await shop.event_of(good)
        for _ in range(TIMES):
            await visit(phone, _timed(shop.guest().answer, times.setdefault("right", [])))
    return {
        "published": published, "counted": told,
        "write_s": {name: round(sum(each) / len(each), 3) for name, each in times.items()},
    }  # fmt: skip


def _wrong(good: Guest, recorded: list[bytes]) -> dict[str, Make]:
    """`good` is on the list and would enter; `recorded` holds the right answer of somebody else."""
    return {
        "replayed": lambda _: recorded[0],
        "replayed_own": lambda _: good.answer(b"\x01" + bytes(16)),
        "slot_before": lambda challenge: good.answer(challenge, late_slots=2),
        "other_store": lambda challenge: good.answer(challenge, site=Site(SITE.chain, "fi-0043")),
        "one_bit": lambda challenge: _flip(good.answer(challenge)),
        "one_bit_of_eid": lambda challenge: _flip(good.answer(challenge), 8 + random.randrange(64)),
        "one_bit_of_mac": lambda challenge: _flip(
            good.answer(challenge), -1 - random.randrange(128)
        ),
        "oversize": lambda challenge: good.answer(challenge) + bytes(100),
        "oversize_512": lambda challenge: good.answer(challenge).ljust(512, b"\0"),
        "empty": lambda _: b"",
        "stranger": lambda challenge: Guest(99_999).answer(challenge),
    }


def _timed(make: Make, times: list[float]) -> Callable[[Link], Any]:
    """Reads, writes, and notes how long the write took; an error of the gateway would be raised."""

    async def use(link: Link) -> None:
        answer = make(await link.challenge())
        began = time.monotonic()
        await link.answer(answer)
        times.append(time.monotonic() - began)

    return use


def _twice(make: Make, recorded: list[bytes]) -> Callable[[Link], Any]:
    """The right answer, and the same again in the same connection."""

    async def use(link: Link) -> None:
        recorded[0] = make(await link.challenge())
        await link.answer(recorded[0])
        await link.answer(recorded[0])

    return use


def _in_halves(make: Make) -> Callable[[Link], Any]:
    async def use(link: Link) -> None:
        answer = make(await link.challenge())
        await link.answer(answer[: len(answer) // 2])
        await link.answer(answer[len(answer) // 2 :])

    return use


def _flip(answer: bytes, bit: int | None = None) -> bytes:
    """One bit changed: number `bit` of them, counted from the end where it is negative; by chance
    where None.
    """
    if bit is None:
        bit = random.randrange(8 * len(answer))
    place = 8 * len(answer) - 1 - bit if bit >= 0 else -1 - bit
    return (int.from_bytes(answer, "big") ^ 1 << place).to_bytes(len(answer), "big")


def _differs(before: dict[str, Any], after: dict[str, Any]) -> dict[str, int]:
    """What was counted in between."""
    found = {
        name: after[name] - before[name]
        for name in ("answered", "entered")
        if after[name] != before[name]
    }
    old, new = before["unanswered"], after["unanswered"]
    return found | {name: n - old.get(name, 0) for name, n in new.items() if n != old.get(name, 0)}
