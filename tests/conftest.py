"""For all tests: no property is judged by the clock. Machines are noisy, and four tests run at a
time.

Ctrl-C is heard: a shell starts what runs in the background with SIGINT ignored, and our children
would inherit that.
"""

import logging
import signal
import sys
import threading
from collections.abc import Iterator

import pytest
import structlog
from hypothesis import HealthCheck, settings

settings.register_profile("presence", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("presence")

if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(autouse=True)
def _logging_is_as_it_was() -> Iterator[None]:
    """A program that a test runs in this process logs to that test's stream, which is closed for
    the next.
    """
    root, ours = logging.getLogger(), logging.getLogger("presence")
    handlers, level, our_level = root.handlers[:], root.level, ours.level
    chain, raises = structlog.get_config(), logging.raiseExceptions
    hooks = sys.excepthook, threading.excepthook, sys.unraisablehook
    yield
    root.handlers[:] = handlers
    root.setLevel(level)
    ours.setLevel(our_level)
    structlog.configure(**chain)
    logging.raiseExceptions = raises
    sys.excepthook, threading.excepthook, sys.unraisablehook = hooks
