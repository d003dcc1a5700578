"""Starts the machine that `build` made, hands it a command, and brings back what it left in /out.

QEMU's emulator on purpose: this must run where there is no KVM. About one start in fifteen dies in
the guest kernel's early code (its patching of its own text against the emulator's threads): it is
started again, and said.
"""

import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

STARTS: Final = 3
SILENT_S: Final = 900
"""A day that has told nothing for so long hangs: no scenario takes as long, not even on a host with
ten times as much to do as it can.
"""
POLL_S, CUT_POLL_S = 0.5, 0.01
CUT: Final = "cut"
"""The file in /out by which the machine says that its power may go now."""
FIXED: Final = (
    "-nodefaults -no-user-config -display none -M q35 -no-reboot "
    "-accel tcg,thread=multi,tb-size=256 -cpu Nehalem -smp 2 -m 1536M -device virtio-rng-pci"
)
KERNEL_OPTIONS: Final = (
    "console=ttyS0,115200 quiet loglevel=3 panic=-1 mitigations=off systemd.show_status=false "
    "random.trust_cpu=on "
    "tsc=reliable audit=0 selinux=0 apparmor=0 no_timer_check 8250.nr_uarts=1"
)


class MachineFailed(Exception):
    """The machine ended without a result; the message holds the end of its console."""


@dataclass(frozen=True, slots=True)
class Result:
    code: int
    seconds: float
    out: Path

    def text(self, name: str) -> str:
        path = self.out / name
        return path.read_text("utf-8", "replace") if path.exists() else ""


def run(
    image: Path,
    source: Path,
    out: Path,
    command: str,
    *,
    timeout_s: float,
    silent_s: float = SILENT_S,
    drives: Sequence[str] = (),
) -> Result:
    """`source` is /src in the machine, read-only; `out` is /out. `drives`: its disks, in place of
    a copy of the image that is gone afterwards. Raises MachineFailed.
    """
    asked = _Asked(image, source, out, command, drives, timeout_s, silent_s)
    seconds = asked.play("code")
    return Result(int((out / "code").read_text()), seconds, out)


def cut_off(
    image: Path,
    source: Path,
    out: Path,
    command: str,
    *,
    timeout_s: float,
    silent_s: float = SILENT_S,
    drives: Sequence[str],
) -> float:
    """The same, until the machine says that it may be cut off: QEMU is killed in the middle of what
    the machine does, and nothing in it learns of it. How many seconds it ran. Raises MachineFailed.
    """
    asked = _Asked(image, source, out, command, drives, timeout_s, silent_s)
    return asked.play(CUT, ends_it=True)


@dataclass(frozen=True, slots=True)
class _Asked:
    image: Path
    source: Path
    out: Path
    command: str
    drives: Sequence[str]
    timeout_s: float
    silent_s: float

    def play(self, wanted: str, *, ends_it: bool = False) -> float:
        """Until the file `wanted` is in /out, started again where it died before. `ends_it`: the
        machine does not end by itself. How long it took.
        """
        out = self.out
        out.mkdir(parents=True, exist_ok=True)
        for start in range(1, STARTS + 1):
            (out / "command").write_text(self.command + "\n")
            for name in ("code", CUT):
                (out / name).unlink(missing_ok=True)
            began = time.monotonic()
            done = (out / wanted).exists if ends_it else lambda: False
            ended = self._run_once(done, CUT_POLL_S if ends_it else POLL_S)
            seconds = time.monotonic() - began
            if (out / wanted).exists():
                return seconds
            if not ended or (out / "code").exists():
                break
            print(  # noqa: T201
                f"presence: the machine died at start {start}, after {seconds:.0f} s: once more",
                file=sys.stderr,
            )
        said = "".join(
            (out / name).read_text("utf-8", "replace")[-length:]
            for name, length in (("console", 3000), ("stdout", 2000), ("stderr", 2000))
            if (out / name).exists()
        )
        raise MachineFailed(f"no result after {seconds:.0f} s\n{said}")

    def _run_once(self, done: Callable[[], bool], poll_s: float) -> bool:
        """False where it had to be killed and was not done."""
        machine = subprocess.Popen(self._qemu(), stdin=subprocess.DEVNULL)
        began = time.monotonic()
        try:
            while machine.poll() is None and not done():
                if time.monotonic() - began > self.timeout_s or _silent_s(self.out) > self.silent_s:
                    return False
                time.sleep(poll_s)
        finally:
            machine.kill()
            machine.wait()
        return True

    def _qemu(self) -> list[str]:
        image, out = self.image, self.out
        share = "security_model=none,multidevs=remap"
        drives = self.drives or (
            f"file={image}/root.img,format=raw,snapshot=on,cache=unsafe,aio=threads",
        )
        disks = [
            option
            for n, drive in enumerate(drives)
            for option in (
                *("-drive", f"{drive},if=none,id=disk{n}"),
                *("-device", f"virtio-blk-pci,drive=disk{n}"),
            )
        ]
        return [
            "qemu-system-x86_64",
            *FIXED.split(),
            *("-kernel", f"{image}/vmlinux", "-initrd", f"{image}/initrd.img"),
            *("-append", KERNEL_OPTIONS),
            *disks,
            *("-fsdev", f"local,id=src,path={self.source},readonly=on,{share}"),
            *("-device", "virtio-9p-pci,fsdev=src,mount_tag=src"),
            *("-fsdev", f"local,id=out,path={out},{share}"),
            *("-device", "virtio-9p-pci,fsdev=out,mount_tag=out"),
            *("-serial", f"file:{out}/console"),
        ]


def _silent_s(out: Path) -> float:
    """Since the guest wrote anything to /out: a day marks where each scenario begins and ends."""
    return time.time() - max(path.stat().st_mtime for path in out.iterdir())
