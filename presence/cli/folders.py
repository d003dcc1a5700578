"""In which folders the gateway of this machine is asked for, and by which clock its shop goes."""

import sys
from pathlib import Path

from presence.config import load_settings
from presence.config.settings import StorageSettings
from presence.errors import ConfigurationError
from presence.location import settings_file


def storage_of(named: Path | None) -> StorageSettings:
    """By the settings that --config names; raises ConfigurationError where they cannot be used.

    Without --config they are looked for, and where they cannot be used, the usual folders are
    taken: a gateway runs on with the settings that it had before somebody spoilt the file, and
    whoever wonders why asks it.
    """
    if named is not None:
        return load_settings(named).storage
    path = settings_file()
    try:
        return load_settings(path).storage
    except ConfigurationError as error:
        storage = StorageSettings()
        print(
            f"{error.problems[0]}\n(so it is looked for in {storage.state_dir} and "
            f"{storage.runtime_dir})",
            file=sys.stderr,
        )
        return storage


def time_zone_of(named: Path | None) -> str | None:
    """The shop's, from the same settings; None where they cannot be used, which was said."""
    try:
        return load_settings(named or settings_file()).store.time_zone
    except ConfigurationError:
        return None
