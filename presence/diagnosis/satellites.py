"""`presence check`, satellites: is there a key for each, and does nobody else read it?

Whether one is heard, the running gateway knows: `presence status`. A check beside it that asked a
satellite would take the nonce away from the gateway.
"""

from collections.abc import Iterator

from presence.config import Settings
from presence.config.rules import read_satellite_keys
from presence.diagnosis.findings import Finding, Verdict
from presence.errors import ConfigurationError
from presence.language import Sentence


def look_at_satellites(settings: Settings) -> Iterator[Finding]:
    """Nothing where none is configured."""
    if not settings.satellites:
        return
    try:
        read_satellite_keys(settings)
    except ConfigurationError as error:
        yield Finding("satellites", Verdict.FAIL, Sentence("a key is not usable"), str(error))
        return
    for satellite in settings.satellites:
        file = satellite.key_file
        which = {"name": satellite.name, "place": satellite.place}
        if file.stat().st_mode & 0o007:
            found = Sentence("{name}, {place}: {file} is open to every user", file=file, **which)
            yield Finding("satellites", Verdict.WARN, found, f"chmod o= {file}")
        else:
            found = Sentence("{name}, {place}: is it heard? `presence status`", **which)
            yield Finding("satellites", Verdict.PASS, found)
