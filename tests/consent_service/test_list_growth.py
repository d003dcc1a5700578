"""A list that grows by more than a fifth, from the publisher's folder or a thief's hands to the
gateway (T-19).
"""

import json
import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from securesystemslib.signer import CryptoSigner

from presence.cli import main
from presence.consent_service.service import ConsentService
from presence.core.consent.growth import ROOT_FIELD, Edition, root_field
from presence.edges.consent_list.repository import TufRepository
from presence.edges.consent_list.segment_files import WindowKeyFiles
from presence.edges.consent_list.signed import SignedList
from presence.edges.consent_list.store import ListStore
from presence.errors import ConsentListError, ListGrew
from presence.telemetry import ConsentGrew
from tests.support.consent_services import a_wish
from tests.support.older_stores import ALL_IN_ROWS
from tests.support.signed_gateway import Door
from tests.support.signed_lists import LIST, Repository, agreed

pytestmark = pytest.mark.requirement("T-19")
DAY_S = 86_400.0


class Hours:
    """The gateway's clock, as far as growth is measured by it."""

    def __init__(self) -> None:
        self.passed_s = 0.0

    def __call__(self) -> float:
        return time.time() + self.passed_s


class Shop:
    """One gateway. `look` says how many entries its list has then."""

    def __init__(self, folder: Path, repository: Path, root_file: Path) -> None:
        self.folder, self.clock = folder, Hours()
        self._places = (repository, root_file)
        self.entries = 0
        self.list = self._open()

    def _open(self) -> SignedList:
        repository, root_file = self._places
        tuf = TufRepository(str(repository), root_file=root_file, metadata_dir=self.folder / "tuf")
        store, keys = ListStore(self.folder), WindowKeyFiles(self.folder / "run")
        return SignedList(tuf, store, keys, name=LIST, max_span_s=396 * DAY_S, clock=self.clock)

    def restart(self) -> None:
        self.list.close()
        self.list = self._open()

    def look(self) -> int:
        verified = self.list.read()
        if verified is not None and verified.indexed is not None:
            self.entries = verified.entries
        return self.entries

    def refuses(self, reason: str | None = None) -> str:
        with pytest.raises(ListGrew, match=reason) as refused:
            self.list.read()
        return str(refused.value)


def customers(count: int) -> list[Any]:
    return [agreed(number.to_bytes(8, "big")) for number in range(1, count + 1)]


def grown(repository: Repository, count: int) -> Repository:
    """The next list, with so many entries; to be published."""
    repository.seq += 1
    return repository.base(customers(count), new_epoch=True)


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    return Repository(tmp_path / "repository").base(customers(100)).publish()


@pytest.fixture
def shop(tmp_path: Path, repository: Repository) -> Iterator[Shop]:
    shop = Shop(tmp_path / "shop", repository.folder, repository.root_file)
    assert shop.look() == 100
    yield shop
    shop.list.close()


def test_a_thief_of_the_online_keys_gains_a_fifth_and_no_more(
    shop: Shop, repository: Repository
) -> None:
    grown(repository, 120).publish()
    assert shop.look() == 120
    grown(repository, 121).publish()
    said = shop.refuses("to 121 entries, and 120 are the most")
    assert "nobody approved it" in said
    assert "--approve-growth" in said
    repository.publish()  # again and again
    shop.refuses()
    shop.restart()
    shop.refuses()


def test_nothing_of_a_list_that_grew_is_fetched(shop: Shop, repository: Repository) -> None:
    grown(repository, 200).publish()
    for segment in (repository.folder / "targets/base").rglob("*.seg"):
        segment.unlink()
    shop.refuses()


def test_a_list_that_shrinks_first_and_one_that_grows_by_a_delta_gain_no_more(
    shop: Shop, repository: Repository
) -> None:
    grown(repository, 3).publish()
    assert shop.look() == 3
    grown(repository, 121).publish()
    shop.refuses("120 are the most")
    repository.seq, repository.epoch = repository.seq - 1, repository.epoch - 1
    repository.base(customers(3)).delta([], count=121).publish()
    shop.refuses("120 are the most")


