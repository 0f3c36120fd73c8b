"""What is particular to victims that give every pixel a class: their loss and their predictions."""

from __future__ import annotations

from collections.abc import Callable

import torch
from monai.inferers import Inferer, SimpleInferer, SlidingWindowInferer
from monai.losses import DiceCELoss
from torch import Tensor, nn

from monai_unlearnable.audit.batches import WholeBatches
from monai_unlearnable.audit.loading import ImageSet
from monai_unlearnable.audit.victims import VictimRecipe

__all__ = ["KEPT_PREDICTIONS", "DenseLoss", "class_map", "looking", "predict_masks"]

KEPT_PREDICTIONS = 4
"""Of how many test images the predicted masks are kept and shown."""


class DenseLoss(nn.Module):
    """Dice of the structures plus cross entropy, MONAI's ``DiceCELoss``.

    The Dice part leaves out the background, whose easy overlap would drown a small structure's; cross entropy teaches
    the background. Dice is that of the whole batch, because an image without a structure has none of its own.

    Args:
        name: of the victim, for the message about a network of another kind.
    """

    def __init__(self, name: str) -> None:
        super().__init__()
        self.name = name
        self.loss = DiceCELoss(to_onehot_y=True, softmax=True, include_background=False, batch=True)
        self.loss_of_shares = DiceCELoss(softmax=True, include_background=False, batch=True)

    def forward(self, logits: Tensor, labels: Tensor) -> Tensor:
        """Return the loss of logits ``(batch, classes, *space)`` for masks ``(batch, *space)`` int64.

        Labels of mixed images are shares of the classes, ``(batch, classes, *space)`` float32.

        Raises:
            ValueError: the network gives no logits for every pixel.
        """
        if labels.shape == logits.shape:
            mixed: Tensor = self.loss_of_shares(logits, labels)
            return mixed
        if logits.shape[2:] != labels.shape[1:]:
            raise ValueError(
                f"victim {self.name!r} gives logits {tuple(logits.shape)} for masks {tuple(labels.shape)}; "
                "segmentation needs a network that gives (batch, classes, *space), such as dense_networks.small_unet."
            )
        loss: Tensor = self.loss(logits, labels[:, None])
        return loss


def class_map(logits: Tensor) -> Tensor:
    """Return the class of every pixel, ``(batch, *space)`` uint8, of logits ``(batch, classes, *space)``."""
    return logits.argmax(dim=1).to(torch.uint8)


def looking(recipe: VictimRecipe) -> Inferer:
    """Return how a victim looks at test images: at the whole, or through a sliding window of its patches' size."""
    if recipe.patch_size_px is None:
        return SimpleInferer()
    return SlidingWindowInferer(roi_size=recipe.patch_size_px, sw_batch_size=recipe.batch_size, overlap=0.25)


def predict_masks(
    network: nn.Module,
    images: ImageSet,
    *,
    batch_size: int,
    device: torch.device,
    look: Callable[[Tensor], Tensor] | None = None,
) -> Tensor:
    """Return the predicted class of every pixel of every image, ``(n, *space)`` uint8, on the CPU.

    Args:
        network: the victim; it is set to evaluation mode.
        images: the images.
        batch_size: images at a time.
        device: where the network is.
        look: maps images to logits; by default the network itself.
    """
    batches, found = WholeBatches(images, generator=None), []
    network.eval()
    with torch.no_grad():
        for start in range(0, len(images), batch_size):
            indices = list(range(start, min(start + batch_size, len(images))))
            seen = batches[indices]["image"].to(device)
            found.append(class_map(network(seen) if look is None else look(seen)).cpu())
    return torch.cat(found)
