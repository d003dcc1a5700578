"""Lets MkDocs read docs/ as it stands: a link out of docs/ leads to a copy of its file on the site.

On a forge `../config/presence.yaml` leads from docs/ to the file. The site is docs/ alone, so each
file that a page links to is carried below `repository/`, and the documents of the root (README.md
and its neighbours) are pages there. The links of the pages are changed accordingly before they are
read; MkDocs then checks every one of them. A page that would fetch anything from elsewhere is not
built.
"""

import re
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from posixpath import normpath, relpath
from typing import Any, Final

ROOT: Final = Path(__file__).parents[1]
DOCS: Final = ROOT / "docs"
CARRIED: Final = "repository"
LINK: Final = re.compile(r"(?<=\]\()(?P<target>[^)\s:#]+)(?P<anchor>#[^)\s]*)?(?=\))")
FOREIGN: Final = re.compile(r'<(?:script|link|img|iframe)\b[^>]*(?:src|href)="(?:https?:)?//[^"]*')
FENCE: Final = re.compile(r"^(```|~~~).*?^\1", re.MULTILINE | re.DOTALL)


def on_files(files: Any, config: Any) -> Any:
    """Add what lies outside docs/ and is linked to, and the documents of the root."""
    from mkdocs.structure.files import File  # noqa: PLC0415  (the tests have no MkDocs)

    wanted = {path.name for path in ROOT.glob("*.md")}
    for page in [*ROOT.glob("*.md"), *DOCS.rglob("*.md")]:
        text = page.read_text(encoding="utf-8")
        wanted |= set(targets(text, page.relative_to(ROOT).as_posix()))
    for name in sorted(wanted):
        if (ROOT / name).is_file() and not name.startswith("docs/"):
            files.append(File.generated(config, f"{CARRIED}/{name}", abs_src_path=str(ROOT / name)))
    return files


def on_page_markdown(markdown: str, *, page: Any, **_: Any) -> str:
    """Have each relative link lead where its file stands on the site."""
    here = page.file.src_uri
    name = here.removeprefix(f"{CARRIED}/") if here.startswith(CARRIED) else f"docs/{here}"

    def turned(found: re.Match[str]) -> str:
        target = in_repository(found["target"], name)
        if not (ROOT / target).is_file():
            return found[0]
        return relpath(site_name(target), str(PurePosixPath(here).parent)) + (found["anchor"] or "")

    return LINK.sub(turned, markdown)


def on_post_page(output: str, *, page: Any, **_: Any) -> str:
    """Raise where a page would tell another machine that somebody reads it."""
    from mkdocs.exceptions import PluginError  # noqa: PLC0415

    if found := FOREIGN.search(output):
        raise PluginError(f"{page.file.src_uri} would fetch from elsewhere: {found[0]}")
    return output


def targets(text: str, name: str) -> Iterator[str]:
    """The files of the repository to which a document leads."""
    for found in LINK.finditer(FENCE.sub("", text)):
        yield in_repository(found["target"], name)


def in_repository(target: str, name: str) -> str:
    """A link's target, counted from the root, where it stands in the document `name`."""
    return normpath(PurePosixPath(name).parent / target)


def site_name(name: str) -> str:
    """Where a file of the repository stands among the sources of the site."""
    return name.removeprefix("docs/") if name.startswith("docs/") else f"{CARRIED}/{name}"
