from __future__ import annotations

import io
import struct
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from monai_unlearnable.errors import LedgerError, ReleaseError, SourceError
from monai_unlearnable.release import hold_ledger, plan_release, read_ledger, verify_release
from monai_unlearnable.sources.png_chunks import PNG_SIGNATURE, Chunk, encode_chunk, iterate_chunks
from monai_unlearnable.stores import MappedStore, MemoryStore, StoreHeader
from tests.release.building import Built, built_folders, built_npz, random_store
from tests.release.test_round_trip import check_way_back
from tests.small_data import write_class_folders
from tests.sources.files import save


def test_two_pictures_of_one_name_are_refused_before_anything_is_written(tmp_path: Path) -> None:
    built = built_folders(tmp_path)
    for other in ("a/grey8.jpeg", "b/RGB8.png"):
        save(built.source_path / other)
        with pytest.raises(ReleaseError, match=r"would both be released as .*Rename one of them"):
            built.write()
        assert not built.release.exists()
        (built.source_path / other).unlink()
    save(built.source_path / "a" / "grey8.bmp")
    with pytest.raises(ReleaseError, match=r"'a/grey8\.bmp' and 'a/grey8\.png'"):
        plan_release(built.source())


def test_refuses_to_write_over_anything(tmp_path: Path) -> None:
    built = built_npz(tmp_path)
    built.release.mkdir()
    (built.release / "mine.txt").write_text("x")
    with pytest.raises(ReleaseError, match="is not empty"):
        built.write()
    (built.release / "mine.txt").unlink()
    built.write()
    before = (built.release / "set.npz").stat().st_mtime_ns
    with pytest.raises(ReleaseError, match="already holds this run's finished release"):
        built.write()
    other = Built(tmp_path, built.source_path, configuration={"seed": 5})
    with pytest.raises(LedgerError, match="belongs to a run with"):
        other.write()
    assert (built.release / "set.npz").stat().st_mtime_ns == before


def test_refuses_a_folder_filled_after_the_ledger_was_made(tmp_path: Path) -> None:
    built = built_folders(tmp_path)
    with hold_ledger(built.ledger, source=built.source_path, release=built.release, configuration=built.configuration):
        pass
    save(built.release / "a" / "grey8.png")  # a name that the release would write to
    data = (built.release / "a" / "grey8.png").read_bytes()
    with pytest.raises(ReleaseError, match="was not begun by this ledger's run"):
        built.write()
    assert (built.release / "a" / "grey8.png").read_bytes() == data


def test_refuses_stores_that_do_not_fit(tmp_path: Path) -> None:
    built = built_npz(tmp_path)
    names = built.source().sample_ids
    with pytest.raises(ReleaseError, match="5 images but 2 keys"):
        built.write(keys=names[:2])
    with pytest.raises(ReleaseError, match="train/000004: the store holds no delta for its key 'none'"):
        built.write(keys=[*names[:4], "none"])
    store = MemoryStore(StoreHeader(dict.fromkeys(names, (1, 6, 6)), 8, {}, "synthetic", 0))
    with pytest.raises(ReleaseError, match=r"train/000000: the image has shape \(1, 6, 7\)"):
        built.write(store=store)
    assert not built.release.exists()


def test_refuses_deltas_outside_the_budget(tmp_path: Path) -> None:
    built = built_npz(tmp_path)
    with pytest.raises(ReleaseError, match=r"train/00000\d: the delta reaches .* the budget is 8"):
        built.write(store=random_store(built.source(), radius_levels=30))
    assert not list(built.release.rglob("*"))


def test_unreadable_image_leaves_nothing_half_written(tmp_path: Path) -> None:
    built = built_folders(tmp_path)
    path = built.source_path / "b" / "dark.bmp"
    whole = path.read_bytes()
    path.write_bytes(whole[:-4])
    with pytest.raises(SourceError, match=r"dark\.bmp"):
        built.write()
    assert not (built.release / "manifest.json").exists()
    assert not list(built.release.rglob(".unfinished*"))
    path.write_bytes(whole)
    built.write()
    check_way_back(built)


CHILD = """
import os, sys
from pathlib import Path
import torch
from monai_unlearnable.release import writer
from tests.release.building import Built
torch.set_num_threads(1)
writer._BATCH_FILES = 4
root, where = Path(sys.argv[1]), sys.argv[2]
built = Built(root, root / "source")
if where == "manifest":
    writer.write_bytes = lambda *_, **__: os._exit(9)
elif where == "file":
    real = os.fsync
    calls = iter(range(1000))
    os.fsync = lambda descriptor: os._exit(9) if next(calls) == 20 else real(descriptor)
built.write(progress=lambda done, total: os._exit(9) if where == str(done) else None)
"""


