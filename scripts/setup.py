"""Makes ``.venv`` in this checkout from uv.lock, on a machine that has Python and nothing else.

The scripts beside this file call it as ``python -IS scripts/setup.py PART``; only the standard
library is there.

    stamp in .venv says: made for this lock, this Python, this place ──► nothing to do
      │ no
    lock, look again ──► a uv: on PATH and new enough, else a private one of uv.lock in .setup/
      │
    .setup/unfinished ──► uv sync --frozen ──► stamp ──► no more .setup/unfinished

A set-up that was interrupted leaves ``.setup/unfinished`` behind, and the next one starts from an
empty ``.venv``. Neither venv nor pip is asked for: uv makes the environment, and fetch_uv.py beside
this file fetches uv.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import shutil
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(
    0, str(ROOT)
)  # `python -I` leaves out what the modules beside this file are found by

if TYPE_CHECKING:
    from collections.abc import Iterator

    from scripts.package_settings import PackageSettings

ENVIRONMENT = ROOT / ".venv"
PYTHON_THERE = (
    ENVIRONMENT / "bin" / "python"
)  # a link: it does not exist where it points to nothing
STAMP = ENVIRONMENT / "presence-setup.json"
WORKSHOP = ROOT / ".setup"
UNFINISHED = WORKSHOP / "unfinished"

# In the order of their size: each holds all that is in those before it.
PARTS = {
    "demo": ["--no-default-groups", "--group", "build", "--extra", "demo"],
    "full": ["--no-default-groups", "--group", "dev", "--all-extras"],
    "docs": ["--no-default-groups", "--group", "dev", "--group", "docs", "--all-extras"],
    "bench": [
        "--no-default-groups",
        "--group",
        "dev",
        "--group",
        "docs",
        "--group",
        "bench",
        "--group",
        "mutation",
        "--all-extras",
    ],
}

# The first uv that knows everything asked of it here; an older one on PATH is passed over.
OLDEST_UV = (0, 9)

UNAVAILABLE = 69  # EX_UNAVAILABLE of sysexits.h

# The interpreter behind a virtual environment, so that ours never hangs on another environment, or
# on itself; by its real path, so that python3 and python3.11 are one.
PYTHON = os.path.realpath(getattr(sys, "_base_executable", None) or sys.executable)


class SetupFailed(Exception):
    """The person at the terminal must act; the message says what went wrong and what to type."""


def main(arguments: list[str]) -> int:
    """Bring the environment up to date, and answer with the exit code."""
    if len(arguments) != 1 or arguments[0] not in PARTS:
        say(f"usage: setup.py {'|'.join(PARTS)}")
        return 64
    try:
        if not is_up_to_date(arguments[0]):
            with alone():
                if not is_up_to_date(arguments[0]):
                    make_environment(arguments[0])
    except SetupFailed as failure:
        say(str(failure))
        return UNAVAILABLE
    except KeyboardInterrupt:
        say("interrupted; the next start begins again")
        return 130
    except OSError as failure:
        say(
            f"cannot set up {ENVIRONMENT}: {failure}. Next step: see to the disk and its "
            "permissions."
        )
        return 73
    return 0


def say(line: str) -> None:
    """Speak on standard error, so that a command's own output stays clean."""
    print(f"presence: {line}", file=sys.stderr, flush=True)


# --- the stamp


def is_up_to_date(part: str) -> bool:
    """Say whether the environment holds at least this part, made for what is in the checkout
    now.
    """
    stamp = read_stamp()
    return (
        stamp.get("content") == content()
        and stamp.get("place") == place()
        and includes(stamp.get("part", ""), part)
        and not UNFINISHED.exists()
        and PYTHON_THERE.exists()
    )


