"""Test images with the outlines of true and predicted masks, as PNG data URIs."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from monai_unlearnable.audit.figures import png_uri
from monai_unlearnable.audit.loading import ImageSet
from monai_unlearnable.audit.outcomes import RecipeOutcome
from monai_unlearnable.audit.pairing import AuditData
from monai_unlearnable.audit.planes import Plane, foreground_centre, planes_of
from monai_unlearnable.audit.seen import load_seen
from monai_unlearnable.sources.base import Task
from monai_unlearnable.sources.image_view import ImageView

__all__ = ["OUTLINE_COLOURS", "Overlay", "draw_overlays"]

OUTLINE_COLOURS = ("#ffd400", "#00c2ff", "#ff5bd1", "#5bff6a", "#ff8a3d", "#b48cff")
"""Of the structures in order, from the first again where there are more."""

_DRAWN_SIDE_PX = 256


@dataclass(frozen=True)
class Overlay:
    """One test image as a victim sees it; every picture is a PNG data URI of the same size.

    Attributes:
        recipe: name of the victim.
        sample_id: of the test image.
        plane: what is seen, such as ``axial, slice 31``; empty for a picture.
        image: without outlines.
        truth: with those of the true mask.
        released: with those that the victim predicts that was trained on the release.
        clean: with those that the victim predicts that was trained on clean originals.
        aspect: width divided by height as it must appear.
    """

    recipe: str
    sample_id: str
    plane: str
    image: str
    truth: str
    released: str
    clean: str
    aspect: float


def draw_overlays(data: AuditData, outcome: RecipeOutcome) -> tuple[Overlay, ...]:
    """Draw the first test images with the predictions of the first seed; nothing but for segmentation.

    Raises:
        SourceError: a test image cannot be read.
    """
    if outcome.task is not Task.SEGMENTATION:
        return ()
    kept = tuple(zip(outcome.released[0].predictions, outcome.clean[0].predictions, strict=True))
    # On their own grid with all of them, because images of several sizes get a border up to the largest one.
    indices = data.test_indices if outcome.recipe.image_size_px is None else data.test_indices[: len(kept)]
    seen = load_seen(data.test, recipe=outcome.recipe, indices=indices, class_names=data.clean.class_names)
    found = []
    for number, (released, clean) in enumerate(kept):
        truth = seen.labels[number].numpy().astype(np.uint8)
        view, shape = data.test.view(indices[number]), data.test.shape(indices[number])
        masks = (truth, released.unpacked(), clean.unpacked())
        (image, *outlined), plane, aspect = _draw(_grey(seen, number), masks, view, shape)
        name = data.test.sample_ids[indices[number]]
        found.append(Overlay(outcome.recipe.name, name, plane, image, outlined[0], outlined[1], outlined[2], aspect))
    return tuple(found)


def _grey(images: ImageSet, index: int) -> NDArray[np.uint8]:
    """Return ``(channel, *space)``: the window that victims look through, as black to white; colours as they are."""
    low, high = (float(one) for one in images.windows[index])
    values = (images.images[index].double().numpy() - low) * (255 / (high - low))
    grey: NDArray[np.uint8] = np.clip(np.rint(values), 0, 255).astype(np.uint8)
    return np.repeat(grey[:1], 3, axis=0) if len(grey) != 3 else grey


def _draw(
    image: NDArray[np.uint8], masks: Sequence[NDArray[np.uint8]], view: ImageView, shape: tuple[int, ...]
) -> tuple[list[str], str, float]:
    """Return the four pictures, what is seen in them, and their aspect.

    Args:
        image: ``(3, *space)``.
        masks: truth and predictions, ``(*space)``.
        view: how the stored image is shown.
        shape: of the stored image, ``(channel, *space)``: the victim may see it squeezed.
    """
    plane = planes_of(view, foreground_centre((masks[0] > 0)[None]))[0]
    picture = plane.take(image)
    step = math.ceil(_DRAWN_SIDE_PX / max(picture.shape[1:]))
    large = _enlarged(picture, step)
    outlined = [_outlined(large, _enlarged(plane.take(one[None]), step)[0]) for one in masks]
    return [png_uri(one) for one in (large, *outlined)], plane.name, _aspect(plane, view, shape)


def _aspect(plane: Plane, view: ImageView, shape: tuple[int, ...]) -> float:
    middle = tuple(size // 2 for size in shape[1:])
    stored = planes_of(view, middle)[0].take(np.broadcast_to(np.uint8(0), (1, *shape[1:])))
    aspect: float = stored.shape[2] * plane.pixel_width_mm / (stored.shape[1] * plane.pixel_height_mm)
    return aspect


def _enlarged(picture: NDArray[np.uint8], step: int) -> NDArray[np.uint8]:
    return picture.repeat(step, axis=1).repeat(step, axis=2)


def _outlined(picture: NDArray[np.uint8], mask: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Colour the pixels of each structure that touch something else, beyond the edge of the picture included."""
    around = np.pad(mask, 1)
    neighbours = (around[:-2, 1:-1], around[2:, 1:-1], around[1:-1, :-2], around[1:-1, 2:])
    edge = (mask > 0) & np.logical_or.reduce([one != mask for one in neighbours])
    drawn = picture.copy()
    for structure in np.unique(mask[edge]):
        colour = OUTLINE_COLOURS[(int(structure) - 1) % len(OUTLINE_COLOURS)]
        drawn[:, edge & (mask == structure)] = np.frombuffer(bytes.fromhex(colour[1:]), dtype=np.uint8)[:, None]
    return drawn
