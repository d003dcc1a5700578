"""What can be typed after `presence`: one file a command, with its texts and options, and no import
of its work.

Imports: presence.cli.command, presence.location and presence.errors.
"""

from typing import Final

from presence.cli.parsers import (
    audit,
    check,
    config,
    consents,
    demo,
    engine_test,
    incident_export,
    replay,
    run,
    satellite,
    scan_test,
    status,
    subject_report,
    support_bundle,
)

PARSERS: Final = (
    demo,
    config,
    run,
    satellite,
    status,
    check,
    audit,
    subject_report,
    support_bundle,
    incident_export,
    replay,
    scan_test,
    engine_test,
    consents,
)
"""In the order of `presence --help`."""
