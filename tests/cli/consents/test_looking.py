"""`presence consents show, status` for a person: words, and no JSON between them."""

import time
from collections.abc import Callable
from pathlib import Path

import pytest

from presence.cli import main
from presence.core.timestamps import rfc3339

DAY_S = 86_400
TODAY_S = 1_795_440_000.0  # 2026-11-23
Said = Callable[..., str]


@pytest.fixture
def said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Said:
    """What an action says of a list with Anna in it."""

    def said(action: str, *words: str) -> str:
        assert main(["consents", action, "--directory", str(tmp_path / "acme"), *words]) == 0
        return capsys.readouterr().out

    said("init", "--list", "acme/fi-0042", "--audience", "offers-main=offers")
    said(
        *("add", "anna", "--purpose", "presence", "--purpose", "offers", "--until", "2027-06-01"),
        *("--from", "2026-06-01", "--category", "ap2:1551=2027-03-01", "--category", "ap2:1285"),
    )
    return said


@pytest.fixture(autouse=True)
def today(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(time, "time", lambda: TODAY_S)


def rows(text: str) -> list[list[str]]:
    return [line.split(maxsplit=1) for line in text.splitlines()]


def test_an_agreement_is_shown_in_words(said: Said) -> None:
    shown = said("show", "anna")
    assert not set('{}[]"') & set(shown)
    assert ["valid", "2026-06-01T00:00:00Z to 2027-06-01T00:00:00Z"] in rows(shown)
    assert ["category", "ap2:1551, to 2027-03-01T00:00:00Z"] in rows(shown)
    assert ["purposes", "offers, presence"] in rows(shown)
    assert ["told", "to     offers-main"] in rows(shown)
    assert "paused" not in shown


def test_a_pause_is_shown_with_its_end(said: Said) -> None:
    said("pause", "anna", "--until", "2026-12-24T12:00:00Z")
    assert ["paused", "until 2026-12-24T12:00:00Z"] in rows(said("show", "anna"))
    assert "paused until 2026-12-24T12:00:00Z" in said("list")
    said("pause", "anna")
    assert ["paused", "until `presence consents resume`"] in rows(said("show", "anna"))
    said("resume", "anna")
    assert "paused" not in said("show", "anna") + said("list")


def test_an_interest_that_is_over_is_shown_as_such(
    said: Said, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(time, "time", lambda: TODAY_S + 100 * DAY_S)
    shown = rows(said("show", "anna"))
    assert ["category", "ap2:1551, to 2027-03-01T00:00:00Z, over"] in shown
    assert ["category", "ap2:1285, to 2027-06-01T00:00:00Z"] in shown


def test_who_withdrew_is_gone_and_no_more(said: Said) -> None:
    said("withdraw", "anna")
    decided = rfc3339(time.time())
    assert rows(said("show", "anna")) == [["state", f"gone, version 2, decided {decided}"]]


def test_a_list_is_told_in_words(said: Said) -> None:
    status = said("status")
    assert not set('{}[]"') & set(status)
    assert ["published", "nothing yet"] in rows(status)
    assert ["changes", "some wait for `presence consents publish`"] in rows(status)
    assert ["agreements", "1 active, 0 gone, 0 objected"] in rows(status)
    assert ["audience", "offers-main, for offers"] in rows(status)
    assert ["revocations", "none"] in rows(status)
    assert ["opt-outs", "never applied"] in rows(status)
    said("pause", "anna")
    said("publish", "--suppression-checked", "now")
    status = said("status")
    assert ["published", "number 1, epoch 1, signed as 1"] in rows(status)
    assert ["changes", "none to publish"] in rows(status)
    assert ["revocations", "1, of which 1 in the outbox"] in rows(status)
    assert ["opt-outs", "applied 2026-11-23T13:20:00Z"] in rows(status)
