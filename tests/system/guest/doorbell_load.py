"""Scenarios of the doorbell: strangers, rings and customers in numbers, and the trial's server
beside ours.
"""

import argparse
import asyncio
import contextlib
import time
from typing import Any

import doorbell_trial
from doorbell_phone import Link, Phone
from doorbell_shop import WALKED_IN, Guest, Shop, ring, run, sh_, spread, stranger, until_, visit
from doorbell_traces import metrics, traces

from scripts.app_emulator.doorbell import LinkLost

Options = argparse.Namespace


async def rings(shop: Shop, options: Options) -> dict[str, Any]:
    """One customer after the other, as fast as one phone can: none is lost."""
    phone, lost, number = await shop.phone(), 0, options.rings
    written, to_event, attempts = [], [], 0
    began = time.monotonic()
    for _ in range(number):
        guest = shop.guest()
        seen = await ring(phone, guest.answer)
        written.append(seen.written)
        attempts += seen.attempts
        try:
            at, _ = await shop.event_of(guest, within_s=10)
            to_event.append(at - seen.heard_s)
        except AssertionError:
            lost += 1
    took_s = time.monotonic() - began
    return {
        "rings": number, "lost": lost, "attempts": attempts, "answer_s": spread(written),
        "event_s": spread(to_event), "a_minute": round(60 * number / took_s, 1),
        "events": len(shop.engine.ids()), "distinct": len(set(shop.engine.ids())),
    }  # fmt: skip


async def throughput(shop: Shop, options: Options) -> dict[str, Any]:
    """Three phones at once, each one customer after the other, for a minute."""
    phones, seconds = [await shop.phone() for _ in range(3)], 60.0
    waited: list[float] = []
    attempts: list[int] = []
    began = time.monotonic()

    async def customers(phone: Phone) -> list[Guest]:
        done = []
        while time.monotonic() - began < seconds:
            guest, at = shop.guest(), time.monotonic()
            attempts.append((await ring(phone, guest.answer)).attempts)
            waited.append(time.monotonic() - at)
            done.append(guest)
        return done

    async with asyncio.TaskGroup() as tasks:
        each = [tasks.create_task(customers(phone)) for phone in phones]
    took_s = time.monotonic() - began
    guests = [guest for task in each for guest in task.result()]
    for guest in guests:
        await shop.event_of(guest)
    return {
        "answers": len(guests),
        "a_minute": round(60 * len(guests) / took_s, 1),
        "attempts": sum(attempts),
        "customer_s": spread(waited),
    }


async def besieged(shop: Shop, options: Options) -> dict[str, Any]:
    """Six phones connect, say nothing until they are sent away, and come again, while customers
    answer.
    """
    phones, customer = [await shop.phone() for _ in range(6)], await shop.phone()
    links, entered, attempts = 0, [], []
    over = asyncio.Event()

    async def hold(link: Link) -> None:
        nonlocal links
        links += 1
        await asyncio.wait_for(asyncio.shield(link.gone), 20)

    async def besiege(phone: Phone) -> None:
        while not over.is_set():
            with contextlib.suppress(LinkLost, TimeoutError):
                await visit(phone, hold, find=False)

    async with asyncio.TaskGroup() as tasks:
        for phone in phones:
            tasks.create_task(besiege(phone))
        await asyncio.sleep(3)
        for _ in range(15):
            guest, began = shop.guest(), time.monotonic()
            attempts.append((await ring(customer, guest.answer)).attempts)
            at, _ = await shop.event_of(guest)
            entered.append(at - began)
            await asyncio.sleep(1)
        over.set()
    await customer.hear(within_s=60)
    return {
        "silent_links": links,
        "entered": len(entered),
        "entered_s": spread(entered),
        "attempts": sum(attempts),
    }


async def beside_the_trial(shop: Shop, options: Options) -> dict[str, Any]:
    """The trial's server (docs/recordings.md#trial) and ours, in turns on the same adapter, the
    same phone, the same steps.
    """
    phone = await shop.phone()
    times: dict[str, list[float]] = {"trial": [], "ours": []}
    for _ in range(2):
        await sh_("systemctl stop presence")
        async with doorbell_trial.serving(shop.adapter.name):
            for _ in range(options.beside):
                seen = await ring(phone, _trial_answer, service_uuid=doorbell_trial.SERVICE)
                times["trial"].append(seen.written)
        await sh_("systemctl start presence")
        await phone.hear(within_s=60)
        await asyncio.sleep(5)
        for _ in range(options.beside):
            times["ours"].append((await ring(phone, shop.guest().answer)).written)
    told = {name: spread(each) for name, each in times.items()}
    return {
        **told,
        "rings_each": len(times["ours"]),
        "ratio": round(told["ours"]["median"] / told["trial"]["median"], 2),
    }


async def strangers(shop: Shop, options: Options) -> dict[str, Any]:
    """They connect, three at a time; a customer is heard and another answers before, meanwhile and
    after.
    """
    number, ways = options.strangers, 0
    phones = [await shop.phone(canary=True, resolvable=n == 0) for n in range(3)]
    owner, done, failed = await shop.phone(), 0, 0
    heard, rung = [], []

    async def customers_come() -> None:
        guest, listener = shop.guest(), shop.guest()
        shop.air.silence()
        before, began = len(shop.events_of(listener)), time.monotonic()
        shop.air.hear(listener.address, listener.payload)
        seen = await ring(owner, guest.answer)
        rung.append(((await shop.event_of(guest))[0]) - seen.heard_s)
        await until_(
            lambda: len(shop.events_of(listener)) > before, 60, "the customer who is heard"
        )
        heard.append(time.monotonic() - began)
        shop.air.silence()

    async def come(phone: Phone, share: int) -> None:
        nonlocal ways, done, failed
        while done < share:
            ways += 1
            if await stranger(phone, ways):
                done += 1
            else:
                failed += 1

    async def crowd(upto: int) -> None:
        async with asyncio.TaskGroup() as tasks:
            for phone in phones:
                tasks.create_task(come(phone, upto))

    await crowd(min(30, number // 3))
    await customers_come()
    memory = {"begin": await run(shop.resident_kib)}
    began = time.monotonic()
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(crowd(number // 2))
        tasks.create_task(customers_come())
    memory["middle"] = await run(shop.resident_kib)
    await crowd(number)
    took_s = time.monotonic() - began
    memory["end"] = await run(shop.resident_kib)
    await customers_come()
    at_once = await run(traces)
    await asyncio.sleep(45)
    memory["later"] = await run(shop.resident_kib)
    later = await run(traces)
    said = b"\n".join(shop.engine.everything).lower()
    return {
        "strangers": done,
        "not_connected": failed,
        "a_minute": round(60 * done / took_s, 1),
        "kib": memory,
        "heard_customer_entered_s": [round(each, 2) for each in heard],
        "answering_customer_entered_s": [round(each, 2) for each in rung],
        "at_once": at_once,
        "after_45_s": later,
        "mqtt": b"7a:9d:e1" in said or b"7a9de1" in said,
        "metrics": len(await run(metrics)),
        "restarts": await run(shop.restarts),
    }


def _trial_answer(challenge: bytes) -> bytes:
    """As long as ours."""
    return challenge[1:] + bytes(10 + 2 * len(WALKED_IN))