def test_what_is_taken_within_a_day_is_measured_by_the_fewest_of_it_also_after_a_restart(
    shop: Shop, repository: Repository
) -> None:
    grown(repository, 119).publish()
    assert shop.look() == 119
    shop.clock.passed_s = 2 * 3600
    grown(repository, 120).publish()
    assert shop.look() == 120
    shop.restart()
    grown(repository, 140).publish()
    shop.clock.passed_s = 23 * 3600
    shop.refuses("120 are the most")
    shop.clock.passed_s = 27 * 3600
    assert shop.look() == 140


def test_an_approved_list_is_taken_and_the_next_is_measured_by_it(
    shop: Shop, repository: Repository
) -> None:
    grown(repository, 300).approve().publish()
    assert shop.look() == 300
    grown(repository, 361).publish()
    shop.refuses("had")
    grown(repository, 360).publish()
    assert shop.look() == 360


def test_who_missed_the_approved_list_takes_the_next(shop: Shop, repository: Repository) -> None:
    grown(repository, 300).approve().publish()
    grown(repository, 310).publish()
    assert shop.look() == 310


@pytest.mark.parametrize(
    ("forgery", "reason"),
    [
        ({"key": Ed25519PrivateKey.generate()}, "forged"),
        ({"kid": "approval-2"}, "unknown_key"),
        ({"count": 299}, "for 299 entries"),
        ({"name": "acme/se-0001"}, "for the list acme/se-0001"),
        ({"edition": Edition(1, 1, 1)}, "for a list that this gateway had"),
        ({"edition": Edition(1, 9, 9)}, "for a newer list"),
    ],
)
def test_an_approval_of_something_else_lets_nothing_in(
    shop: Shop, repository: Repository, forgery: dict[str, Any], reason: str
) -> None:
    grown(repository, 300).approve(**forgery).publish()
    shop.refuses(reason)


def test_an_approval_cannot_be_played_back(shop: Shop, repository: Repository) -> None:
    grown(repository, 300).approve().publish()
    assert shop.look() == 300
    grown(repository, 100).publish()
    assert shop.look() == 100
    grown(repository, 300).publish()
    shop.refuses("for a list that this gateway had")


def test_online_keys_name_no_approval_key_of_their_own(shop: Shop, repository: Repository) -> None:
    """The thief has targets, snapshot and timestamp, and one root key; two are needed."""
    mine = Ed25519PrivateKey.generate()
    for role in (repository.timestamp, repository.snapshot, repository.targets):
        role.signed.unrecognized_fields[ROOT_FIELD] = root_field("approval-1", mine.public_key())
    grown(repository, 300).approve(key=mine).publish()
    shop.refuses("forged")
    thief = [repository.signers["root"][0], CryptoSigner.generate_ed25519()]
    repository.root.signed.unrecognized_fields[ROOT_FIELD] = root_field(
        "approval-1", mine.public_key()
    )
    repository.root.signed.version += 1
    repository.publish_root(signers=thief)
    with pytest.raises(ConsentListError, match="not proven"):
        shop.list.read()
    assert shop.entries == 100


def test_a_new_root_replaces_the_approval_key(shop: Shop, repository: Repository) -> None:
    stolen, repository.approval_key = repository.approval_key, Ed25519PrivateKey.generate()
    root = repository.root.signed
    root.unrecognized_fields[ROOT_FIELD] = root_field(
        "approval-2", repository.approval_key.public_key()
    )
    root.version += 1
    repository.publish_root()
    grown(repository, 300).approve(key=stolen).publish()
    shop.refuses("unknown_key")
    repository.approve(kid="approval-2").publish()
    assert shop.look() == 300


def test_under_an_older_root_lists_grow_by_a_fifth_and_the_refusal_says_how_more_is_done(
    tmp_path: Path,
) -> None:
    repository = Repository(tmp_path / "old")
    del repository.root.signed.unrecognized_fields[ROOT_FIELD]
    repository.publish_root()
    repository.root_file.write_bytes((repository.folder / "metadata/1.root.json").read_bytes())
    repository.base(customers(100)).publish()
    shop = Shop(tmp_path / "shop", repository.folder, repository.root_file)
    with closing(shop.list):
        assert shop.look() == 100
        grown(repository, 120).publish()
        assert shop.look() == 120
        grown(repository, 300).approve().publish()
        shop.refuses("rotate approval")