def read_stamp() -> dict[str, str]:
    """Give what the environment was made for: nothing where there is none, or it cannot be read."""
    try:
        stamp = json.loads(STAMP.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return stamp if isinstance(stamp, dict) else {}


def content() -> str:
    """Digest everything that decides what is installed."""
    digest = hashlib.sha256()
    for name in ("uv.lock", "pyproject.toml", "scripts/setup.py"):
        digest.update(hashlib.sha256((ROOT / name).read_bytes()).digest())
    return digest.hexdigest()


def place() -> str:
    """Name what an environment cannot outlive: its own path, and the Python that it points to."""
    return f"{ROOT} {PYTHON} {sys.version}"


def includes(held: str, wanted: str) -> bool:
    """Say whether the part that is installed holds the one that is wanted."""
    order = list(PARTS)
    return held in order and order.index(held) >= order.index(wanted)


@contextmanager
def alone() -> Iterator[None]:
    """Let one set-up of this checkout run at a time; the kernel frees the lock of one that died."""
    WORKSHOP.mkdir(exist_ok=True)
    with (WORKSHOP / "lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say("another set-up of this checkout is at work; waiting for it")
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield


# --- the environment


def make_environment(part: str) -> None:
    """Install the locked packages; what was there beyond this part stays."""
    began = time.monotonic()
    stamp = read_stamp()
    if includes(stamp.get("part", ""), part):
        part = stamp["part"]
    say(
        f"setting up {ENVIRONMENT} with Python {sys.version.split()[0]} (only when something "
        "changed)"
    )
    settings = package_settings()
    uv = find_uv(settings)
    if (
        UNFINISHED.exists()
        or not PYTHON_THERE.exists()
        or (stamp and stamp.get("place") != place())
    ):
        shutil.rmtree(ENVIRONMENT, ignore_errors=True)
    UNFINISHED.touch()
    try:
        install(uv, part, settings)
    except SetupFailed:  # in good order, such as without a network: what was there is still there
        UNFINISHED.unlink()
        raise
    STAMP.write_text(
        json.dumps({"part": part, "content": content(), "place": place()}, indent=1),
        encoding="utf-8",
    )
    UNFINISHED.unlink()
    say(f"ready after {time.monotonic() - began:.1f} s")


def install(uv: str, part: str, settings: PackageSettings) -> None:
    """Fill the environment, from the addresses in the lock file or from the mirror that the user's
    settings name.

    uv takes locked files from the addresses in uv.lock whatever index is set. Where somebody has
    set one (a company's mirror), the same versions and hashes are therefore handed over as a list
    of requirements.
    """
    if not settings.name_a_mirror:
        say("installing the locked packages")
        run_uv(uv, settings, "sync", "--frozen", *PARTS[part])
        return
    say(f"installing the locked packages from {', '.join(settings.places)}")
    locked = WORKSHOP / "locked.txt"
    if not PYTHON_THERE.exists():
        run_uv(uv, settings, "venv", str(ENVIRONMENT))
    run_uv(
        uv,
        settings,
        "export",
        "--frozen",
        *PARTS[part],
        "--no-emit-project",
        "--output-file",
        str(locked),
    )
    run_uv(uv, settings, "pip", "sync", "--require-hashes", str(locked))
    run_uv(
        uv,
        settings,
        "pip",
        "install",
        "--no-deps",
        "--no-index",
        "--no-build-isolation",
        "--editable",
        str(ROOT),
    )


def run_uv(uv: str, settings: PackageSettings, *arguments: str) -> None:
    """Run uv on this checkout with the Python that was found; the user's own UV_* settings hold
    beside that.
    """
    environment = os.environ | {
        **settings.for_uv(os.environ),
        "UV_PYTHON_DOWNLOADS": "never",
        "UV_PYTHON": PYTHON,
        "UV_PROJECT_ENVIRONMENT": str(ENVIRONMENT),
        "VIRTUAL_ENV": str(ENVIRONMENT),
    }
    if not os.access(
        os.environ.get("HOME", ""), os.W_OK
    ):  # a service's account: uv's own place would not do
        environment.setdefault("UV_CACHE_DIR", str(WORKSHOP / "cache"))
    if arguments[0] == "pip":
        environment["UV_PYTHON"] = str(PYTHON_THERE)
    if not run([uv, "--project", str(ROOT), *arguments], environment, quiet_option="--quiet"):
        raise SetupFailed(
            f"`uv {arguments[0]}` failed: see above. Next step: where the network is the cause, "
            "mend it or the"
            " proxy settings, or name your own package index (UV_DEFAULT_INDEX or PIP_INDEX_URL); "
            "then start again."
        )


def run(
    command: list[str],
    environment: dict[str, str] | None = None,
    *,
    quiet_option: str | None = None,
) -> bool:
    """Run a command: its progress is seen on a terminal, elsewhere only its output when it
    fails.
    """
    if sys.stderr.isatty():
        return (
            subprocess.run(command, env=environment, stdout=sys.stderr, check=False).returncode == 0
        )
    quiet = [*command, quiet_option] if quiet_option else command
    done = subprocess.run(
        quiet,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    if done.returncode:
        sys.stderr.write(done.stdout)
    return done.returncode == 0


# --- uv itself


def package_settings() -> PackageSettings:
    """Read where packages come from here; raises SetupFailed."""
    from scripts import package_settings as of_the_user  # noqa: PLC0415  (a start with nothing to do needs none)

    try:
        return of_the_user.read_settings()
    except of_the_user.UnreadableSettings as failure:
        raise SetupFailed(str(failure)) from failure


def find_uv(settings: PackageSettings) -> str:
    """Give a uv that is new enough: the user's own, or a private one."""
    own = shutil.which("uv")
    if own and uv_version(own) >= OLDEST_UV:
        return own
    locked = locked_uv()
    private = WORKSHOP / f"uv-{locked['version']}" / "bin" / "uv"
    if uv_version(str(private)) != tuple(map(int, locked["version"].split("."))):
        install_private_uv(private, locked, settings)
    return str(private)


def uv_version(uv: str) -> tuple[int, ...]:
    """Ask a uv for its version: () where it is missing, half installed or broken."""
    try:
        answer = subprocess.run(
            [uv, "--version"], capture_output=True, text=True, check=True
        ).stdout
        return tuple(int(number) for number in answer.split()[1].split("."))
    except (OSError, subprocess.CalledProcessError, IndexError, ValueError):
        return ()


def locked_uv() -> dict[str, Any]:
    """Read what the lock file says of uv: its version, and address, hash and size of each wheel."""
    import tomllib  # noqa: PLC0415  (30 ms that a start with nothing to do need not spend)

    packages = tomllib.loads((ROOT / "uv.lock").read_text(encoding="utf-8"))["package"]
    found: dict[str, Any] = next(package for package in packages if package["name"] == "uv")
    return found


def install_private_uv(program: Path, locked: dict[str, Any], settings: PackageSettings) -> None:
    """Fetch the locked uv into the workshop, in the place of any older one."""
    from scripts import fetch_uv  # noqa: PLC0415  (the web's modules, for the first start alone)

    try:
        wheel = fetch_uv.choose_wheel(locked["wheels"], fetch_uv.Machine.here())
        source = f" from {', '.join(settings.places)}" if settings.name_a_mirror else ""
        say(f"fetching uv {locked['version']} ({wheel.size / 1e6:.0f} MB) into {WORKSHOP}{source}")
        for old in WORKSHOP.glob("uv-*"):
            shutil.rmtree(old, ignore_errors=True)
        fetch_uv.fetch_program(wheel, settings, program)
    except fetch_uv.CannotFetch as failure:
        raise SetupFailed(str(failure)) from failure
    if not uv_version(str(program)):
        raise SetupFailed(
            f"{program} was fetched, as {wheel.name}, and does not run here. Next step: "
            f"{fetch_uv.INSTALL_UV}, and"
            " start again."
        )


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
