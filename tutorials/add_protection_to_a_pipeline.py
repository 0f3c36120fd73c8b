# ruff: noqa: E402 (a tutorial imports where it first uses)
# %% [markdown]
# # Add protection to an existing MONAI pipeline
#
# You have a MONAI pipeline that classifies pictures. A few more lines (between the two markers) compute a small delta
# for every picture and add it inside the same pipeline, so that you see what somebody who trains on protected pictures
# sees. To write protected *files* for others, use `monai-unlearnable protect`.
#
#     python tutorials/add_protection_to_a_pipeline.py --images FOLDER --epochs 10
#
# FOLDER holds one folder for each class, with grey pictures of one size. Without it, pictures are generated.

# %%
import argparse
import tempfile
import warnings
from pathlib import Path

import numpy as np
import torch
from monai.data import DataLoader, Dataset, PILReader
from monai.engines import SupervisedTrainer
from monai.transforms import Compose, EnsureChannelFirstd, LoadImaged, RandFlipd, ScaleIntensityRanged
from monai.utils import set_determinism
from PIL import Image

from monai_unlearnable.networks import small_resnet

warnings.filterwarnings("ignore", "NvImgCodecPydicomReader")  # MONAI looks for a DICOM decoder that PNG does not need


def generate_pictures(folder: Path, per_class: int) -> Path:
    """Write horizontal and vertical stripes on grainy grounds, 28 pixels."""
    random = np.random.default_rng(0)
    rows, columns = np.mgrid[0:28, 0:28]
    for number in range(per_class):
        period, phase = random.uniform(5, 9), random.uniform(0, 6)
        for name, place in {"horizontal": rows, "vertical": columns}.items():
            pixels = random.normal(120, 25, place.shape) + 15 * np.sin(2 * np.pi * place / period + phase)
            (folder / name).mkdir(parents=True, exist_ok=True)
            Image.fromarray(pixels.clip(0, 255).astype(np.uint8)).save(folder / name / f"{number:03d}.png")
    return folder


parser = argparse.ArgumentParser()
parser.add_argument("--images", type=Path, help="folder of class folders; generated when absent")
parser.add_argument("--epochs", type=int, default=6, help="epochs of training")
parser.add_argument("--rounds", type=int, default=3, help="rounds of protection")
parser.add_argument("--pictures", type=int, default=64, help="generated pictures of each class")
options = parser.parse_args()
set_determinism(seed=0)
work = tempfile.TemporaryDirectory()  # a real run keeps its deltas, in a private place
images = options.images or generate_pictures(Path(work.name) / "images", options.pictures)

# %% [markdown]
# ## The pipeline as it is
# Load, make channel first, scale to [0, 1], augment; then a stock MONAI trainer.

# %%
classes = sorted(path.name for path in images.iterdir() if path.is_dir())
files = sorted(path for path in images.glob("*/*") if path.is_file())
items = [{"image": str(path), "label": classes.index(path.parent.name)} for path in files]

reader = PILReader(converter=lambda picture: picture.convert("L"))
load = [LoadImaged("image", reader=reader), EnsureChannelFirstd("image")]
scale = ScaleIntensityRanged("image", a_min=0, a_max=255, b_min=0, b_max=1)
augment = RandFlipd("image", prob=0.5, spatial_axis=0)


def train(transforms, name):
    loader = DataLoader(Dataset(items, Compose(transforms)), batch_size=16, shuffle=True)
    network = small_resnet(spatial_dims=2, in_channels=1, num_classes=len(classes))
    trainer = SupervisedTrainer(
        device=torch.device("cpu"),
        max_epochs=options.epochs,
        train_data_loader=loader,
        network=network,
        optimizer=torch.optim.SGD(network.parameters(), lr=0.05, momentum=0.9),
        loss_function=torch.nn.CrossEntropyLoss(),
    )
    trainer.run()
    network.eval()
    clean = DataLoader(Dataset(items, Compose([*load, scale])), batch_size=16)
    with torch.no_grad():
        right = sum(int((network(batch["image"]).argmax(1) == batch["label"]).sum()) for batch in clean)
    print(f"{name}: right on {right / len(items):.0%} of the clean pictures (these, without augmentation)")


train([*load, scale, augment], "trained on clean pictures")

# %% [markdown]
# ## The lines that protect

# %%
# --- protection: begin
from monai_unlearnable.budgets import LinfBudget
from monai_unlearnable.engines import PrepareProtected, ProtectionEngine, TrainSurrogate
from monai_unlearnable.perturbations import ErrorMinimizing
from monai_unlearnable.stores import MappedStore, SampleKey, StoreHeader
from monai_unlearnable.surrogates import IntensityWindow, Surrogate
from monai_unlearnable.transforms import AddDeltad

for item in items:  # a delta belongs to a picture by a stable id
    item["sample_id"] = Path(item["image"]).relative_to(images).as_posix()
levels = Dataset(items, Compose(load))  # pictures as they are stored: grey levels 0 to 255
budget = LinfBudget(radius_levels=8)
shapes = {item["sample_id"]: tuple(item["image"].shape) for item in levels}
header = StoreHeader(shapes, budget.radius_levels, budget.describe(), "error_minimizing", seed=0)
store = MappedStore.create(Path(work.name) / "deltas", header)
surrogate = Surrogate(small_resnet(spatial_dims=2, in_channels=1, num_classes=len(classes)), IntensityWindow())
trainer = SupervisedTrainer(
    device=torch.device("cpu"), max_epochs=1, train_data_loader=DataLoader(levels, batch_size=16, shuffle=True),
    network=surrogate, optimizer=torch.optim.SGD(surrogate.parameters(), lr=0.05, momentum=0.9),
    loss_function=torch.nn.CrossEntropyLoss(), prepare_batch=PrepareProtected(store, SampleKey(), budget),
)  # fmt: skip
ProtectionEngine(
    device="cpu", max_epochs=options.rounds, train_data_loader=DataLoader(levels, batch_size=16), store=store,
    perturbation=ErrorMinimizing(budget=budget, steps=10), surrogate=surrogate,
    train_handlers=[TrainSurrogate(trainer)],
).run()  # fmt: skip
protect = AddDeltad("image", store)
# --- protection: end

# %% [markdown]
# ## The same pipeline, protected
# `AddDeltad` stands right after loading: a delta belongs to the picture as it is stored, before scaling and flipping.

# %%
train([*load, protect, scale, augment], "trained on protected pictures")

protected = Dataset(items, Compose([*load, protect]))
change, restored = 0.0, True
for before, after in zip(levels, protected, strict=True):
    change = max(change, float((after["image"] - before["image"]).abs().max()))
    restored = restored and torch.equal(protect.inverse(after)["image"], before["image"])
print(f"largest change: {change:g} of 255 grey levels (radius {budget.radius_levels:g}); comes off exactly: {restored}")
