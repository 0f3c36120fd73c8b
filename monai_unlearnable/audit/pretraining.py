"""Victims who start from a network that has learnt other images."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from monai_unlearnable.audit.loading import ImageSet, load_images
from monai_unlearnable.errors import NotApplicableError
from monai_unlearnable.sources import open_source

__all__ = ["Pretraining"]


@dataclass(frozen=True, kw_only=True)
class Pretraining:
    """What a victim has learnt before it sees the release.

    Attributes:
        source: other images with labels, of as many channels and dimensions; None where the reader has none.
        labels: labels CSV or datalist of a folder.
        only_last: train nothing but the last layer on the release (all those that depend on the number of classes), at
            the victim's own learning rate.
        fine_share: share of the victim's learning rate at which all layers are trained, without ``only_last``.

    Raises:
        ValueError: the share is not above 0 and at most 1.
    """

    source: Path | None = None
    labels: Path | None = None
    only_last: bool = False
    fine_share: float = 0.1

    def __post_init__(self) -> None:
        if not 0 < self.fine_share <= 1:
            raise ValueError(f"fine_share={self.fine_share}: a share of the learning rate, above 0 and at most 1.")

    @property
    def rate_share(self) -> float:
        """Share of the victim's learning rate that it is trained at on the release."""
        return 1.0 if self.only_last else self.fine_share

    def images_like(self, train: ImageSet) -> ImageSet:
        """Read the other images at the size of a victim's training images.

        Raises:
            NotApplicableError: there are none, or they have another kind of label, other channels or other dimensions.
            SourceError: they cannot be read.
        """
        if self.source is None:
            raise NotApplicableError("there are no other images to learn from first; name some (--other-images).")
        source = open_source(self.source, labels=self.labels)
        channels, *space = source.shape(0)
        kinds = (source.task, channels, len(space)), (train.task, train.channels, train.spatial_dims)
        if kinds[0] != kinds[1]:
            raise NotApplicableError(
                f"{self.source.name}: (labels, channels, dimensions) are "
                f"({source.task.value}, {channels}, {len(space)}), the release's "
                f"({train.task.value}, {train.channels}, {train.spatial_dims}); a network cannot start from these."
            )
        size_px = max(train.images.shape[2:])
        loaded = load_images(source, size_px=size_px)
        if {source.shape(index)[1:] for index in range(len(source))} == {tuple(loaded.images.shape[2:])}:
            return loaded
        # What was learnt depends on the size, and the checksum is of the stored pixels.
        return replace(loaded, sha256=hashlib.sha256(f"{loaded.sha256} at {size_px}".encode()).hexdigest())

    def describe(self) -> dict[str, Any]:
        """Return the settings as JSON values; which images they were is said by their checksum elsewhere."""
        return {"only_last": self.only_last, "rate_share": self.rate_share}
