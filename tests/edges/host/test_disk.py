"""What is asked of the disk without writing to it."""

import os
from pathlib import Path

import pytest

from presence.edges.host.disk import free_bytes, is_read_only


@pytest.mark.parametrize(
    ("flags", "read_only"), [(0, False), (os.ST_RDONLY, True), (os.ST_NOSUID, False)]
)
def test_a_file_system_that_went_read_only_is_seen(
    tmp_path: Path, flags: int, read_only: bool
) -> None:
    real = os.statvfs(tmp_path)

    def asked(path: Path) -> os.statvfs_result:
        assert path == tmp_path
        return os.statvfs_result((*real[:8], real.f_flag & ~os.ST_RDONLY | flags, real.f_namemax))

    assert is_read_only(tmp_path, asked) is read_only


def test_a_folder_that_is_not_there_is_not_read_only_and_has_no_room(tmp_path: Path) -> None:
    assert not is_read_only(tmp_path / "none")
    assert free_bytes(tmp_path / "none") is None
    assert not is_read_only(tmp_path)
