"""Wrong usage: exit code 2, one clear text, nothing written, one JSON object where machines read."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from monai_unlearnable.cli import build_parser
from tests.cli.running import Command, contents

PLACES = ("--output", "release", "--ledger", "ledger")
WRONG: list[tuple[tuple[str, ...], str]] = [
    ((), "the following arguments are required: VERB"),
    (("protec",), "invalid choice: 'protec'"),
    (("protect", "images", *PLACES, "--raduis", "8/255"), "unrecognized arguments: --raduis"),
    (("protect", "images", *PLACES, "--rad", "8/255"), "unrecognized arguments: --rad"),
    (("protect", "images", "--output", "release"), "the following arguments are required: --ledger"),
    (("protect", "nowhere", *PLACES), "SOURCE nowhere: there is no such file or folder"),
    (("protect", "images", *PLACES, "--labels", "no.csv"), "--labels no.csv: there is no such file"),
    (("protect", "set.npz", *PLACES, "--labels", "set.npz"), "set.npz holds its own labels; leave --labels out"),
    (("protect", "images", *PLACES, "--radius", "eight"), "radius 'eight' is not understood. Write 8/255"),
    (("protect", "images", *PLACES, "--radius", "8"), "radius '8' is more than the whole intensity range"),
    (("protect", "images", *PLACES, "--radius", "0"), "radius '0' must be greater than 0"),
    (("protect", "images", *PLACES, "--radius", "0.5/255"), "is 0.5 levels of a range of 255: smaller than one level"),
    (("protect", "images", *PLACES, "--seed", "-1"), "'-1' is not a whole number of at least 0"),
    (("protect", "images", *PLACES, "--seed", "9" * 5000), "is not a whole number of at least 0"),
    (("protect", "images", *PLACES, "--threads", "0"), "'0' is not a whole number of at least 1"),
    (("protect", "images", *PLACES, "--device", "abacus"), "--device abacus: "),
    (("protect", "images", *PLACES, "--perturbation", "noise"), "invalid choice: 'noise'"),
    (("protect", "images", *PLACES, "--region", "all"), "--region: region 'all' is not understood. Write one of"),
    (("protect", "images", *PLACES, "--region", "contour:x"), "region 'contour:x': 'x' is no number that fits"),
    (("protect", "images", *PLACES, "--surrogate-size-px", "7"), "7 pixels: a network looks at 8 to 4096"),
    (
        ("protect", "images", *PLACES, "--perturbation", "synthetic", "--surrogate-size-px", "32"),
        "--surrogate-size-px: synthetic has no surrogate",
    ),
    (
        ("protect", "images", "--output", "release", "--ledger", "release/ledger"),
        "the ledger (release/ledger) lies in the release (release)",
    ),
    (
        ("protect", "images", "--output", "images/release", "--ledger", "ledger"),
        "the release (images/release) lies in the source (images)",
    ),
    (("protect", "images", "--output", "set.npz", "--ledger", "ledger"), "set.npz: is not a folder"),
    (("protect", "images", "--output", "release", "--ledger", "set.npz"), "set.npz: is a file; a ledger is a folder"),
    (("protect", "images", "--output", "full", "--ledger", "ledger"), "full: is not empty"),
    (("protect", "images", "--output", "release", "--ledger", "full"), "full: is not empty and holds no ledger"),
    (("verify", "nowhere"), "RELEASE nowhere: there is no such folder"),
    (("verify", "set.npz"), "RELEASE set.npz: is a file, not a folder"),
    (("verify", "images", "--ledger", "nowhere"), "--ledger nowhere: there is no such folder"),
    (("restore", "images", "--ledger", "full", "--output", "full"), "the output (full) lies in the ledger (full)"),
    (("restore", "nowhere", "--ledger", "full", "--output", "o"), "RELEASE nowhere: there is no such folder"),
    (("audit", "images", "--clean", "images", "--output", "o", "--seeds", "0"), "'0' is not a whole number"),
    (("audit", "images", "--clean", "images", "--output", "o", "--epochs", "1.5"), "'1.5' is not a whole number"),
    (("audit", "images", "--clean", "nowhere", "--output", "o"), "--clean nowhere: there is no such file or folder"),
    (("audit", "images", "--clean", "images", "--output", "full"), "full: is not empty and no audit wrote it"),
    (("audit", "images", "--clean", "images", "--output", "images/o"), "images/o: lies inside images"),
    (("audit", "images", "--clean", "images", "--output", "o", "--victim", "vgg"), "invalid choice: 'vgg'"),
    (
        ("audit", "images", "--clean", "images", "--output", "o", "--victim", "densenet121", "--victim-size-px", "16"),
        "densenet121 needs images of at least 32 pixels",
    ),
]


@pytest.mark.parametrize(("words", "text"), WRONG, ids=[" ".join(words)[:60] for words, _ in WRONG])
def test_is_refused_with_2_and_changes_nothing(words: tuple[str, ...], text: str, command: Command) -> None:
    Path("full").mkdir()
    Path("full/kept.txt").write_text("kept")
    before = contents(Path.cwd())
    answer = command(*words)
    assert answer.code == 2
    assert text in answer.err and answer.err.startswith("usage: monai-unlearnable")
    assert answer.out == ""
    in_json = command(*words, "--json")
    assert in_json.code == 2
    assert in_json.json["held"] is False and text in in_json.json["error"]
    assert contents(Path.cwd()) == before


def test_restore_never_writes_over_anything(finished: Path, command: Command) -> None:
    answer = command("restore", "release", "--ledger", "ledger", "--output", "set.npz")
    assert answer.code == 2 and "set.npz: is not a folder" in answer.err
    (finished / "originals").mkdir()
    (finished / "originals/mine.png").touch()
    answer = command("restore", "release", "--ledger", "ledger", "--output", "originals")
    assert answer.code == 2 and "--output originals: is not empty; nothing is ever written over" in answer.err


def test_second_run_on_a_finished_release_says_so(finished: Path, synthetic: Command) -> None:
    before = contents(finished)
    answer = synthetic("images", "--output", "release", "--ledger", "ledger")
    assert answer.code == 2
    run = "this ledger's run (synthetic, radius 8/255); nothing is left to do. For other settings or images give a new"
    assert f"release: already holds the finished release of {run}" in answer.err
    weaker = synthetic("images", "--output", "release", "--ledger", "ledger", "--radius", "2/255")
    assert weaker.code == 2 and f"release of {run}" in weaker.err  # and not that it had this radius
    other = synthetic("images", "--output", "release", "--ledger", "other")
    assert other.code == 2 and "release: already holds a release; it is never written over" in other.err
    assert contents(finished) == before


def test_release_is_not_protected_again(finished: Path, synthetic: Command) -> None:
    answer = synthetic("release", "--output", "again", "--ledger", "other")
    assert answer.code == 2
    assert "release: is a release already (there is its manifest.json)" in answer.err
    assert not (finished / "again").exists() and not (finished / "other").exists()


def test_archive_inside_a_release_is_not_protected_again(synthetic: Command) -> None:
    assert synthetic("set.npz", "--output", "release", "--ledger", "ledger").code == 0
    answer = synthetic("release/set.npz", "--output", "again", "--ledger", "other")
    assert answer.code == 2 and "release/set.npz: is a release already" in answer.err


def test_foreign_manifest_does_not_make_a_release(synthetic: Command) -> None:
    Path("images/manifest.json").write_text('{"software": {"name": "an uploader"}}')
    assert synthetic("images", "--output", "release", "--ledger", "ledger").code == 0


@pytest.mark.parametrize("verb", ["protect", "verify", "restore", "audit"])
def test_help_teaches(verb: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stop:
        build_parser().parse_args([verb, "--help"])
    shown = capsys.readouterr().out
    assert stop.value.code == 0
    assert f"monai-unlearnable {verb} " in shown.split("example")[1]
    assert "2  wrong usage" in shown and "--json" in shown


def test_examples_of_the_help_parse() -> None:
    parser = build_parser()
    lines = [line.strip() for line in parser.format_help().splitlines() if "monai-unlearnable" in line]
    examples = [line.split()[1:] for line in lines if not line.startswith("usage")]
    assert [parser.parse_args(words).verb for words in examples] == ["protect", "verify", "audit", "restore"]


def test_installed_program_answers_without_loading_torch(tmp_path: Path) -> None:
    program = (
        "import sys; from monai_unlearnable.cli import main; code = main(sys.argv[1:]); "
        "print('torch' in sys.modules); sys.exit(code)"
    )
    words = [sys.executable, "-c", program, "protect", "--nonsense"]
    answer = subprocess.run(words, capture_output=True, text=True, check=False)
    assert (answer.returncode, answer.stdout) == (2, "False\n")
    words = [sys.executable, "-m", "monai_unlearnable", "--version"]
    answer = subprocess.run(words, capture_output=True, text=True, check=False)
    assert answer.returncode == 0 and answer.stdout.startswith("monai-unlearnable 0.")


@pytest.mark.parametrize("words", [("verify", "nowhere", "--json"), ("protect", "--help")])
def test_a_reader_who_has_left_is_no_traceback(words: tuple[str, ...], tmp_path: Path) -> None:
    read, write = os.pipe()
    os.close(read)
    command = [sys.executable, "-m", "monai_unlearnable", *words]
    with os.fdopen(write, "wb") as pipe:
        done = subprocess.run(command, cwd=tmp_path, stdout=pipe, stderr=subprocess.PIPE, text=True, timeout=300)
    assert "Traceback" not in done.stderr and "BrokenPipe" not in done.stderr
    assert done.returncode in (0, 1, 2)
