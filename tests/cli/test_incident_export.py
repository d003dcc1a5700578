"""What a stolen gateway held is told from the copy of its folders, and nobody is named."""

import json
import shutil
import time
from pathlib import Path

import pytest

from presence.cli.incident_export import export_of
from presence.core.recognition.identifiers import WINDOW_S, window_at
from presence.core.timestamps import rfc3339
from presence.errors import StorageError
from tests.support.builders import ANNA, BERIT, base64url
from tests.support.canary import files_below
from tests.support.json_answers import judged
from tests.support.shops import Shop, entry
from tests.support.signed_gateway import Door
from tests.support.signed_lists import Repository, agreed


def windows(held: dict[str, object]) -> object:
    return [each["from"] for each in held["key_windows"]]  # type: ignore[attr-defined]


@pytest.mark.requirement("R-25", "T-13")
async def test_the_disk_of_a_stolen_gateway_tells_its_list_and_holds_no_window_key(
    tmp_path: Path,
) -> None:
    repository = Repository(tmp_path / "repository").base([agreed(ANNA), agreed(BERIT)])
    repository.publish()
    door = Door(tmp_path, repository)
    async with door.running():
        image, memory = door.image("image"), shutil.copytree(tmp_path / "run", tmp_path / "memory")
    before = files_below(image)

    held = judged("incident-export", export_of(image, image / "consent", None))
    with_memory = export_of(image, image / "consent", memory)

    [signed] = held["signed_list"]
    assert (signed["list"], signed["seq"], signed["epoch"]) == (
        repository.name,
        repository.seq,
        repository.epoch,
    )
    assert held["signed_entries"] == 2
    assert windows(held) == []
    now = window_at(time.time())
    assert windows(with_memory) == [rfc3339(now * WINDOW_S), rfc3339((now + 1) * WINDOW_S)]
    assert base64url(ANNA) not in json.dumps(with_memory)
    assert ANNA.hex() not in json.dumps(with_memory)
    assert files_below(image) == before, "evidence is not changed"


@pytest.mark.requirement("R-25")
async def test_of_a_plain_list_the_keys_in_its_file_are_told(tmp_path: Path) -> None:
    shop = Shop(tmp_path / "shop", 1).open([entry()])
    (shop.folder / "state").mkdir()
    arguments = ("--state-dir", shop.folder / "state", "--consent-dir", shop.folder)
    code, out, err = await shop.run("incident-export", *arguments, "--json")
    plain_code, plain, _ = await shop.run("incident-export", *arguments)

    assert (code, err, plain_code) == (0, "", 0)
    assert judged("incident-export", out)["key_windows"]
    assert base64url(ANNA) not in out + plain


def test_a_folder_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(StorageError, match="no such folder"):
        export_of(tmp_path / "gone", tmp_path, None)
