"""What a command's end says to the shell, to systemd and to monitoring: one table for all commands.

0 to 2 are those of monitoring plug-ins: the command has done its work, and this is its verdict. 64
and above are those of sysexits.h: it could not do its work. From 128 on a signal ended it.
"""

from collections.abc import Mapping
from enum import IntEnum
from types import MappingProxyType
from typing import Final


class ExitCode(IntEnum):
    """The names of sysexits.h without its `EX_`, where it has one."""

    OK = 0
    WARN = 1
    FAIL = 2
    NOT_RUNNING = 3
    NOT_ANSWERING = 4
    USAGE = 64
    UNAVAILABLE = 69
    SOFTWARE = 70
    TEMPFAIL = 75
    CONFIG = 78
    HUNG_UP = 129
    INTERRUPTED = 130
    BROKEN_PIPE = 141
    TERMINATED = 143


MEANINGS: Final[Mapping[ExitCode, str]] = MappingProxyType(
    {
        ExitCode.OK: "done, all is well",
        ExitCode.WARN: "done, and something wants attention: a WARN, a line left out, a next step",
        ExitCode.FAIL: "done, and something does not work: a FAIL",
        ExitCode.NOT_RUNNING: "`presence status`: no gateway runs",
        ExitCode.NOT_ANSWERING: "`presence status`: the gateway does not answer us",
        ExitCode.USAGE: "the command line is wrong: nothing was done",
        ExitCode.UNAVAILABLE: "it could not be done, or was refused; the message says what to do",
        ExitCode.SOFTWARE: "a fault of the program: please report it",
        ExitCode.TEMPFAIL: "the radio cannot be used now; systemd starts a daemon anew",
        ExitCode.CONFIG: "the configuration cannot be used; each fault is named",
        ExitCode.HUNG_UP: "the terminal is gone (SIGHUP); `presence scan-test --resume` goes on",
        ExitCode.INTERRUPTED: "interrupted (Ctrl-C)",
        ExitCode.BROKEN_PIPE: "nobody reads the output any more (`presence … | head`)",
        ExitCode.TERMINATED: "ended by SIGTERM; a daemon that SIGTERM stops ends with 0",
    }
)


def verdict_exits(
    passed: str = "all PASS", warned: str = "a WARN", failed: str = "a FAIL"
) -> dict[ExitCode, str]:
    """Of a command that answers with the worst of its verdicts."""
    return {ExitCode.OK: passed, ExitCode.WARN: warned, ExitCode.FAIL: failed}
