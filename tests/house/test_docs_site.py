"""The documentation site, without MkDocs: where its links lead, and that each page has a place.

`scripts/docs` builds it strictly; CI runs that.
"""

import subprocess
from collections.abc import Iterator
from typing import Any

import pytest
import yaml

from presence.language import TRANSLATED
from scripts import docs_hook
from tests.support.paths import ROOT


class Settings(yaml.SafeLoader):
    """mkdocs.yml names one function of Python, which is none of our business here."""


Settings.add_multi_constructor("tag:yaml.org,2002:python/", lambda *_: None)
SITE = yaml.load((ROOT / "mkdocs.yml").read_text(encoding="utf-8"), Settings)  # noqa: S506


def named(nav: Any) -> Iterator[str]:
    if isinstance(nav, str):
        yield nav
    else:
        for each in nav.values() if isinstance(nav, dict) else nav:
            yield from named(each)


def test_every_document_has_a_place_on_the_site() -> None:
    pages = {path.name for path in (ROOT / "docs").glob("*.md")} | {"adr/README.md"}
    root = {f"repository/{path.name}" for path in ROOT.glob("*.md")}
    assert set(named(SITE["nav"])) == pages | root


def test_every_picture_is_small_and_shown_on_a_page() -> None:
    pictures = [*(ROOT / "docs/pictures").iterdir(), *(ROOT / "docs/drawings").rglob("*.svg")]
    shown = "".join(page.read_text("utf-8") for page in (ROOT / "docs").rglob("*.md"))
    assert len(pictures) >= 10
    links = {
        each: f"/{each.relative_to(each.parents[each.parent.name in TRANSLATED])})"
        for each in pictures
    }
    assert [each for each, name in links.items() if name not in shown] == []
    assert [each.name for each in pictures if each.stat().st_size > 150_000] == []


def test_strict_means_that_every_kind_of_bad_link_stops_the_build() -> None:
    assert SITE["strict"] is True
    assert set(SITE["validation"]["links"].values()) == {"warn"}


def test_a_page_that_fetches_from_elsewhere_is_found() -> None:
    assert SITE["theme"]["font"] is False
    for faulty in (
        '<script src="https://unpkg.com/x">', '<link rel="stylesheet" href="//cdn.example/x.css">',
        '<img alt="" src="http://a.example/x.png">',
    ):  # fmt: skip
        assert docs_hook.FOREIGN.search(faulty)
    assert not docs_hook.FOREIGN.search('<a href="https://msgpack.org">and <img src="a.png">')


def test_the_search_works_from_a_disk_and_fetches_nothing_for_it() -> None:
    assert "offline" in SITE["plugins"], "it brings the index as a script"
    [shim] = SITE["extra"]["polyfills"]
    assert "iframe-worker" in shim, "else the plugin names one on unpkg.com"
    assert "IFrameWorker" in (ROOT / "docs" / shim).read_text(encoding="utf-8")


class Page:
    """What MkDocs hands over of a page."""

    def __init__(self, src_uri: str) -> None:
        self.file = self
        self.src_uri = src_uri


@pytest.mark.parametrize(
    ("page", "link", "on_the_site"),
    [
        ("install.md", "operations.md#metrics", "operations.md#metrics"),
        ("install.md", "../config/presence.yaml", "repository/config/presence.yaml"),
        ("install.md", "../SECURITY.md#how-to-report", "repository/SECURITY.md#how-to-report"),
        ("adr/README.md", "../design.md", "../design.md"),
        ("repository/README.md", "docs/demo.md", "../demo.md"),
        ("repository/README.md", "docs/pictures/demo.svg", "../pictures/demo.svg"),
        ("repository/README.md", "CHANGELOG.md", "CHANGELOG.md"),
        ("install.md", "gone.md", "gone.md"),
        ("install.md", "#secrets", "#secrets"),
        ("install.md", "https://msgpack.org", "https://msgpack.org"),
    ],
)
def test_a_link_of_the_repository_leads_to_the_same_file_on_the_site(
    page: str, link: str, on_the_site: str
) -> None:
    turned = docs_hook.on_page_markdown(f"see [it]({link}).", page=Page(page))
    assert turned == f"see [it]({on_the_site})."


@pytest.mark.parametrize(("script", "option"), [("docs", "--serve"), ("check", "--no-tests")])
def test_a_script_says_what_it_does(script: str, option: str) -> None:
    asked, wrong = (
        subprocess.run(
            [ROOT / "scripts" / script, typed], capture_output=True, text=True, check=False
        )
        for typed in ("--help", "--sevre")
    )
    assert (asked.returncode, wrong.returncode) == (0, 64)
    assert option in asked.stdout
    assert option in wrong.stderr
