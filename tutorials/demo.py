"""The whole road on real MR: slices of the MNI152 T1 brain, protected, released, verified, restored and audited.

The label of a slice is its plane (sagittal, coronal, axial). Then the volume itself is released as one ``.nii.gz`` and
restored bit by bit. Needs nilearn, whose package carries the volume; nothing is downloaded. ``make demo`` runs this in
under five minutes on two cores.
"""

# %%
from __future__ import annotations

import argparse
import gzip
import shutil
import sys
from pathlib import Path

import nibabel
import nilearn.datasets
import numpy as np
import torch
from ignite.handlers import ProgressBar
from numpy.typing import NDArray
from PIL import Image

from monai_unlearnable.audit import VictimRecipe, audit_release
from monai_unlearnable.release import restore_release, verify_release
from monai_unlearnable.workflows import ErrorMinimizingRecipe, SyntheticRecipe, protect
from monai_unlearnable.workflows.summaries import (
    describe_audit,
    describe_protection,
    describe_restoration,
    describe_verification,
)

PLANES = ("sagittal", "coronal", "axial")
SIZE_PX = 48
MARK = "written_by_the_demo"
EASY_LABELS = """\
Not protected does happen, and the audit is there to say it: planes of one brain are about the easiest labels there are,
and a few hundred slices of one person are a small set. Compare the released column with the clean baseline."""


# %%
def brain_file() -> Path:
    """Return the packaged MNI152 T1 volume."""
    folder = Path(nilearn.datasets.__file__).parent / "data"
    return next(folder.glob("mni_icbm152_t1_*.nii.gz"))


# %%
def load_brain(path: Path) -> NDArray[np.uint8]:
    """Return a volume as 8-bit levels."""
    volume = np.asarray(nibabel.load(path).dataobj, dtype=np.float64)  # type: ignore[attr-defined]
    return np.round(255 * volume / volume.max()).astype(np.uint8)


# %%
def write_slices(volume: NDArray[np.uint8], folder: Path) -> None:
    """Write the middle slices of every plane as PNG; every fourth one is for the test."""
    for axis, plane in enumerate(PLANES):
        size = volume.shape[axis]
        for position in range(size // 4, 3 * size // 4):
            part = "test" if position % 4 == 3 else "train"
            target = folder / part / plane / f"slice_{position:03d}.png"
            target.parent.mkdir(parents=True, exist_ok=True)
            picture = Image.fromarray(np.rot90(volume.take(position, axis)))
            picture.resize((SIZE_PX, SIZE_PX), Image.Resampling.BILINEAR).save(target)


# %%
def empty_folder(folder: Path) -> None:
    """Make room for this run: remove what an earlier demo wrote, and nothing else."""
    if folder.exists() and any(folder.iterdir()) and not (folder / MARK).exists():
        raise SystemExit(f"{folder}: is not empty and was not written by the demo; give another --output.")
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    (folder / MARK).touch()


# %%
def release_volume(volume: Path, work: Path) -> bool:
    """Release one whole ``.nii.gz``, verify it, restore it, and tell whether every bit came back.

    A list of one image has one class. No victim can learn anything from one class alone, so nothing is audited here:
    its synthetic pattern is what a hospital gives to *all* images of that class, study by study.
    """
    source, release, ledger = work / "source", work / "release", work / "ledger"
    source.mkdir(parents=True)
    shutil.copyfile(volume, source / volume.name)
    (source / "labels.csv").write_text(f"file,label\n{volume.name},healthy\n", encoding="utf-8")
    protected = protect(source, output=release, ledger=ledger, recipe=SyntheticRecipe(), radius="8/255")
    print(describe_protection(protected, release, ledger))
    verified = verify_release(release, ledger)
    print(describe_verification(verified, release))
    restored = restore_release(release, ledger, work / "restored")
    print(describe_restoration(restored, work / "restored"))
    # The same numbers packed by another program make another .gz file; what is inside must be the same.
    original, back = (gzip.decompress((folder / volume.name).read_bytes()) for folder in (source, work / "restored"))
    print(f"protected volume: {release / volume.name}")
    print(f"restored header and voxels equal the original's, bit for bit: {original == back}")
    return protected.held and verified.held and restored.held and original == back


# %%
def main() -> int:
    """Run the demo; 0 when every file was protected, proved and restored."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--output", type=Path, default=Path("demo_output"), help="folder for what the demo writes")
    parser.add_argument("--epochs", type=int, default=8, help="passes of a victim's training")
    parser.add_argument("--seeds", type=int, default=3, help="trainings of each kind")
    options = parser.parse_args()
    torch.set_num_threads(2)
    work: Path = options.output
    empty_folder(work)
    source, test, release, ledger = work / "source/train", work / "source/test", work / "release", work / "ledger"

    print("1. slices of the MNI152 T1 brain, labelled by their plane")
    write_slices(load_brain(brain_file()), work / "source")

    print("\n2. protect them with error-minimizing deltas at 8/255")
    bar = ProgressBar(desc="deltas", file=sys.stderr)
    protected = protect(
        source, output=release, ledger=ledger, recipe=ErrorMinimizingRecipe(), radius="8/255", handlers=[bar]
    )
    print(describe_protection(protected, release, ledger))

    print("\n3. verify every pixel, and restore the originals")
    verified = verify_release(release, ledger)
    print(describe_verification(verified, release))
    restored = restore_release(release, ledger, work / "restored")
    print(describe_restoration(restored, work / "restored"))

    print("\n4. audit: train victims on the released files, and on the clean ones")
    audit = audit_release(
        release,
        clean=source,
        test=test,
        output=work / "audit",
        recipes=(VictimRecipe(epochs=options.epochs, batch_size=16),),
        seeds=options.seeds,
    )
    print(describe_audit(audit, work / "audit"))
    if not audit.held:
        print(EASY_LABELS)

    print("\n5. release the whole volume as one file")
    whole = release_volume(brain_file(), work / "volume")
    # The verdict is for people to read; the demo itself has worked when the files hold.
    return 0 if protected.held and verified.held and restored.held and whole else 1


if __name__ == "__main__":
    sys.exit(main())
