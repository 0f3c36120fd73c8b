"""Where patches lie in their images, as MONAI's patch transforms say it in a batch."""

from __future__ import annotations

from typing import Any

import torch

from monai_unlearnable.errors import SourceError
from monai_unlearnable.perturbations import Patches

__all__ = ["patches_of"]

_COORDINATES = "patch_coords"
_WHOLE = "original_spatial_shape"


def patches_of(batchdata: Any, shape: tuple[int, ...]) -> Patches | None:
    """Read where the patches of a batch lie; None where it holds whole images.

    Args:
        batchdata: with ``"patch_coords"``, ``(batch, 1 + dimensions, 2)``, first and last index (exclusive) of channels
            and space, and ``"original_spatial_shape"``, ``(batch, dimensions)``, as :class:`~monai.data.PatchIterd`
            gives them.
        shape: ``(batch, channel, *space)`` of the patches.

    Raises:
        SourceError: one of the two is missing, they do not fit the patches, a patch reaches out of its image or leaves
            channels out, or the images of a batch differ in size.
    """
    if _COORDINATES not in batchdata:
        return None
    if _WHOLE not in batchdata:
        raise SourceError(f"the batch has {_COORDINATES!r} but no {_WHOLE!r}; MONAI's PatchIterd gives both.")
    coordinates, wholes = torch.as_tensor(batchdata[_COORDINATES]).cpu(), batchdata[_WHOLE]
    # A tuple for each image, as PatchIterd gives it, is collated to a tensor for each axis.
    wholes = (torch.stack(list(wholes), dim=-1) if isinstance(wholes, list | tuple) else torch.as_tensor(wholes)).cpu()
    count, _, *space = shape
    if coordinates.shape != (count, 1 + len(space), 2) or wholes.shape != (count, len(space)):
        raise SourceError(
            f"{count} patches of {len(space)} dimensions have {_COORDINATES!r} of shape {tuple(coordinates.shape)} and "
            f"{_WHOLE!r} of shape {tuple(wholes.shape)}; needed are {(count, 1 + len(space), 2)} and "
            f"{(count, len(space))}."
        )
    if len(wholes.unique(dim=0)) > 1:
        raise SourceError(f"patches of images of several sizes {wholes.unique(dim=0).tolist()} are in one batch.")
    largest = torch.tensor([shape[1], *wholes[0].tolist()])
    start, end = coordinates.unbind(-1)
    inside = (start >= 0) & (end <= largest) & (end - start == torch.tensor(shape[1:]))
    if not bool(inside.all()):
        worst = int((~inside.all(1)).nonzero()[0])
        raise SourceError(
            f"patch {worst} of a batch has shape {tuple(shape[1:])} and lies at {coordinates[worst].tolist()} of an "
            f"image of shape {tuple(largest.tolist())}: a patch is a part of its image, with all channels and without "
            "padding."
        )
    regions = [tuple(slice(*edges) for edges in one) for one in coordinates.tolist()]
    return Patches(regions=tuple(regions), whole_space=tuple(wholes[0].tolist()))