def test_a_store_of_an_older_version_measures_by_what_it_holds(
    shop: Shop, repository: Repository
) -> None:
    shop.list.close()
    path = shop.folder / "signed-list.sqlite"
    with closing(sqlite3.connect(path)) as database:
        database.executescript(ALL_IN_ROWS)
        rows = ((n.to_bytes(8, "big"),) for n in range(100))
        database.executemany("INSERT INTO entry VALUES (?, 1, x'', 0)", rows)
        database.executescript("ALTER TABLE list DROP COLUMN counts; PRAGMA user_version=1;")
    shop.restart()
    grown(repository, 121).publish()
    shop.refuses("120 are the most")


async def test_the_list_in_force_stays_its_lease_runs_on_and_it_is_an_alarm(
    tmp_path: Path, repository: Repository
) -> None:
    door = Door(tmp_path / "door", repository)
    async with door.running():
        list_sync = door.gateway.list_sync
        lease = list_sync.lease
        grown(repository, 200).publish()
        await door.look()
        assert "200 entries" in door.refusal()
        assert list_sync.lease is lease
        assert (list_sync.entries, list_sync.seq) == (100, 1)
        [grew, *_] = door.telemetry.of(ConsentGrew)
        assert (grew.seq, grew.entries) == (1, 200)


