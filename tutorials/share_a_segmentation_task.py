# ruff: noqa: E402 (a tutorial imports where it first uses)
# %% [markdown]
# # Share a 3D segmentation task that nobody can train on
#
# You have a task as the Medical Segmentation Decathlon lays it out: `imagesTr/`, `labelsTr/` and a `dataset.json`. This
# tutorial protects it from its datalist, proves every voxel, audits it, and hands out the release.
#
#     python tutorials/share_a_segmentation_task.py --task Task04_Hippocampus --epochs 20
#
# Without a task, a small one is generated: a ball and a box, a little brighter and darker than what is around them.

# %%
import argparse
import json
import shutil
import tempfile
from pathlib import Path

import nibabel
import numpy as np
import torch
from monai.data import load_decathlon_datalist

parser = argparse.ArgumentParser()
parser.add_argument("--task", type=Path, help="folder with dataset.json; generated when absent")
parser.add_argument("--method", choices=["synthetic", "error_minimizing", "generator"], default="synthetic")
parser.add_argument("--rounds", type=int, default=10, help="rounds, or epochs of the generator's training")
parser.add_argument("--epochs", type=int, default=8, help="epochs of the audit's victims")
parser.add_argument("--seeds", type=int, default=1, help="victims of each kind; three or more before you rely on it")
parser.add_argument("--volumes", type=int, default=20, help="generated volumes")
options = parser.parse_args()
torch.manual_seed(0)
work = tempfile.TemporaryDirectory()  # a real run keeps its ledger, in a private place
root = Path(work.name)


def generate_task(folder: Path, volumes: int) -> Path:
    """Write a Decathlon-style task: a brighter ball (1) and a darker box (2) in shaded volumes, 24 voxels a side."""
    random = np.random.default_rng(0)
    grid = np.stack(np.mgrid[0:24, 0:24, 0:24])
    names = [f"scan_{number:03d}.nii.gz" for number in range(volumes)]
    for part in ("imagesTr", "labelsTr"):
        (folder / part).mkdir(parents=True)
    for name in names:
        ball, box = (random.integers(7, 17, 3)[:, None, None, None] for _ in range(2))
        label = np.where(np.abs(grid - box).max(0) <= 3, 2, 0)
        label = np.where(np.square(grid - ball).sum(0) <= 20, 1, label)
        waves = random.uniform(0.05, 0.2, 3)[:, None, None, None] * grid + random.uniform(0, 6, 3)[:, None, None, None]
        image = 900 + 50 * np.cos(waves).sum(0) + random.normal(0, 8, label.shape) + np.choose(label, [0, 50, -50])
        for part, voxels, dtype in (("imagesTr", image, np.int16), ("labelsTr", label, np.uint8)):
            nibabel.save(nibabel.Nifti1Image(voxels.astype(dtype), np.eye(4)), folder / part / name)  # type: ignore[attr-defined]
    described = {
        "name": "Generated",
        "modality": {"0": "MRI"},
        "labels": {"0": "background", "1": "ball", "2": "box"},
        "training": [{"image": f"./imagesTr/{name}", "label": f"./labelsTr/{name}"} for name in names],
    }
    (folder / "dataset.json").write_text(json.dumps(described, indent=1))
    return folder


task = options.task or generate_task(root / "task", options.volumes)

# %% [markdown]
# ## Protect
# One call reads the datalist, computes a delta for every volume on its own voxels and writes the release (to share)
# and the ledger (to keep). The radius is a fraction of each volume's robust intensity range.

# %%
from monai_unlearnable.workflows import ErrorMinimizingRecipe, GeneratorRecipe, SyntheticRecipe, protect
from monai_unlearnable.workflows.summaries import describe_audit, describe_protection, describe_verification

recipe = {
    "synthetic": SyntheticRecipe(),
    "error_minimizing": ErrorMinimizingRecipe(max_rounds=options.rounds, min_rounds=min(3, options.rounds)),
    "generator": GeneratorRecipe(epochs=options.rounds),
}[options.method]
report = protect(
    task, labels=task / "dataset.json", output=root / "release", ledger=root / "ledger", recipe=recipe, radius="8/255"
)
print(describe_protection(report, root / "release", root / "ledger"))

# %% [markdown]
# ## Prove
# Whoever has the release can check that its files are whole. With the ledger you see that every voxel is inside the
# budget, and can take the protection off again.

# %%
from monai_unlearnable.release import restore_release, verify_release

print(describe_verification(verify_release(root / "release"), root / "release"))
print(describe_verification(verify_release(root / "release", root / "ledger"), root / "release"))
restored = restore_release(root / "release", root / "ledger", root / "restored").held
print(f"every original comes back bit for bit: {restored}")

# %% [markdown]
# ## Audit
# Networks are trained on the release and, the same way, on the clean volumes; both outline clean volumes that neither
# has seen. The score is the mean overlap (IoU) of the structures. Read `audit.html`, and do not share what it does
# not call protected: structures that stand out clearly in grey volumes, as these do, are learnt before any pattern is.

# %%
from dataclasses import replace

from monai_unlearnable.audit import audit_release, default_recipe
from monai_unlearnable.sources import Task

victim = replace(default_recipe(Task.SEGMENTATION), epochs=options.epochs, batch_size=2)
audit = audit_release(
    root / "release",
    clean=task,
    labels=task / "dataset.json",
    output=root / "audit",
    recipes=[victim],
    seeds=options.seeds,
)
print(describe_audit(audit, root / "audit"))

# %% [markdown]
# ## Hand out
# The release is a Decathlon-style task itself: the same names, labels and `dataset.json`, so that the receivers' MONAI
# code runs as it is. The ledger stays with you.

# %%
handed_out = Path(shutil.make_archive(str(root / "handed_out"), "zip", root / "release"))
shutil.unpack_archive(handed_out, root / "received")
received = load_decathlon_datalist(str(root / "received" / "dataset.json"), is_segmentation=True)
print(f"{handed_out.name}: {len(received)} volumes for the receivers' load_decathlon_datalist")
