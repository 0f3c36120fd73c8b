from __future__ import annotations

import stat
from pathlib import Path

import pytest

from monai_unlearnable.release.atomic import atomic_file, write_bytes


def test_appears_whole_or_not_at_all(tmp_path: Path) -> None:
    path = tmp_path / "a.bin"
    with atomic_file(path) as unfinished:
        unfinished.write_bytes(b"half")
        assert not path.exists()
        assert unfinished.parent == path.parent
    assert path.read_bytes() == b"half"
    with pytest.raises(RuntimeError), atomic_file(path) as unfinished:
        unfinished.write_bytes(b"other")
        raise RuntimeError
    assert path.read_bytes() == b"half"
    assert [one.name for one in tmp_path.iterdir()] == ["a.bin"]


def test_private_from_the_first_byte(tmp_path: Path) -> None:
    with atomic_file(tmp_path / "a", permissions=0o600) as unfinished:
        assert stat.S_IMODE(unfinished.stat().st_mode) == 0o600
    write_bytes(tmp_path / "b", b"x", permissions=0o600)
    assert {stat.S_IMODE((tmp_path / name).stat().st_mode) for name in "ab"} == {0o600}


def test_a_leftover_does_not_stop_the_next(tmp_path: Path) -> None:
    (tmp_path / ".unfinished.a").write_bytes(b"left by a killed run, longer than the new content")
    write_bytes(tmp_path / "a", b"x")
    assert (tmp_path / "a").read_bytes() == b"x"
    assert len(list(tmp_path.iterdir())) == 1
