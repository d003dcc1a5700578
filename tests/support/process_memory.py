"""What a process holds in memory: every writable mapping of it, read through /proc (Linux, our own
processes).
"""

import re
from collections.abc import Iterator, Mapping
from pathlib import Path

WRITABLE = re.compile(r"^([0-9a-f]+)-([0-9a-f]+) rw")
CHUNK_BYTES = 1 << 24
OVERLAP_BYTES = 64


def found_in_memory(pid: int, sought: Mapping[str, bytes]) -> dict[str, int]:
    """Name → how many times its bytes stand there: raw, backwards as in a number of the machine's,
    or as lower-case hexadecimal.
    """
    spellings = {name: (value, value[::-1], value.hex().encode()) for name, value in sought.items()}
    counts = dict.fromkeys(sought, 0)
    for part in _parts(pid):
        for name, several in spellings.items():
            counts[name] += sum(part.count(spelling) for spelling in several)
    return counts


def _parts(pid: int) -> Iterator[bytes]:
    with Path(f"/proc/{pid}/mem").open("rb", buffering=0) as memory:
        for line in Path(f"/proc/{pid}/maps").read_text().splitlines():
            if bounds := WRITABLE.match(line):
                first, end = (int(text, 16) for text in bounds.groups())
                for start in range(first, end, CHUNK_BYTES):
                    try:
                        memory.seek(start)
                        yield memory.read(min(CHUNK_BYTES + OVERLAP_BYTES, end - start))
                    except OSError:  # a guard page, or a mapping that is gone
                        continue
