"""Two conversions for `build`: file names on stdin → an initrd (newc cpio), and a bzImage → the
kernel inside it.

cpio: the "New ASCII Format" of cpio(5). bzImage: Documentation/arch/x86/boot.rst, offsets 0x1f1,
0x248 and 0x24c.
"""

import lzma
import os
import stat
import struct
import subprocess
import sys
from pathlib import Path
from typing import BinaryIO


def write_cpio(names: list[str], out: BinaryIO) -> None:
    position = 0

    def put(data: bytes) -> None:
        nonlocal position
        padding = bytes(-(position + len(data)) % 4)
        out.write(data + padding)
        position += len(data) + len(padding)

    for number, name in enumerate([*names, "TRAILER!!!"], start=1):
        mode = os.lstat(name).st_mode if number <= len(names) else 0
        data = Path(name).read_bytes() if stat.S_ISREG(mode) else b""
        text = name.removeprefix("./").encode() + b"\0"
        fields = [number, mode, 0, 0, 1, 0, len(data), 0, 0, 0, 0, len(text), 0]
        put(b"070701" + b"".join(b"%08X" % field for field in fields) + text)
        put(data)


def kernel_of(image: bytes) -> bytes:
    start = ((image[0x1F1] or 4) + 1) * 512
    offset, length = struct.unpack_from("<II", image, 0x248)
    packed = image[start + offset : start + offset + length]
    if packed.startswith(b"\x28\xb5\x2f\xfd"):
        return subprocess.run(
            ["zstd", "-dcq"], input=packed, capture_output=True, check=False
        ).stdout
    return lzma.LZMADecompressor().decompress(packed)


if __name__ == "__main__":
    if sys.argv[1] == "initrd":
        write_cpio(sys.stdin.read().split("\n")[:-1], sys.stdout.buffer)
    else:
        kernel = kernel_of(Path(sys.argv[2]).read_bytes())
        assert kernel.startswith(b"\x7fELF"), "no kernel was found in the image"
        sys.stdout.buffer.write(kernel)
