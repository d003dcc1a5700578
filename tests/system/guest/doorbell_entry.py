"""Scenarios of the doorbell: customers alone and at once, who is silent, who looks around, a bell
that was gone.
"""

import argparse
import asyncio
import contextlib
import itertools
import time
from typing import Any

from doorbell_air import BROADCAST, CONNECTABLE, Recorded
from doorbell_phone import SERVICE_UUID, Link
from doorbell_shop import SITE, Shop, ring, run, sh_, spread, visit
from gateway import journal

from presence.edges.host.clock import SystemClock
from scripts.app_emulator.doorbell import Customer as Owner
from scripts.app_emulator.doorbell import LinkLost, answer_once

Options = argparse.Namespace
LISTEN_S = 5.0
"""What docs/doorbell.md tells an app to do."""
SILENT_S = 15.0
BEACON_UUID = "0a6cb6b6-9b1f-4d59-8f5e-8a7a3b0d1c42"


async def power_on(shop: Shop, options: Options) -> dict[str, Any]:
    guests = 400 + options.repeats + options.rings + 2 * options.beside
    began = time.monotonic()
    await shop.open(guests=guests, extended=not options.legacy)
    phone = await shop.phone()
    _, heard_s = await phone.hear(within_s=60)
    on_air = await shop.recorded(3.0)
    version = await sh_(
        "uname -r; bluetoothctl --version; /opt/air/bin/pip list 2>/dev/null | grep bumble"
    )
    return {
        "adapter": shop.adapter.name,
        "first_advertisement_s": heard_s - began,
        "on_air": _kinds(on_air),
        "in_3_s": len(on_air),
        "versions": version,
        "guests": guests,
    }


async def enters(shop: Shop, options: Options) -> dict[str, Any]:
    """A phone listens as an app does and answers, in the emulator's own words; from the first
    advertisement.
    """
    to_event, after_listening, to_written, links = [], [], [], []
    assurance, attempts = set(), 0
    phone = await shop.phone()
    for _ in range(options.repeats):
        guest = shop.guest()
        await phone.change_address()
        owner = Owner(guest.identity_key, SITE, SERVICE_UUID)
        began = time.monotonic()
        told = await answer_once(phone, owner, SystemClock(), listen_s=LISTEN_S)
        written_s = time.monotonic()
        at, event = await shop.event_of(guest)
        assurance.add(event["data"]["assurance"])
        heard_s = written_s - told.first_heard_to_written_s
        to_event.append(at - heard_s)
        after_listening.append(at - began - LISTEN_S)
        to_written.append(told.first_heard_to_written_s)
        links.append(told.link_s)
        attempts += told.attempts
    return {
        "repeats": options.repeats,
        "first_advertisement_to_event_s": spread(to_event),
        "of_it_after_listening_s": spread(after_listening),
        "first_advertisement_to_written_s": spread(to_written),
        "link_s": spread(links),
        "assurance": sorted(assurance),
        "attempts": attempts,
    }


async def silent(shop: Shop, options: Options) -> dict[str, Any]:
    """One connects and says nothing: how soon the bell rings again, and how soon the silent one is
    sent away.
    """
    one, other = await shop.phone(), await shop.phone()
    rings_again, gone, rung = [], [], []
    for _ in range(5):
        connected = asyncio.Event()

        async def hold(link: Link, connected: asyncio.Event = connected) -> None:
            began = time.monotonic()
            connected.set()
            at, reason = await asyncio.wait_for(asyncio.shield(link.gone), SILENT_S)
            gone.append((round(at - began, 3), reason))

        async with asyncio.TaskGroup() as tasks:
            holding = tasks.create_task(visit(one, hold, find=False))
            await connected.wait()
            began = time.monotonic()
            guest = shop.guest()
            seen = await ring(other, guest.answer)
            rings_again.append(seen.heard_s - began)
            at, _ = await shop.event_of(guest)
            rung.append(at - began)
            assert not holding.done(), "the silent one was gone already"
    return {
        "rings_again_s": spread(rings_again),
        "another_entered_s": spread(rung),
        "sent_away_s": spread([at for at, _ in gone]),
        "reasons": sorted({reason for _, reason in gone}),
    }


