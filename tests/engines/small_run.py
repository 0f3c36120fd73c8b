"""A whole protection run on 24 images of 12 pixels, in memory or on disk."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch
from monai.data import DataLoader, Dataset
from monai.engines import SupervisedTrainer
from torch import nn

from monai_unlearnable.budgets import LinfBudget
from monai_unlearnable.engines import PrepareClean, PrepareProtected, ProtectionEngine, TrainSurrogate
from monai_unlearnable.perturbations import (
    Blocks,
    ErrorMinimizing,
    NextClassTarget,
    Perturbation,
    Synthetic,
    TargetedAdversarial,
)
from monai_unlearnable.stores import ClassKey, DeltaStore, MappedStore, MemoryStore, SampleKey, StoreHeader
from monai_unlearnable.surrogates import IntensityWindow, Surrogate
from tests.small_data import class_images

BUDGET = LinfBudget(radius_levels=8)
SHAPE = (1, 12, 12)


def samples(*, count: int = 24) -> list[dict[str, Any]]:
    """Return data dictionaries whose classes differ by 12 levels; some images touch the ends of their range."""
    images, labels = class_images(per_class=count // 2, size_px=SHAPE[-1])
    tensors = torch.from_numpy(images).float()[:, None]
    half = SHAPE[-1] // 2
    for tensor, label in zip(tensors, labels, strict=True):
        tensor[:, :, half * label : half * (label + 1)] -= 48
    tensors[0, 0, :2] = 0
    tensors[1, 0, :2] = 255
    return [
        {"image": tensors[i], "label": torch.tensor(int(labels[i])), "sample_id": f"train/{i:06d}"}
        for i in range(count)
    ]


def header(method: str = "error_minimizing", *, class_wise: bool = False, seed: int = 0) -> StoreHeader:
    keys = ["class/0", "class/1"] if class_wise else [one["sample_id"] for one in samples()]
    return StoreHeader(dict.fromkeys(keys, SHAPE), float(BUDGET.radius_levels), BUDGET.describe(), method, seed)


def small_surrogate(*, seed: int = 0, normalise: bool = True) -> Surrogate:
    """Return a tiny convolutional surrogate whose weights follow from the seed alone."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        layers: list[nn.Module] = [nn.Conv2d(1, 8, 3, padding=1)]
        layers += [nn.BatchNorm2d(8)] if normalise else []
        layers += [nn.ReLU(), nn.AvgPool2d(3), nn.Flatten(), nn.Linear(128, 2)]
        return Surrogate(nn.Sequential(*layers), IntensityWindow())


def method(name: str, *, steps: int = 5) -> Perturbation:
    made: dict[str, Callable[[], Perturbation]] = {
        "error_minimizing": lambda: ErrorMinimizing(budget=BUDGET, steps=steps),
        "targeted_adversarial": lambda: TargetedAdversarial(budget=BUDGET, target=NextClassTarget(2), steps=steps),
        "synthetic": lambda: Synthetic(budget=BUDGET, num_classes=2, seed=0, patterns=Blocks(per_axis=4)),
    }
    return made[name]()


def trainer_of(
    surrogate: Surrogate, prepare: Any, *, learning_rate: float = 0.02, weight_decay: float = 5e-4
) -> SupervisedTrainer:
    return SupervisedTrainer(
        device=torch.device("cpu"),
        max_epochs=1,
        train_data_loader=DataLoader(Dataset(samples()), batch_size=8),
        network=surrogate,
        optimizer=torch.optim.SGD(surrogate.parameters(), lr=learning_rate, momentum=0.9, weight_decay=weight_decay),
        loss_function=nn.CrossEntropyLoss(),
        prepare_batch=prepare,
        decollate=False,
    )


class Run:
    """One run with its parts: store, surrogate, trainer and engine."""

    def __init__(
        self,
        name: str = "error_minimizing",
        *,
        folder: Path | None = None,
        class_wise: bool = False,
        max_epochs: int = 3,
        learning_rate: float = 0.02,
        weight_decay: float = 5e-4,
        handlers: Callable[[Run], Sequence[Any]] = lambda _: (),
        **settings: Any,
    ) -> None:
        made_for = header(name, class_wise=class_wise)
        self.store: DeltaStore
        if folder is None:
            self.store = MemoryStore(made_for)
        else:
            self.store = MappedStore.open(folder) if folder.exists() else MappedStore.create(folder, made_for)
        self.surrogate = small_surrogate()
        key = ClassKey() if class_wise else SampleKey()
        clean = name == "targeted_adversarial"
        self.trainer = trainer_of(
            self.surrogate,
            PrepareClean() if clean else PrepareProtected(self.store, key, BUDGET),
            learning_rate=learning_rate,
            weight_decay=weight_decay,
        )
        train = TrainSurrogate(self.trainer, epochs=8 if clean else 1, every=None if clean else 1)
        options: dict[str, Any] = {
            "device": torch.device("cpu"),
            "max_epochs": max_epochs,
            "train_data_loader": DataLoader(Dataset(samples()), batch_size=8),
            "perturbation": method(name),
            "store": self.store,
            "surrogate": None if name == "synthetic" else self.surrogate,
            "key": key,
            "train_handlers": [*([] if name == "synthetic" else [train]), *handlers(self)],
            "decollate": False,
        }
        self.engine = ProtectionEngine(**(options | settings))

    def deltas(self) -> torch.Tensor:
        """Return what the store holds, float32."""
        return self.store.read(self.store.keys).float()


def images_and_labels() -> tuple[torch.Tensor, torch.Tensor]:
    data = samples()
    return torch.stack([one["image"] for one in data]), torch.stack([one["label"] for one in data])
