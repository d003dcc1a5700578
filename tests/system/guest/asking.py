"""Answers what `presence scan-test` asks over a pipe; also outside the virtual machine
(tests/survey/test_door_in_the_machine.py).
"""

import re
import subprocess
import time
from collections.abc import Callable, Sequence
from typing import Any, Final

MAX_RUN_S: Final = 900
READY: Final = b"Enter when you are ready "
ANSWERS: Final = {READY: b"\n", b"Enter for the result ": b"\n", b"[y/N] ": b"y\n"}


def answered(command: Sequence[str], walk: Callable[[str], None]) -> dict[str, Any]:
    """The whole visit; what the tool said, its exit code, how long it took. `walk` is told what was
    said since the last answer.
    """
    began = time.monotonic()
    said, asked, acts = b"", b"", 0
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        while chunk := process.stdout.read1(4096):
            said, asked = said + chunk, asked + chunk
            if time.monotonic() - began > MAX_RUN_S:
                process.kill()
            question = next((words for words in ANSWERS if asked.endswith(words)), None)
            if question is None:
                continue
            if question == READY:
                acts += 1
                walk(asked.decode("utf-8", "replace"))
            process.stdin.write(ANSWERS[question])
            process.stdin.flush()
            asked = b""
    text = re.sub(r"\n{3,}", "\n\n", said.decode("utf-8", "replace"))
    return {
        "code": process.returncode,
        "acts": acts,
        "said": text[-6000:],
        "seconds": round(time.monotonic() - began),
    }
