"""`scripts/test-cluster`: what it says where it cannot run, and whether its judge sees what is
wrong.
"""

import os
import shutil
import subprocess
from collections import Counter
from pathlib import Path

import pytest

from scripts.stores.store import Counted, Store, visitors
from tests.cluster.chain import judge
from tests.support.paths import ROOT

SCRIPT = ROOT / "scripts" / "test-cluster"


@pytest.mark.parametrize("ci", ["true", "false"])
def test_what_cannot_be_run_is_told_aloud_and_is_an_error_in_ci_for_root(
    tmp_path: Path, ci: str
) -> None:
    for name in ("dirname", "readlink", "id", "uname"):  # and no unshare
        (tmp_path / name).symlink_to(str(shutil.which(name)))
    environment = {"PATH": str(tmp_path), "CI": ci, "HOME": str(tmp_path)}
    done = subprocess.run([SCRIPT], env=environment, capture_output=True, text=True, check=False)
    assert "presence: cluster tests not run on this machine: " in done.stderr
    assert done.returncode == (69 if ci == "true" and os.geteuid() == 0 else 0)
    assert not (tmp_path / ".cache").exists()


def test_it_explains_itself() -> None:
    done = subprocess.run([SCRIPT, "--help"], capture_output=True, text=True, check=True)
    for word in ("--install", "-k killed", "PRESENCE_OUT", "not run on this machine"):
        assert word in done.stdout


def test_the_judge_names_visits_that_were_lost_and_those_that_were_acted_on_twice() -> None:
    guests = visitors(4)
    told = {f"id-{guest.ref}": guest for guest in guests[1:]}  # nobody told of the first
    counted = Counted(
        arrived={key: 10.0 + n for n, key in enumerate(told)},
        copies=Counter(dict.fromkeys(told, 2)),
        kinds=dict.fromkeys(told, "presence.entered.v1"),
        offers=Counter({guests[1].ref: 1, guests[2].ref: 2, guests[3].ref: 1}),
    )
    shop = Store(Path(), guests, 0.0, decided=dict.fromkeys(told, 9.0))
    verdict = judge(counted, shop)
    assert verdict.wrong == {guests[0].ref: 0, guests[2].ref: 2}
    assert (verdict.publishes, verdict.median_s, verdict.longest_s) == (1.5, 2.0, 3.0)
    assert str(verdict).startswith("2 of 4 visits acted on exactly once")