async def crowd(shop: Shop, options: Options) -> dict[str, Any]:
    """Two, then three phones at the same time, ten times each."""
    phones = [await shop.phone() for _ in range(3)]
    told: dict[str, Any] = {}
    for number in (2, 3):
        taken, attempts = [], []
        for _ in range(10):
            guests = [shop.guest() for _ in range(number)]
            began = time.monotonic()
            async with asyncio.TaskGroup() as tasks:
                each = [
                    tasks.create_task(ring(p, g.answer))
                    for p, g in zip(phones, guests, strict=False)
                ]
            for guest in guests:
                at, _ = await shop.event_of(guest)
                taken.append(at - began)
            attempts += [task.result().attempts for task in each]
        told[str(number)] = {
            "answers": len(taken), "to_event_s": spread(taken), "attempts_most": max(attempts),
            "attempts_mean": round(sum(attempts) / len(attempts), 2),
        }  # fmt: skip
    return told


async def bluetoothd_restarted(shop: Shop, options: Options) -> dict[str, Any]:
    """And, then, killed: how soon it rings again, and that it is answered."""
    phone, told = await shop.phone(), {}
    restarts = await run(shop.restarts)
    down = {
        "restarted": "systemctl restart bluetooth",
        "killed": "systemctl kill -s KILL bluetooth; sleep 1; systemctl restart bluetooth",
    }
    for name, command in down.items():
        await sh_(command)
        back = time.monotonic()
        _, heard_s = await phone.hear(within_s=60)
        guest = shop.guest()
        await ring(phone, guest.answer)
        at, _ = await shop.event_of(guest)
        told[name] = {"rings_s": round(heard_s - back, 2), "entered_s": round(at - back, 2)}
    said = [line for line in await run(journal) if str(line.get("event")).startswith("doorbell.")]
    return {**told, "restarts": await run(shop.restarts) - restarts, "said": said[-4:]}


async def beacon(shop: Shop, options: Options) -> dict[str, Any]:
    """The beacon beside the doorbell: both on air, and phones answer as before."""
    await run(lambda: shop.set_bell(beacon_uuid=BEACON_UUID, beacon_major="42"))
    await sh_("systemctl restart presence")
    phone = await shop.phone()
    await phone.hear(within_s=60)
    await asyncio.sleep(3)
    on_air, answered = await shop.recorded(10.0), []
    for _ in range(10):
        guest = shop.guest()
        answered.append((await ring(phone, guest.answer)).written)
        await shop.event_of(guest)
    silences = {kind: _longest_silence_s(on_air, kind) for kind in (CONNECTABLE, BROADCAST)}
    await run(lambda: shop.set_bell(beacon_uuid=""))
    await sh_("systemctl restart presence")
    await phone.hear(within_s=60)
    return {
        "on_air": _kinds(on_air),
        "longest_silence_s": silences,
        "in_10_s": len(on_air),
        "answer_s": spread(answered),
    }


async def looked_at(shop: Shop, options: Options) -> dict[str, Any]:
    """What a stranger can see of us and do: services, pairing."""
    phone, services = await shop.phone(canary=True, resolvable=False), {}
    paired = ""

    async def look(link: Link) -> None:
        nonlocal paired
        for service in await link.peer.discover_services():
            found = await link.peer.discover_characteristics(service=service)
            services[str(service.uuid)] = {
                str(each.uuid): [str(each.properties), await _value(each)] for each in found
            }
        try:
            await asyncio.wait_for(link.connection.pair(), 2)
            paired = f"paired: {link.connection.is_encrypted}"
        except Exception as error:  # noqa: BLE001 - told
            paired = repr(error)[:200]

    with contextlib.suppress(LinkLost):
        await visit(phone, look, find=False)
    return {"services": services, "pairing": paired}


def _longest_silence_s(on_air: list[Recorded], kind: int) -> float:
    times = [at for at, _, each, _ in on_air if each == kind]
    return round(max((later - at for at, later in itertools.pairwise(times)), default=0.0), 2)


def _kinds(on_air: list[Recorded]) -> list[tuple[int, str]]:
    return sorted({(kind, data.hex()) for _, _, kind, data in on_air})


async def _value(characteristic: Any) -> str:
    if "READ" not in str(characteristic.properties):
        return ""
    try:
        return bytes(await asyncio.wait_for(characteristic.read_value(), 5)).hex()
    except Exception as error:  # noqa: BLE001 - told
        return repr(error)[:60]
