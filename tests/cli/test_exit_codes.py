"""What a command's exit code says to whoever started it."""

import argparse
from pathlib import Path

import pytest

from presence.cli import main, run
from presence.errors import ConfigurationError, PresenceError, RadioError, RadioFault, StorageError


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (
            RadioError(RadioFault.DEAF, "hci0"),
            75,
        ),  # for `Restart=always`: nothing is wrong with the settings
        (ConfigurationError(["store.key_file: is missing"]), 78),
        (StorageError("the disk is full"), 1),
    ],
)
def test_each_kind_of_failure_has_its_own(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    error: PresenceError,
    code: int,
) -> None:
    def fail(_options: argparse.Namespace) -> int:
        raise error

    monkeypatch.setattr(run, "start", fail)
    assert main(["run", "--config", str(Path("presence.yaml"))]) == code
    assert str(error) in capsys.readouterr().err
