"""For all tests: how much hypothesis tries, that Ctrl-C is heard, English, logging as it was, and
what the garbage collector looks at.

A shell starts what runs in the background with SIGINT ignored, and our children would inherit that.
"""

import gc
import logging
import os
import signal
import sys
import threading
from collections.abc import Generator, Iterator

import pytest
import structlog

from tests.support.examples import register_profiles

register_profiles()

if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

for _name in ("LANGUAGE", "LC_ALL", "LC_MESSAGES"):
    os.environ.pop(_name, None)
os.environ["LANG"] = "C.UTF-8"


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, object, object]:
    """7,000 tests and their modules stay to the end: nothing of them is garbage, and to look
    through them again and again took a fifth of the time of collecting, and some of each test's.
    """
    gc.disable()
    try:
        return (yield)
    finally:
        gc.freeze()
        gc.enable()


@pytest.fixture(autouse=True)
def _logging_is_as_it_was() -> Iterator[None]:
    """A program run in this process logs to its test's stream, which is closed for the next."""
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
