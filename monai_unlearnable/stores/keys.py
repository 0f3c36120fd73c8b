"""Which delta an image gets: its own, or its class's."""

from __future__ import annotations

from collections.abc import Sequence

from monai_unlearnable.types import Labels

__all__ = ["ClassKey", "SampleKey"]


class SampleKey:
    """Every image has its own delta: the key is the sample id.

    Example:
        >>> import torch
        >>> SampleKey()(["a", "b"], torch.tensor([0, 1]))
        ['a', 'b']
    """

    def __call__(self, sample_ids: Sequence[str], labels: Labels) -> list[str]:
        """Return one key for each image."""
        return [str(sample_id) for sample_id in sample_ids]


class ClassKey:
    """Images of one class share a delta: the key is the label.

    A multi-label vector is a key of its own, written as its 0s and 1s.

    Example:
        >>> import torch
        >>> ClassKey()(["a", "b"], torch.tensor([0, 1]))
        ['class/0', 'class/1']
        >>> ClassKey()(["a"], torch.tensor([[1.0, 0.0, 1.0]]))
        ['class/101']
    """

    def __call__(self, sample_ids: Sequence[str], labels: Labels) -> list[str]:
        """Return one key for each image."""
        return ["class/" + "".join(str(int(value)) for value in row) for row in labels.reshape(len(labels), -1)]
