"""Starts the machine that `build` made, hands it a command, and brings back what it left in /out.

QEMU's emulator on purpose: this must run where there is no KVM. About one start in fifteen dies in
the guest kernel's early code (its patching of its own text against the emulator's threads): it is
started again, and said.
"""

import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Final

STARTS: Final = 3
SILENT_S: Final = 900
"""A day that has told nothing for so long hangs: no scenario takes as long, not even on a host with
ten times as much to do as it can.
"""
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
) -> Result:
    """`source` is /src in the machine, read-only; `out` is /out. Raises MachineFailed."""
    out.mkdir(parents=True, exist_ok=True)
    for start in range(1, STARTS + 1):
        (out / "command").write_text(command + "\n")
        (out / "code").unlink(missing_ok=True)
        began = time.monotonic()
        ended = _run_once(image, source, out, timeout_s, silent_s)
        seconds = time.monotonic() - began
        if (out / "code").exists():
            return Result(int((out / "code").read_text()), seconds, out)
        if not ended:
            break
        print(  # noqa: T201
            f"presence: the machine died at start {start}, after {seconds:.0f} s: once more",
            file=sys.stderr,
        )
    console = (
        (out / "console").read_text("utf-8", "replace")[-3000:]
        if (out / "console").exists()
        else ""
    )
    said = "".join(
        (out / name).read_text("utf-8", "replace")[-2000:]
        for name in ("stdout", "stderr")
        if (out / name).exists()
    )
    raise MachineFailed(f"no result after {seconds:.0f} s\n{console}\n{said}")


def _run_once(image: Path, source: Path, out: Path, timeout_s: float, silent_s: float) -> bool:
    """False where it had to be killed."""
    share = "security_model=none,multidevs=remap"
    command = [
        "qemu-system-x86_64",
        "-nodefaults",
        "-no-user-config",
        "-display",
        "none",
        "-M",
        "q35",
        "-no-reboot",
        "-accel",
        "tcg,thread=multi,tb-size=256",
        "-cpu",
        "Nehalem",
        "-smp",
        "2",
        "-m",
        "1536M",
        "-kernel",
        f"{image}/vmlinux",
        "-initrd",
        f"{image}/initrd.img",
        "-append",
        KERNEL_OPTIONS,
        "-drive",
        f"file={image}/root.img,if=none,id=disk,format=raw,snapshot=on,cache=unsafe,aio=threads",
        "-device",
        "virtio-blk-pci,drive=disk",
        "-fsdev",
        f"local,id=src,path={source},readonly=on,{share}",
        "-device",
        "virtio-9p-pci,fsdev=src,mount_tag=src",
        "-fsdev",
        f"local,id=out,path={out},{share}",
        "-device",
        "virtio-9p-pci,fsdev=out,mount_tag=out",
        "-device",
        "virtio-rng-pci",
        "-serial",
        f"file:{out}/console",
    ]
    machine = subprocess.Popen(command, stdin=subprocess.DEVNULL)
    began = time.monotonic()
    try:
        while machine.poll() is None:
            if time.monotonic() - began > timeout_s or _silent_s(out) > silent_s:
                return False
            time.sleep(0.5)
    finally:
        machine.kill()
        machine.wait()
    return True


def _silent_s(out: Path) -> float:
    """Since the guest wrote anything to /out: a day marks where each scenario begins and ends."""
    return time.time() - max(path.stat().st_mtime for path in out.iterdir())
