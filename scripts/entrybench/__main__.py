"""`python -m scripts.entrybench [--quick] [--out DIR]`: the contest, its table, JSON and
pictures.
"""

import argparse
import sys
import time
from pathlib import Path

from scripts.entrybench import bodies, contest, pictures, report

OUT = Path("build") / "entry"


def run(out: Path, *, quick: bool, workers: int = 2) -> tuple[contest.Result, contest.Result]:
    """Do everything and write it to `out`; the contests of the shop and of the walks."""
    out.mkdir(parents=True, exist_ok=True)
    fit = bodies.fit()
    walked = contest.recorded()
    simulated = contest.simulated(fit.radio, contest.QUICK if quick else contest.FULL, workers)
    elsewhere = contest.elsewhere(
        fit.radio, contest.QUICK_ELSEWHERE if quick else contest.ELSEWHERE, workers
    )
    pictures.save_fit(fit, out / "fit.png")
    pictures.save_shop(out / "shop.png")
    pictures.save_curves(
        simulated, out / "false-enters.png", "Simulated shop, fitted to phones on bodies"
    )
    pictures.save_curves(
        walked, out / "walks.png", "Recorded walks (3 walks, 123 episodes)", goals=False
    )
    (out / "entry.md").write_text(report.whole(fit, simulated, walked, elsewhere), encoding="utf-8")
    (out / "entry.json").write_text(
        report.as_json(fit, simulated, walked, elsewhere), encoding="utf-8"
    )
    return simulated, walked


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="python -m scripts.entrybench", description="The honest entry bench."
    )
    parser.add_argument(
        "--quick", action="store_true", help="fewer people: half a minute, rates to 1 in 100"
    )
    parser.add_argument(
        "--out", type=Path, default=OUT, help=f"where tables and pictures go; default {OUT}"
    )
    parser.add_argument(
        "--workers",
        type=int,
        default=2,
        metavar="N",
        help="processes; the figures do not depend on it",
    )
    options = parser.parse_args()
    started = time.monotonic()
    run(options.out, quick=options.quick, workers=options.workers)
    print((options.out / "entry.md").read_text(encoding="utf-8"))
    print(f"{time.monotonic() - started:.0f} s; pictures in {options.out}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
