"""`python -m scripts.entrybench [--quick] [--out DIR] [--docs]`: the contest, its tables, JSON and
pictures.
"""

import argparse
import hashlib
import json
import subprocess
import sys
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from presence.cli.command import Parser
from scripts.entrybench import bodies, contest, figures, report, walks
from scripts.entrybench.figures import Run, Tree

ROOT: Final = Path(__file__).parents[2]
OUT: Final = Path("build") / "entry"
PAGE: Final = ROOT / "docs" / "entry.md"
FIGURES: Final = "entry.json"
KEPT: Final = ROOT / "docs" / "entry.json"
"""The figures of docs/entry.md: a test of the house holds the page to them."""
PICTURES: Final = ROOT / "docs" / "pictures"


def this_run(seed: int | None, *, quick: bool) -> Run:
    """The seed of who is told of follows from date and commit, so that it is new with both."""
    commit = _git("rev-parse", "--short=12", "HEAD")
    if _git("status", "--porcelain", "--untracked-files=no", "--", "presence", "scripts"):
        commit += " with changes"
    date = datetime.now(UTC).date().isoformat()
    digest = hashlib.sha256(f"{date} {commit}".encode()).digest()
    drawn = int.from_bytes(digest[:4], "big") if seed is None else seed
    return Run(date, commit, drawn, quick)


def _git(*arguments: str) -> str:
    return subprocess.run(
        ["git", "-C", str(ROOT), *arguments], check=True, capture_output=True, text=True
    ).stdout.strip()


def run(
    out: Path,
    *,
    quick: bool,
    workers: int = 2,
    seed: int | None = None,
    earlier: Tree | None = None,
) -> Tree:
    """Do everything and write it to `out`, after each shop what is there: a run that is ended early
    has not run for nothing. `earlier`: the figures of such a run, whose shops are not played anew.
    """
    out.mkdir(parents=True, exist_ok=True)
    which = this_run(earlier["run"]["testing_seed"] if earlier else seed, quick=quick)
    print(f"{which.date}, commit {which.commit}, testing seed {which.testing_seed}", flush=True)
    fit = bodies.fit()
    correlation, _ = walks.shadowing_correlation()
    recorded, shops = contest.recorded(), []
    tasks = contest.tasks(fit.radio, which.testing_seed, quick=quick)
    if earlier is not None:
        tasks = [task for task in tasks if task.name not in earlier["shops"]]
    for played in contest.play(tasks, workers):
        shops.append(played)
        found = figures.tree(which, fit, correlation, shops, recorded)
        if earlier is not None:
            found = figures.gone_on(earlier, found)
        (out / FIGURES).write_text(as_json(found), encoding="utf-8")
        print(f"{played.name} is played: {len(shops)} of {len(tasks)}", file=sys.stderr, flush=True)
    return found


def write(out: Path, found: Tree) -> None:
    """Tables and pictures of these figures."""
    from scripts.entrybench import pictures  # noqa: PLC0415  # matplotlib is of the group `bench`

    pictures.save_fit(bodies.fit(), out / "entry-fit.png")
    pictures.save_plan(out / "entry-plan.png")
    pictures.save_curves(found, out / "entry-curves.png")
    pictures.save_facades(found, out / "entry-facades.png")
    (out / "entry.md").write_text(report.whole(found), encoding="utf-8")


def as_json(found: Tree) -> str:
    return json.dumps(found, separators=(",", ":"), sort_keys=False) + "\n"


def into_the_docs(out: Path, found: Tree) -> None:
    """The page, its figures, and its pictures."""
    PICTURES.mkdir(exist_ok=True)
    for picture in out.glob("entry-*.png"):
        (PICTURES / picture.name).write_bytes(picture.read_bytes())
    KEPT.write_text(as_json(found), encoding="utf-8")
    page = PAGE.read_text(encoding="utf-8")
    PAGE.write_text(report.filled(page, found), encoding="utf-8")


def _options() -> argparse.Namespace:
    parser = Parser(
        prog="python -m scripts.entrybench",
        description="The honest entry bench.",
        examples=("python -m scripts.entrybench --quick",),
    )
    parser.add_argument("--quick", action="store_true", help="few people: rates to 1 in 100 only")
    parser.add_argument(
        "--out", type=Path, default=OUT, help=f"where tables and pictures go; default {OUT}"
    )
    parser.add_argument(
        "--from",
        dest="earlier",
        type=Path,
        metavar="FILE",
        help=f"the figures ({FIGURES}) of a run that was made, or ended early: nothing is run",
    )
    parser.add_argument(
        "--go-on", action="store_true", help="with --from: what that run has not played is run"
    )
    parser.add_argument("--docs", action="store_true", help="put them into docs/entry.md, too")
    parser.add_argument(
        "--seed", type=int, help="of the people told of; default: from date and commit"
    )
    parser.add_argument(
        "--workers",
        type=int,
        default=2,
        metavar="N",
        help="processes; the figures do not depend on it",
    )
    options = parser.parse_args()
    if options.go_on and options.earlier is None:
        parser.error("--go-on wants the figures of a run: --from FILE")
    if options.docs and options.quick:
        parser.error("--docs wants a full run: leave --quick away")
    return options


def main() -> int:
    options = _options()
    started = time.monotonic()
    options.out.mkdir(parents=True, exist_ok=True)
    earlier: Tree | None = None
    if options.earlier is not None:
        earlier = json.loads(options.earlier.read_text(encoding="utf-8"))
    if earlier is not None and not options.go_on:
        found = earlier
    else:
        found = run(
            options.out,
            quick=options.quick,
            workers=options.workers,
            seed=options.seed,
            earlier=earlier,
        )
    write(options.out, found)
    if options.docs:
        into_the_docs(options.out, found)
    print(report.whole(found))
    print(f"{time.monotonic() - started:.0f} s; pictures in {options.out}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
