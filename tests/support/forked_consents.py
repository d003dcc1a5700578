"""`presence consents`, each in a process of its own that costs no more than a fork: `python -m
tests.support.forked_consents`, in which everything is imported.

Standard input: a JSON list a line, the arguments after `presence`. Standard output: for each a JSON
list of its exit code, its standard output and its standard error.
"""

import json
import os
import sys
from pathlib import Path
from tempfile import TemporaryFile

from presence.cli import main
from presence.cli.consents import changing, importing, looking, parser, publishing, starting
from presence.consent_service import publishing as signing

IMPORTED = (signing, changing, importing, looking, parser, publishing, starting)


def run(arguments: list[str]) -> tuple[int, str, str]:
    with Path(os.devnull).open("rb") as nothing, TemporaryFile() as out, TemporaryFile() as err:
        child = os.fork()
        if child == 0:
            for number, file in enumerate((nothing, out, err)):
                os.dup2(file.fileno(), number)
            try:
                code = main(arguments)
            except SystemExit as end:
                code = end.code if isinstance(end.code, int) else 1
            sys.stderr.flush()
            os._exit(code)
        _, status = os.waitpid(child, 0)
        out.seek(0)
        err.seek(0)
        return os.waitstatus_to_exitcode(status), out.read().decode(), err.read().decode()


if __name__ == "__main__":
    for line in sys.stdin:
        print(json.dumps(run(json.loads(line))), flush=True)  # noqa: T201 - this is its answer
