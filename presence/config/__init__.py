"""What we are told: the settings, and how they are read from a file.

Imports: presence.core, for its rules and limits.
"""

from presence.config.reading import load_settings, parse_settings
from presence.config.settings import Settings

__all__ = ["Settings", "load_settings", "parse_settings"]
