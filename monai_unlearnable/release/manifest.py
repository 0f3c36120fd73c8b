"""The public manifest that travels with a release; it holds no secret and no patient."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from importlib import resources
from pathlib import Path
from typing import Any

import jsonschema

from monai_unlearnable import __version__
from monai_unlearnable.errors import ReleaseError
from monai_unlearnable.release.budget import ReleaseBudget
from monai_unlearnable.release.budgets import ReleaseBudgets
from monai_unlearnable.release.paths import is_plain_name
from monai_unlearnable.sources.released import MANIFEST_NAME, SOFTWARE_NAME

__all__ = ["MANIFEST_NAME", "STATEMENTS", "Manifest", "ManifestFields", "ManifestFile", "read_manifest"]

_VERSION = 3

STATEMENTS = (
    "Every image differs from its original by a small perturbation; the budget says by how much at most.",
    "The perturbation is meant to keep a model that is trained on these files from working on other images. "
    "It is no guarantee: pretrained weights, adversarial training, strong augmentation or unprotected images of "
    "the same kind can weaken it.",
    "Perturbation is not de-identification: whatever identified a patient in an image still does.",
    "Do not use these files for diagnosis.",
)
"""What every manifest says to its readers."""

_PRIVATE_WORDS = "seed|path|directory|folder|surrogate|ledger|checkpoint|source|original|secret|user|host"
_PRIVATE_KEY = re.compile(rf"(^|[^a-z])({_PRIVATE_WORDS})s?([^a-z]|$)", re.IGNORECASE)
_ABSOLUTE_PATH = re.compile(r"(^|[\s'\"=])(~?/|[A-Za-z]:[\\/]|\\\\)|file://")


@dataclass(frozen=True, kw_only=True)
class ManifestFields:
    """What a run says about itself in public.

    Attributes:
        method: name of the perturbation.
        budgets: how far images may be from their originals.
        configuration: public settings, JSON values: no seed, no path, no surrogate.
        statements: further sentences for the readers.

    Raises:
        ReleaseError: a setting is not for the public.
    """

    method: str
    budgets: ReleaseBudgets
    configuration: Mapping[str, Any] = field(default_factory=dict)
    statements: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        _check_public(dict(self.configuration), where="configuration")
        _check_public([self.method, self.budgets.radius_given, *self.statements], where="method and statements")


@dataclass(frozen=True)
class ManifestFile:
    """One released file.

    Attributes:
        name: path relative to the release.
        sha256: hash of the file.
        images: how many protected images it holds (of a slice: 1).
        source_format: format of the source's file.
        converted: whether the release's format is another one.
        format: format of the released file.
        volume: folder of the volume that this file is a slice of ('' where it holds whole images).
        budgets: which of the manifest's budgets its images have: one for all of them, or one for each in order.
    """

    name: str
    sha256: str
    images: int
    source_format: str
    converted: bool
    format: str
    volume: str = ""
    budgets: tuple[int, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Manifest:
    """Everything that ``manifest.json`` says.

    Attributes:
        fields: what the run says about itself.
        task: ``single_label``, ``multi_label`` or ``segmentation``.
        class_names: a name for each class or label column, or class of voxels.
        format: format of every file with images, such as ``png``, or ``mixed``.
        protected_array: name of the protected array of an ``.npz`` file; else ''.
        files: every file of the release but the manifest.
        software_version: version of this package that wrote the release.
    """

    fields: ManifestFields
    task: str
    class_names: tuple[str, ...]
    format: str
    protected_array: str
    files: tuple[ManifestFile, ...]
    software_version: str = __version__

    @property
    def image_count(self) -> int:
        """Number of protected images; a volume in several files is one."""
        volumes = {one.volume for one in self.files if one.volume}
        return sum(one.images for one in self.files if not one.volume) + len(volumes)

    @property
    def converted_count(self) -> int:
        """Number of files whose source was of another format."""
        return sum(one.converted for one in self.files)

    @property
    def counts(self) -> dict[str, int]:
        """Numbers of files, of protected images, and of files whose source was of another format."""
        return {"files": len(self.files), "images": self.image_count, "converted_files": self.converted_count}

    def to_json(self) -> str:
        """Serialise to indented JSON that the schema accepts.

        Raises:
            ReleaseError: a field breaks the schema.
        """
        value = {
            "schema_version": _VERSION,
            "software": {"name": SOFTWARE_NAME, "version": self.software_version},
            "method": self.fields.method,
            "configuration": dict(self.fields.configuration),
            "radius_given": self.fields.budgets.radius_given,
            "budgets": [one.to_dict() for one in self.fields.budgets.distinct],
            "task": self.task,
            "class_names": list(self.class_names),
            "format": self.format,
            "protected_array": self.protected_array,
            "counts": self.counts,
            "files": [asdict(one) for one in self.files],
            "statements": [*STATEMENTS, *self.fields.statements],
        }
        value = json.loads(json.dumps(value))
        _validate(value, where=MANIFEST_NAME)
        return json.dumps(value, indent=1) + "\n"

    @classmethod
    def from_json(cls, text: str, *, where: str = MANIFEST_NAME) -> Manifest:
        """Parse and check what :meth:`to_json` wrote.

        Raises:
            ReleaseError: it breaks the schema, contradicts itself, or names a file outside the release.
        """
        try:
            value = json.loads(text)
        except (ValueError, RecursionError) as error:
            raise ReleaseError(f"{where}: is not JSON ({error}).") from error
        _check_version(value, where=where)
        _validate(value, where=where)
        files = tuple(ManifestFile(**{**one, "budgets": tuple(one["budgets"])}) for one in value["files"])
        names = [one.name for one in files]
        bad = [name for name in names if not is_plain_name(name) or name == MANIFEST_NAME]
        if bad or len(set(names)) != len(names):
            raise ReleaseError(f"{where}: a file name leaves the release or is there twice ({bad[:1]}); not trusted.")
        wrong = next((one for one in files if not _budgets_fit(one, len(value["budgets"]))), None)
        if wrong is not None:
            raise ReleaseError(
                f"{where}: {wrong.name!r} holds {wrong.images} images with the budgets {list(wrong.budgets)[:6]}; of "
                f"the {len(value['budgets'])} budgets there is one for all images of a file, or one for each."
            )
        statements = tuple(one for one in value["statements"] if one not in STATEMENTS)
        manifest = cls(
            fields=ManifestFields(
                method=value["method"],
                budgets=ReleaseBudgets(
                    distinct=tuple(ReleaseBudget(**one) for one in value["budgets"]),
                    radius_given=value["radius_given"],
                ),
                configuration=value["configuration"],
                statements=statements,
            ),
            task=value["task"],
            class_names=tuple(value["class_names"]),
            format=value["format"],
            protected_array=value["protected_array"],
            files=files,
            software_version=value["software"]["version"],
        )
        if value["counts"] != manifest.counts:
            raise ReleaseError(f"{where}: its counts {value['counts']} are not those of the files that it lists.")
        return manifest


def read_manifest(release: str | Path) -> Manifest:
    """Read and check the manifest of a release.

    Raises:
        ReleaseError: there is none (the release is unfinished or none at all), or it is damaged.
    """
    path = Path(release) / MANIFEST_NAME
    try:
        return Manifest.from_json(path.read_text(encoding="utf-8"), where=str(path))
    except FileNotFoundError as error:
        raise ReleaseError(f"{release}: has no {MANIFEST_NAME}: an unfinished release, or none at all.") from error
    except (OSError, UnicodeDecodeError) as error:
        raise ReleaseError(f"{path}: cannot be read ({error}).") from error


def _check_version(value: object, *, where: str) -> None:
    version = value.get("schema_version") if isinstance(value, Mapping) else None
    if isinstance(version, int) and version != _VERSION:
        raise ReleaseError(
            f"{where}: is a manifest of version {version}, and this package reads version {_VERSION}. Use the version "
            "of this package that wrote the release."
        )


def _budgets_fit(file: ManifestFile, count: int) -> bool:
    fits = len(file.budgets) == file.images or (len(file.budgets) == 1 and file.images > 1)
    return fits and all(index < count for index in file.budgets)


def _validate(value: object, *, where: str) -> None:
    schema = json.loads(resources.files(__package__).joinpath("manifest.schema.json").read_text(encoding="utf-8"))
    error = next(jsonschema.Draft202012Validator(schema).iter_errors(value), None)
    if error is not None:
        raise ReleaseError(f"{where}: at {error.json_path}: {error.message[:300]}")


def _check_public(value: object, *, where: str) -> None:
    if isinstance(value, Mapping):
        for key, one in value.items():
            if _PRIVATE_KEY.search(str(key)):
                raise ReleaseError(f"{where}: {key!r} is not for the public manifest; keep it in the ledger.")
            _check_public(one, where=f"{where}.{key}")
    elif isinstance(value, list | tuple):
        for one in value:
            _check_public(one, where=where)
    elif isinstance(value, str) and _ABSOLUTE_PATH.search(value):
        raise ReleaseError(f"{where}: {value!r} names a place on this machine; keep it in the ledger.")
    elif value is not None and not isinstance(value, str | int | float | bool):
        raise ReleaseError(f"{where}: {value!r} is no JSON value.")