class Chain:
    """The publisher's folder, by its commands."""

    def __init__(self, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self.folder, self._capsys = folder, capsys

    def __call__(self, action: str, *arguments: str) -> dict[str, Any]:
        code = main(["consents", action, "--directory", str(self.folder), "--json", *arguments])
        out, err = self._capsys.readouterr()
        return {"code": code, "errors": err, **(json.loads(out) if out else {})}

    def agree(self, first: int, last: int) -> None:
        now_s = time.time()
        times = {"not_before_s": now_s - 60, "not_after_s": now_s + 90 * DAY_S}
        with closing(ConsentService(self.folder, None, clock=time.time)) as service:
            service.add_all(
                [a_wish(f"c{n}", **times) for n in range(first, last)], told=lambda _: None
            )

    @property
    def safe(self) -> Path:
        return self.folder.with_name("safe")

    def put_root_keys_away(self) -> None:
        (self.folder / "keys/root").rename(self.safe)


@pytest.fixture
def chain(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Chain:
    """A hundred customers, published; the root keys are in their safe."""
    chain = Chain(tmp_path / "chain", capsys)
    chain("init", "--list", LIST)
    chain.put_root_keys_away()
    chain.agree(0, 100)
    assert chain("publish")["entries"] == 100
    return chain


@pytest.fixture
def fed(tmp_path: Path, chain: Chain) -> Iterator[Shop]:
    """A gateway of that chain."""
    root_file = tmp_path / "root.json"
    root_file.write_bytes((chain.folder / "repository/metadata/1.root.json").read_bytes())
    shop = Shop(tmp_path / "shop", chain.folder / "repository", root_file)
    assert shop.look() == 100
    yield shop
    shop.list.close()


def test_growth_is_asked_for_and_approved_with_the_key_from_the_safe(
    chain: Chain, fed: Shop
) -> None:
    chain.agree(100, 121)
    refused = chain("publish")
    assert refused["code"] == 69
    assert (
        "from 100 to 121 customers within a day, and gateways take 120 at most" in refused["errors"]
    )
    assert "--approve-growth" in refused["errors"]
    away = chain("publish", "--approve-growth")
    assert (away["code"], "--approval-key FILE" in away["errors"]) == (69, True)
    assert fed.look() == 100
    assert (
        chain("publish", "--approve-growth", "--approval-key", str(chain.safe / "approval.pem"))[
            "code"
        ]
        == 0
    )
    assert fed.look() == 121
    chain.agree(121, 145)
    assert chain("publish")["entries"] == 145  # measured by what was approved, here and there
    assert fed.look() == 145


def test_a_gateway_that_missed_the_approved_list_takes_the_next_and_one_with_a_new_base(
    chain: Chain, fed: Shop
) -> None:
    chain.agree(100, 200)
    chain("publish", "--approve-growth", "--approval-key", str(chain.safe / "approval.pem"))
    chain.agree(200, 210)
    chain("publish", "--new-base")
    assert fed.look() == 210


def test_without_the_publishers_own_gate_the_gateway_refuses_all_the_same(
    chain: Chain, fed: Shop
) -> None:
    """Whoever is at home in the publisher's machine makes it forget."""
    chain.agree(100, 200)
    with (
        closing(ConsentService(chain.folder, None, clock=time.time)) as service,
        service.register.transaction(),
    ):
        service.register.set_fact("counts", "[]")
    assert chain("publish")["entries"] == 200
    fed.refuses("nobody approved it")
    assert (
        chain("publish", "--approve-growth", "--approval-key", str(chain.safe / "approval.pem"))[
            "code"
        ]
        == 0
    )
    assert fed.look() == 200


def test_another_key_than_the_roots_approves_nothing(chain: Chain, tmp_path: Path) -> None:
    chain.agree(100, 200)
    answer = chain("publish", "--approve-growth", "--approval-key", str(chain.safe / "1.pem"))
    assert (answer["code"], "the newest root names another approval key" in answer["errors"]) == (
        69,
        True,
    )


def test_the_approval_key_is_replaced_under_a_new_root_also_while_growth_waits(
    chain: Chain, fed: Shop
) -> None:
    chain.agree(100, 200)
    new = chain.safe / "approval-2.pem"
    rotated = chain("rotate", "approval", "--root-keys", str(chain.safe), "--new-key", str(new))
    assert (rotated["code"], rotated["root"]) == (0, 2)
    assert new.stat().st_mode & 0o777 == 0o600
    assert fed.look() == 100
    old = chain("publish", "--approve-growth", "--approval-key", str(chain.safe / "approval.pem"))
    assert (old["code"], "another approval key" in old["errors"]) == (69, True)
    assert chain("publish", "--approve-growth", "--approval-key", str(new))["code"] == 0
    assert fed.look() == 200


def test_a_list_of_an_older_version_is_told_what_makes_an_approval_key(
    chain: Chain, fed: Shop
) -> None:
    repository = chain.folder / "repository/metadata/1.root.json"
    value = json.loads(repository.read_text())
    del value["signed"][ROOT_FIELD]
    repository.write_text(json.dumps(value))
    chain.agree(100, 200)
    answer = chain(
        "publish", "--approve-growth", "--approval-key", str(chain.safe / "approval.pem")
    )
    assert (answer["code"], "rotate approval --new-key FILE" in answer["errors"]) == (69, True)


def test_online_keys_can_be_replaced_while_growth_waits(chain: Chain, fed: Shop) -> None:
    chain.agree(100, 200)
    rotated = chain("rotate", "online", "--root-keys", str(chain.safe))
    assert rotated["code"] == 69
    assert "from 100 to 200" in rotated["errors"]
    fed.restart()
    assert fed.look() == 100  # the list before, under the new keys
    assert (
        chain("publish", "--approve-growth", "--approval-key", str(chain.safe / "approval.pem"))[
            "code"
        ]
        == 0
    )
    assert fed.look() == 200


def test_the_approval_key_is_no_root_key(chain: Chain) -> None:
    (chain.safe / "2.pem").unlink()
    (chain.safe / "3.pem").unlink()
    answer = chain("rotate", "timestamp", "--root-keys", str(chain.safe))
    assert (answer["code"], "1 root keys, 2 are needed" in answer["errors"]) == (69, True)


def test_a_register_of_an_older_version_measures_by_what_it_released_last(chain: Chain) -> None:
    with (
        closing(ConsentService(chain.folder, None, clock=time.time)) as service,
        service.register.transaction(),
    ):
        service.register.set_fact("counts", "")
        service.register.set_fact("released_count", 100)
    chain.agree(100, 121)
    assert "from 100 to 121" in chain("publish")["errors"]
