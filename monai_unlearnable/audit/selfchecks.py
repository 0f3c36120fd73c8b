"""Cheap checks that make a broken writer or pipeline show up before a score is believed."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from monai_unlearnable.audit.facts import ReleaseFacts, read_radii
from monai_unlearnable.audit.fidelity import Fidelity
from monai_unlearnable.audit.loading import labels_by_name
from monai_unlearnable.audit.masks import mask_by_name
from monai_unlearnable.audit.pairing import AuditData
from monai_unlearnable.sources import NpzSource
from monai_unlearnable.sources.base import Source, Task
from monai_unlearnable.sources.npz_file import read_array, read_headers
from monai_unlearnable.sources.stored_levels import is_floating
from monai_unlearnable.types import StoredValues

__all__ = ["Check", "check_release"]


@dataclass(frozen=True)
class Check:
    """One thing that must hold for the report to mean what it says.

    Attributes:
        name: what is checked, as a sentence that is true when it holds.
        held: whether it does.
        detail: what was found.
    """

    name: str
    held: bool
    detail: str


def check_release(data: AuditData, fidelity: Fidelity, facts: ReleaseFacts) -> tuple[Check, ...]:
    """Compare the files of a release with those of its clean source.

    Raises:
        SourceError: the classes do not fit, or a file cannot be read.
    """
    checks = [_same_images(data), _same_labels(data), _same_shapes(data), _every_image_changed(fidelity)]
    if isinstance(data.release, NpzSource) and isinstance(data.clean, NpzSource):
        checks.append(_other_arrays_untouched(data.release, data.clean))
    if facts.norm == "linf" and facts.radius_levels is not None:
        checks.append(_inside_radius(data, read_radii(data.release.path)))
    return tuple(checks)


def _same_images(data: AuditData) -> Check:
    released, clean = {one for one, _ in data.pairs}, {one for _, one in data.pairs}
    extra = [name for index, name in enumerate(data.release.sample_ids) if index not in released]
    missing = [name for index, name in enumerate(data.clean.sample_ids) if index not in clean]
    detail = f"{len(data.release)} released, {len(data.clean)} clean, {len(data.pairs)} of them pairs"
    if missing:
        detail += f"; {len(missing)} not released, such as {missing[0]!r}"
    if extra:
        detail += f"; {len(extra)} without an original, such as {extra[0]!r}"
    return Check("Release and clean source hold the same images", not extra and not missing, detail)


def _same_labels(data: AuditData) -> Check:
    released = labels_by_name(data.release, data.clean.class_names)
    wrong = [
        data.release.sample_ids[one]
        for one, other in data.pairs
        if not np.array_equal(released[one], data.clean.labels[other]) or not _same_mask(data, one, other)
    ]
    detail = f"{len(data.pairs)} compared, {len(wrong)} differ" + (f", such as {wrong[0]!r}" if wrong else "")
    return Check("Every released image has the label of its original", not wrong, detail)


def _same_mask(data: AuditData, one: int, other: int) -> bool:
    names = data.clean.class_names
    return data.clean.task is not Task.SEGMENTATION or np.array_equal(
        mask_by_name(data.release, one, names), mask_by_name(data.clean, other, names)
    )


def _same_shapes(data: AuditData) -> Check:
    def kind(source_kind: Callable[[int], object], other_kind: Callable[[int], object]) -> list[str]:
        return [data.release.sample_ids[one] for one, two in data.pairs if source_kind(one) != other_kind(two)]

    wrong = kind(data.release.shape, data.clean.shape) + kind(data.release.dtype, data.clean.dtype)
    detail = f"{len(data.pairs)} compared, {len(set(wrong))} differ" + (f", such as {wrong[0]!r}" if wrong else "")
    return Check("Every released image has the size and the bit depth of its original", not wrong, detail)


def _every_image_changed(fidelity: Fidelity) -> Check:
    detail = f"{fidelity.unchanged_images} of {fidelity.images} images are exactly their originals"
    return Check("Every released image differs from its original", fidelity.unchanged_images == 0, detail)


def _other_arrays_untouched(release: NpzSource, clean: NpzSource) -> Check:
    released, original = read_headers(release.path), read_headers(clean.path)
    names = sorted((released.keys() | original.keys()) - {release.images_name})
    changed = [one for one in names if one not in released or one not in original]
    for name in names:
        if name in changed:
            continue
        ours, theirs = read_array(release.path, name), read_array(clean.path, name)
        if ours.dtype != theirs.dtype or ours.shape != theirs.shape or ours.tobytes() != theirs.tobytes():
            changed.append(name)
    detail = f"{len(names)} arrays besides {release.images_name} compared"
    detail += f"; changed, missing or new: {', '.join(changed)}" if changed else ", all byte-identical"
    return Check("Every array but the protected one is byte-identical to the clean file's", not changed, detail)


def _inside_radius(data: AuditData, radii: Mapping[str, tuple[float, ...]]) -> Check:
    """Compare each image with the radius that the manifest says for it, in stored values."""
    beyond, unknown, compared = [], [], 0
    for one, other in data.pairs:
        name, radius = data.release.sample_ids[one], _radius_of(data.release, one, radii)
        if radius is None:
            unknown.append(name)
        elif data.release.shape(one) == data.clean.shape(other):
            compared += 1
            change = _largest_change(data.release.read(one), data.clean.read(other))
            # In float64 a difference of floats is rounded once.
            if change > radius * (1 + 2.0**-50):
                beyond.append(f"{name!r} ({change:g}, radius {radius:g})")
    detail = f"{compared} images compared, each with its own radius; {len(beyond)} beyond it"
    detail += f", such as {beyond[0]}" if beyond else ""
    detail += f"; {len(unknown)} have none in the manifest, such as {unknown[0]!r}" if unknown else ""
    return Check("No pixel differs by more than the radius in the manifest", not beyond and not unknown, detail)


def _radius_of(release: Source, index: int, radii: Mapping[str, tuple[float, ...]]) -> float | None:
    if isinstance(release, NpzSource):
        found, place = radii.get(release.path.name, ()), index
    else:
        found, place = radii.get(release.sample_ids[index], ()), 0
    place = 0 if len(found) == 1 else place
    return found[place] if place < len(found) else None


def _largest_change(released: StoredValues, clean: StoredValues) -> float:
    wide = np.float64 if is_floating(clean.dtype) else np.int64
    return float(np.abs(released.astype(wide) - clean.astype(wide)).max())
