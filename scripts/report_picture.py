"""Takes the picture of the technician's report, docs/pictures/report.png, in a real browser.

    python -m scripts.report_picture          needs chromium

The report is that of the simulated shop with its first day: nobody's door.
"""

import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Final

PICTURE: Final = Path(__file__).parents[1] / "docs" / "pictures" / "report.png"
WINDOW_PX: Final = (760, 900)
BROWSERS: Final = ("chromium", "chromium-browser", "google-chrome")


def main() -> int:
    browser = next(filter(None, map(shutil.which, BROWSERS)), None)
    if browser is None:
        print(f"report_picture: none of {', '.join(BROWSERS)} is installed", file=sys.stderr)
        return 69
    with tempfile.TemporaryDirectory() as name:
        report = Path(name) / "door.html"
        walk = ("scan-test", "--simulated", "--yes", "--speed", "1000", "--report", str(report))
        subprocess.run(
            [sys.executable, "-m", "presence", *walk], stdout=subprocess.DEVNULL, check=False
        )
        width, height = WINDOW_PX
        subprocess.run(
            [
                browser, "--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars",
                f"--user-data-dir={name}/browser", f"--window-size={width},{height}",
                f"--screenshot={PICTURE}", report.as_uri(),
            ],
            stderr=subprocess.DEVNULL, check=True,
        )  # fmt: skip
    return 0


if __name__ == "__main__":
    sys.exit(main())
