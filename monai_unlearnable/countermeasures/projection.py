"""Take off what a linear network reads."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.utils.data import DataLoader, TensorDataset

from monai_unlearnable.countermeasures.base import FittedCountermeasure, PictureTransform
from monai_unlearnable.errors import NotApplicableError
from monai_unlearnable.types import ClassLabels, Images

__all__ = ["OrthogonalProjection", "Projected"]

_BATCH = 128


class OrthogonalProjection(PictureTransform):
    """Project images onto what is orthogonal to the weights of a linear network that was trained on them.

    (Sandoval-Segura et al., NeurIPS 2023, section 4.3.) Deltas that are alike within a class are read by such a network
    first: with its weights ``W = Q R`` an image becomes ``x - Q Q^T x``. Use :meth:`fit`.

    Args:
        directions: ``(pixels, count)``, orthonormal columns: what is taken off.
        shape: ``(channel, *space)`` of the images.
    """

    def __init__(self, directions: NDArray[np.float32], *, shape: tuple[int, ...]) -> None:
        self.directions, self.shape = directions, shape

    @classmethod
    def fit(
        cls, images: Images, labels: ClassLabels, *, epochs: int = 20, learning_rate: float = 0.1, seed: int = 0
    ) -> OrthogonalProjection:
        """Train a linear network on images and return the projection that its weights define.

        Args:
            images: ``(batch, channel, *space)``, levels, all of one shape.
            labels: ``(batch,)`` class indices.
            epochs: passes of the training, by SGD with momentum 0.9.
            learning_rate: of images that are scaled to mean 0 and deviation 1 over all of their values.
            seed: of the order.

        Raises:
            NotApplicableError: labels are no class indices, or there are fewer than two classes or images.
        """
        if labels.ndim != 1 or len(labels) < 2 or len(labels.unique()) < 2:
            raise NotApplicableError(
                f"OrthogonalProjection: labels of shape {tuple(labels.shape)}; needed is one class index for each of "
                "two images or more, of two classes or more."
            )
        flat = images.detach().float().flatten(1)
        scaled = (flat - flat.mean()) / flat.std().clamp_min(1e-6)
        weights = _linear_weights(scaled, labels.long(), epochs=epochs, learning_rate=learning_rate, seed=seed)
        directions, _ = torch.linalg.qr(weights.T)
        return cls(directions.numpy(), shape=tuple(images.shape[1:]))

    def change(self, levels: NDArray[Any]) -> NDArray[Any]:
        """Return the image without what lies in the directions; see :meth:`PictureTransform.change`.

        Raises:
            NotApplicableError: the image has another shape than those that it was fitted to.
        """
        if levels.shape != self.shape:
            raise NotApplicableError(
                f"OrthogonalProjection: an image of shape {levels.shape}, fitted to images of shape {self.shape}."
            )
        flat = levels.astype(np.float32).ravel()
        # The mean is no pattern: an image stays as bright as it was.
        bright = flat.mean()
        off = self.directions @ (self.directions.T @ (flat - bright))
        changed: NDArray[Any] = (flat - off).reshape(self.shape)
        return changed

    def describe(self) -> dict[str, Any]:
        """Return the kind and how many directions are taken off."""
        return {"countermeasure": type(self).__name__, "directions": int(self.directions.shape[1])}


@dataclass(frozen=True, kw_only=True)
class Projected(FittedCountermeasure):
    """Settings of :meth:`OrthogonalProjection.fit` for one training.

    Attributes:
        epochs: passes of the linear network's training.
        learning_rate: see :meth:`OrthogonalProjection.fit`.
        seed: of the order.
    """

    epochs: int = 20
    learning_rate: float = 0.1
    seed: int = 0

    def fit(self, images: Images, labels: ClassLabels) -> PictureTransform:
        """Return the projection that is fitted to these images; see :meth:`OrthogonalProjection.fit`."""
        return OrthogonalProjection.fit(images, labels, **asdict(self))

    def describe(self) -> dict[str, Any]:
        """Return the kind and its settings as JSON values."""
        return {"countermeasure": type(self).__name__, **asdict(self)}


def _linear_weights(images: Tensor, labels: ClassLabels, *, epochs: int, learning_rate: float, seed: int) -> Tensor:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network = nn.Linear(images.shape[1], int(labels.max()) + 1)
        nn.init.zeros_(network.weight)  # what is drawn here would be taken off, too
        # Steps do not grow with the number of pixels.
        rate = learning_rate / images.shape[1] ** 0.5
        optimizer = torch.optim.SGD(network.parameters(), lr=rate, momentum=0.9)
        loss = nn.CrossEntropyLoss()
        loader = DataLoader(TensorDataset(images, labels), batch_size=_BATCH, shuffle=True)
        for _ in range(epochs):
            for batch, label in loader:
                optimizer.zero_grad()
                loss(network(batch), label).backward()
                optimizer.step()
    return network.weight.detach()