@pytest.mark.parametrize("where", ["4", "10", "file", "manifest"])
def test_killed_run_is_taken_up_again(tmp_path: Path, repository: Path, where: str) -> None:
    write_class_folders(tmp_path / "source", per_class=8)
    killed = subprocess.run([sys.executable, "-c", CHILD, str(tmp_path), where], cwd=repository, check=False)
    assert killed.returncode == 9
    built = Built(tmp_path, tmp_path / "source")
    assert not verify_release(built.release).held
    noted = {path for path in built.release.rglob("*.png") if not path.name.startswith(".")}
    assert noted
    before = {path: path.stat().st_ino for path in noted}
    content = read_ledger(built.ledger)
    assert content.status == ("complete" if where == "manifest" else "running")
    if where != "manifest":
        with pytest.raises(LedgerError, match="run has not finished"):
            verify_release(built.release, built.ledger)
    done: list[tuple[int, int]] = []
    built.write(progress=lambda *at: done.append(at))
    complete = 16 - len(done)
    assert complete >= (len(noted) - 1) // 4 * 4  # whole batches are not written again
    assert sum(path.stat().st_ino == inode for path, inode in before.items()) == complete
    assert not done or done[-1] == (16, 16)
    check_way_back(built)


def test_taken_up_release_notices_other_deltas_and_foreign_or_changed_files(tmp_path: Path, repository: Path) -> None:
    write_class_folders(tmp_path / "source", per_class=8)
    subprocess.run([sys.executable, "-c", CHILD, str(tmp_path), "10"], cwd=repository, check=False)
    built = Built(tmp_path, tmp_path / "source")
    shapes = dict.fromkeys(built.source().sample_ids, (1, 28, 28))
    other = MemoryStore(StoreHeader(shapes, 8, {"norm": "linf"}, "targeted", 0))
    with pytest.raises(LedgerError, match=r"its deltas are of another run .*another method"):
        built.write(store=other)
    foreign = save(built.release / "left" / "foreign.png")
    with pytest.raises(ReleaseError, match=r"'left/foreign\.png' does not belong to this release"):
        built.write()
    foreign.unlink()
    with (built.ledger / "journal.jsonl").open("a") as stream:
        stream.write('{"name": "left/000.png", "cut sho')
    (built.release / "left" / "000.png").write_bytes(b"changed meanwhile")
    built.write()
    check_way_back(built)


def test_deltas_are_durable_before_the_ledger_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    built, noted = built_npz(tmp_path), []
    flush = MappedStore.flush

    def watched(store: MappedStore) -> None:
        noted.append((built.ledger / "journal.jsonl").read_text())
        flush(store)

    monkeypatch.setattr(MappedStore, "flush", watched)
    built.write()
    assert noted == [""]


def test_release_is_original_plus_delta(tmp_path: Path) -> None:
    built = built_npz(tmp_path, np.full((2, 3, 3), 100, dtype=np.uint8))
    store = MemoryStore(StoreHeader(dict.fromkeys(built.source().sample_ids, (1, 3, 3)), 8, {}, "synthetic", 0))
    store.write(["train/000001"], torch.full((1, 1, 3, 3), -5))
    built.write(store=store)
    with np.load(built.release / "set.npz") as arrays:
        assert arrays["train_images"].tolist() == [[[100] * 3] * 3, [[95] * 3] * 3]


def test_two_runs_never_write_one_release(tmp_path: Path) -> None:
    built = built_npz(tmp_path)
    code = (
        "import sys; from pathlib import Path; from monai_unlearnable.release.lock import hold_folder\n"
        "with hold_folder(Path(sys.argv[1])):\n"
        "    print('held', flush=True); sys.stdin.read()\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code, str(built.release)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as other:
        assert other.stdout is not None and other.stdout.readline() == "held\n"
        with pytest.raises(ReleaseError, match="another run is writing its release there"):
            built.write()
        other.kill()
        other.wait()
    built.write()


def _orientation(kind: int, value: bytes) -> bytes:
    """A block of EXIF that says nothing but which way is up."""
    return b"II*\0" + struct.pack("<IHHHI", 8, 1, 0x0112, kind, len(value) if kind == 2 else 1) + value + bytes(4)


@pytest.mark.parametrize(
    "block",
    [
        _orientation(2, b"abc\0"),
        _orientation(4, struct.pack("<I", 10**9)),
        _orientation(11, struct.pack("<f", 2.5)),
        b"II*\0\xff\xff\xff\x7f",
        b"no tiff",
        b"MM\0*\0\0\0\x08\xff\xff",
    ],
)
def test_what_a_picture_says_of_itself_may_be_damaged(tmp_path: Path, block: bytes) -> None:
    built = built_folders(tmp_path)
    stream = io.BytesIO()
    Image.fromarray(np.zeros((6, 8), dtype=np.uint8)).save(stream, format="PNG")
    chunks = list(iterate_chunks(stream.getvalue()))
    data = PNG_SIGNATURE + b"".join(map(encode_chunk, [chunks[0], Chunk(b"eXIf", block), *chunks[1:]]))
    (built.source_path / "a" / "damaged.png").write_bytes(data)
    built.write()
    with Image.open(built.release / "a" / "damaged.png") as picture:
        assert picture.size == (8, 6) and picture.getexif().get(0x0112, 1) == 1
