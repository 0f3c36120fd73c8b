"""Our names: none that MONAI has, and only the words of the glossary."""

from __future__ import annotations

import ast
import importlib
import importlib.util
import inspect
import pkgutil
import re
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest

import monai_unlearnable
from tests.project.trees import PACKAGE, parse, shown, top_level_names

# Each is a synonym of a word in the table of CONTRIBUTING.md.
BANNED_WORDS = frozenset({"noise", "noises", "noisy", "poison", "poisoned", "poisoning", "attack", "attacks", "eta"})
BANNED_NAMES = frozenset({"perturb_img"})


def _package_modules() -> list[ModuleType]:
    found = pkgutil.walk_packages(monai_unlearnable.__path__, "monai_unlearnable.")
    return [importlib.import_module(one.name) for one in found if not one.name.endswith(".__main__")]


def _monai_names() -> set[str]:
    spec = importlib.util.find_spec("monai")
    assert spec is not None and spec.submodule_search_locations is not None
    names: set[str] = set()
    for folder in spec.submodule_search_locations:
        for path in Path(folder).rglob("*.py"):
            names.update(top_level_names(parse(path)))
    return {name for name in names if not name.startswith("_")}


def _is_ours(value: object) -> bool:
    is_component = inspect.isclass(value) or inspect.isfunction(value)
    return is_component and str(getattr(value, "__module__", "")).startswith("monai_unlearnable")


def _our_components() -> dict[str, str]:
    """Every public class and function that MONAI's lookup by short name would find in our modules."""
    found: dict[str, str] = {}
    for module in _package_modules():
        for name, value in vars(module).items():
            if not name.startswith("_") and _is_ours(value):
                found[name] = f"{module.__name__}.{name}"
    return found


def test_monai_scan_sees_names_known_to_be_taken() -> None:
    assert {"AdversarialTrainer", "Filter", "SaveImage", "SaveImaged"} <= _monai_names()


def test_no_public_name_exists_in_monai() -> None:
    ours = _our_components()
    assert "UnlearnableError" in ours
    clashes = sorted(ours[name] for name in ours.keys() & _monai_names())
    assert not clashes, f"MONAI's bundles would find MONAI's own class instead of these; rename them: {clashes}"


def test_every_module_lists_its_public_names() -> None:
    for module in _package_modules():
        listed = getattr(module, "__all__", None)
        assert listed is not None, f"{module.__name__} has no __all__"
        absent = [name for name in listed if not hasattr(module, name)]
        assert not absent, f"{module.__name__}.__all__ names what is not there: {absent}"


def _words(identifier: str) -> set[str]:
    """``RandNoise_eta`` -> {rand, noise, eta}; ``theta`` and ``beta`` stay whole."""
    spaced = re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])|[_\d]+", " ", identifier)
    return set(spaced.lower().split())


def _defined(tree: ast.Module) -> Iterator[tuple[int, str]]:
    """Identifiers that a file defines; names of other libraries that it only uses are not ours to choose."""
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            yield node.lineno, node.name
        elif isinstance(node, ast.arg):
            yield node.lineno, node.arg
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            yield node.lineno, node.id
        elif isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store):
            yield node.lineno, node.attr


def _banned(identifier: str) -> bool:
    return bool(_words(identifier) & BANNED_WORDS) or identifier in BANNED_NAMES


@pytest.mark.parametrize("identifier", ["noise", "max_noise", "AddNoise", "eta2", "PoisonLoss"])
def test_glossary_check_finds(identifier: str) -> None:
    assert _banned(identifier)


@pytest.mark.parametrize("identifier", ["theta", "beta_1", "metadata", "delta", "Etalon"])
def test_glossary_check_leaves(identifier: str) -> None:
    assert not _banned(identifier)


def test_package_speaks_the_glossary() -> None:
    files = sorted(PACKAGE.rglob("*.py"))
    assert files
    found = [f"{shown(path)}:{line} {name}" for path in files for line, name in _defined(parse(path)) if _banned(name)]
    found += [shown(path) for path in files if _banned(path.stem)]
    assert not found, f"the glossary in CONTRIBUTING.md has another word for these: {found}"
