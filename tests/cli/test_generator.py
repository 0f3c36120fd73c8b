"""``protect --perturbation generator``: trained, killed and taken up, and used again on images that arrive later."""

from __future__ import annotations

import signal
from pathlib import Path
from typing import Any

import pytest

from tests.cli.running import Answer, Command, contents, write_pictures
from tests.cli.test_killed import _run

GENERATOR = ("--perturbation", "generator")


def _words(root: Path, name: str, *more: str) -> list[str]:
    places = ["--output", str(root / name / "release"), "--ledger", str(root / name / "ledger")]
    return ["protect", str(root / "images"), *places, "--seed", "5", *GENERATOR, *more]


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, dict[str, Any]]]:
    """A whole run, one that was killed in its 13th step of training and one in its pass, and both taken up."""
    root = tmp_path_factory.mktemp("generator")
    write_pictures(root / "images")
    todo: dict[str, dict[str, Any]] = {
        "whole": {"words": _words(root, "whole")},
        "killed in training": {"words": _words(root, "training"), "moment": "training", "count": 13},
        "killed in the pass": {"words": _words(root, "pass"), "moment": "pass"},
        "training taken up": {"words": _words(root, "training")},
        "pass taken up": {"words": _words(root, "pass")},
        "again": {"words": _words(root, "again", "--generator", str(root / "whole/ledger"))},
    }
    return root, dict(zip(todo, _run(list(todo.values()), root), strict=True))


def test_killed_runs_go_on_to_the_same_bytes(runs: tuple[Path, dict[str, dict[str, Any]]]) -> None:
    root, answers = runs
    assert answers["whole"]["status"] == 0, answers["whole"]["err"]
    for name in ("training", "pass"):
        assert answers[f"killed in {'the ' if name == 'pass' else ''}{name}"]["status"] == -signal.SIGKILL
        assert answers[f"{name} taken up"]["status"] == 0, answers[f"{name} taken up"]["err"]
        assert "(resumed)" in answers[f"{name} taken up"]["out"]
        assert contents(root / name / "release") == contents(root / "whole/release")
        for part in ("deltas/deltas.bin", "generator.pt"):
            assert (root / name / "ledger" / part).read_bytes() == (root / "whole/ledger" / part).read_bytes(), part


def test_an_earlier_generator_gives_the_same_release(runs: tuple[Path, dict[str, dict[str, Any]]]) -> None:
    root, answers = runs
    assert answers["again"]["status"] == 0, answers["again"]["err"]
    assert contents(root / "again/release") == contents(root / "whole/release")


def _refused(answer: Answer, code: int, *texts: str) -> None:
    assert answer.code == code
    assert all(one in answer.err for one in texts), answer.err
    assert not Path("release2").exists()


def test_refuses_what_does_not_go_together(finished: Path, command: Command) -> None:
    places = ("protect", "images", "--output", "release2", "--ledger", "ledger2")
    _refused(command(*places, "--generator", "ledger"), 2, "--generator: synthetic has none; it goes with")
    _refused(command(*places, *GENERATOR, "--generator", "absent"), 2, "absent: there is no such file or folder")
    _refused(command(*places, *GENERATOR, "--class-wise"), 2, "--class-wise: a generator looks at each image")
    _refused(command(*places, *GENERATOR, "--region", "salient"), 2, "--region: salient voxels are those that")
    _refused(
        command(*places, *GENERATOR, "--generator", "ledger", "--surrogate-size-px", "32"),
        2,
        "--surrogate-size-px: networks look at images as they did in the run of --generator",
    )
    _refused(command(*places, *GENERATOR, "--generator", "ledger"), 1, "generator.pt: is not there; this run kept no")
    _refused(command(*places, *GENERATOR, "--generator", "images"), 1, "images: holds no ledger.json")
