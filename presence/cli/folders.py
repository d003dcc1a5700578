"""In which folders the gateway of this machine is asked for, and by which clock its shop goes."""

import sys
from pathlib import Path

from presence.cli.command import print_lines
from presence.config import load_settings
from presence.config.settings import StorageSettings
from presence.errors import ConfigurationError
from presence.location import settings_file


def folders_of(named: Path | None) -> tuple[StorageSettings, str | None]:
    """And the shop's time zone, by the settings that --config names; raises ConfigurationError
    where they cannot be used.

    Without --config they are looked for, and where they cannot be used, the usual folders are
    taken, and no time zone: a gateway runs on with the settings that it had before somebody spoilt
    the file, and whoever wonders why asks it.
    """
    try:
        settings = load_settings(named or settings_file())
    except ConfigurationError as error:
        if named is not None:
            raise
        storage = StorageSettings()
        print_lines(
            f"{error.problems[0]}\n(so it is looked for in {storage.state_dir} and "
            f"{storage.runtime_dir})",
            sys.stderr,
        )
        return storage, None
    return settings.storage, settings.store.time_zone
