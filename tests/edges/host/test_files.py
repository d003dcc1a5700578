"""A file is there as a whole or not at all, and where it was meant to be."""

import errno
import os
import stat
from pathlib import Path

import pytest

from presence.edges.host.files import new_file, replace_file, replacing


def test_a_reader_of_the_old_file_keeps_it_whole(tmp_path: Path) -> None:
    path = tmp_path / "kept"
    replace_file(path, b"old\n" * 1000)
    with path.open("rb") as reader:
        replace_file(path, b"new\n")
        assert reader.read() == b"old\n" * 1000
    assert path.read_bytes() == b"new\n"
    assert [file.name for file in tmp_path.iterdir()] == ["kept"]


@pytest.mark.parametrize("mode", [0o600, 0o644])
def test_its_mode_is_the_one_asked_for_whatever_the_umask_says(tmp_path: Path, mode: int) -> None:
    before = os.umask(0o027)
    try:
        replace_file(tmp_path / "kept", b"", mode=mode)
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "kept").stat().st_mode) == mode


def test_a_link_that_somebody_put_there_leads_the_content_nowhere(tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.write_bytes(b"theirs")
    (tmp_path / ".kept.new").symlink_to(elsewhere)

    replace_file(tmp_path / "kept", b"ours")

    assert elsewhere.read_bytes() == b"theirs"
    assert (tmp_path / "kept").read_bytes() == b"ours"


def test_an_owner_is_asked_for_only_where_somebody_names_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The sandbox of the unit has no chown (systemd/presence.service): not even one that changes
    nothing.
    """

    def forbidden(*_arguments: object) -> None:
        raise PermissionError(errno.EPERM, os.strerror(errno.EPERM))

    monkeypatch.setattr(os, "fchown", forbidden)
    replace_file(tmp_path / "kept", b"ours")
    assert (tmp_path / "kept").read_bytes() == b"ours"
    with pytest.raises(PermissionError):
        replace_file(tmp_path / "kept", b"theirs", owner=(0, 0))
    assert (tmp_path / "kept").read_bytes() == b"ours"


@pytest.mark.parametrize("way", ["replace_file", "new_file", "replacing"])
def test_what_is_durable_bears_its_name_on_the_disk_once_it_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, way: str
) -> None:
    """A renamed file is on the disk under its new name when its folder is."""
    path, synced = tmp_path / "kept", []

    def sync(handle: int) -> None:
        synced.append((Path(f"/proc/self/fd/{handle}").readlink(), path.exists()))

    monkeypatch.setattr(os, "fsync", sync)
    if way == "replacing":
        with replacing(path) as file:
            file.write(b"ours")
    else:
        {"replace_file": replace_file, "new_file": new_file}[way](path, b"ours")
    assert synced == [(tmp_path / ".kept.new", False), (tmp_path, True)]
