"""`presence check`: do window keys and visits stay in memory? Swap, and whether limits are
heeded.
"""

from pathlib import Path

import pytest

from presence.diagnosis.findings import Verdict
from presence.diagnosis.memory import look_at_memory

HEAD = "Filename\t\t\t\tType\t\tSize\t\tUsed\t\tPriority\n"
ZRAM = "/dev/zram0                              partition\t2097148\t\t0\t\t100\n"
FILE = "/var/swap                               file\t\t614396\t\t6400\t\t-2\n"
UNIT = "sys/fs/cgroup/system.slice/presence.service"


def machine(
    root: Path,
    *,
    swaps: str | None = HEAD,
    controllers: str | None = "cpuset cpu io memory pids\n",
    backing: str = "none",
    swap_max: str | None = None,
    own: str = "0::/user.slice\n",
) -> Path:
    """The files of the kernel that are asked; None: not to be seen."""
    backed = f"{backing}\n"
    for name, text in {
        "proc/swaps": swaps,
        "proc/self/cgroup": own,
        "sys/fs/cgroup/cgroup.controllers": controllers,
        "sys/block/zram0/backing_dev": backed,
        f"{UNIT}/memory.swap.max": swap_max,
    }.items():
        if text is not None:
            path = root / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
    return root


def verdict(root: Path) -> tuple[Verdict, str]:
    (finding,) = look_at_memory(root)
    return finding.verdict, f"{finding.found} {finding.next_step}"


@pytest.mark.requirement("T-13")
@pytest.mark.parametrize(
    ("kernel", "expected", "words"),
    [
        ({}, Verdict.PASS, "no swap"),
        ({"swaps": HEAD + FILE}, Verdict.PASS, "kept out of it"),
        ({"swaps": HEAD + FILE, "swap_max": "0\n"}, Verdict.PASS, "kept out of it"),
        ({"swaps": HEAD + FILE, "swap_max": "max\n"}, Verdict.FAIL, "MemorySwapMax=0"),
        (
            {"swaps": HEAD + FILE, "controllers": "cpuset cpu io pids\n"},
            Verdict.FAIL,
            "cgroup_enable=memory",
        ),
        ({"swaps": HEAD + FILE, "controllers": "cpu\n"}, Verdict.FAIL, "dphys-swapfile"),
        (
            {"swaps": HEAD + ZRAM, "controllers": "cpu\n", "backing": "/dev/loop0"},
            Verdict.FAIL,
            "/etc/rpi/swap.conf",
        ),
        ({"swaps": HEAD + ZRAM, "controllers": "cpu\n"}, Verdict.WARN, "zram"),
        ({"controllers": "cpu\n"}, Verdict.WARN, "MemoryMax"),
        ({"controllers": None}, Verdict.WARN, "MemoryMax"),
    ],
)
def test_swap_is_found_where_nothing_keeps_the_daemon_out_of_it(
    kernel: dict[str, str | None], expected: Verdict, words: str, tmp_path: Path
) -> None:
    found, said = verdict(machine(tmp_path, **kernel))  # type: ignore[arg-type]
    assert found is expected, said
    assert words in said


@pytest.mark.parametrize(
    ("swap_max", "controllers", "expected"),
    [
        ("0\n", "memory\n", Verdict.PASS),
        ("max\n", "memory\n", Verdict.FAIL),
        (None, "cpu\n", Verdict.FAIL),
    ],
)
def test_inside_the_sandbox_where_swap_is_not_to_be_seen_the_units_own_limit_counts(
    swap_max: str | None, controllers: str, expected: Verdict, tmp_path: Path
) -> None:
    own = "0::/system.slice/presence.service\n"
    found, said = verdict(
        machine(tmp_path, swaps=None, swap_max=swap_max, controllers=controllers, own=own)
    )
    assert found is expected, said


def test_this_machine_can_be_asked() -> None:
    assert list(look_at_memory())
