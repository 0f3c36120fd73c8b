"""``protect --block-size-px``, ``--low-pass``, ``--channel-signs``, ``--kept-share`` and ``--phases``."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from monai_unlearnable.sources import open_source
from tests.cli.running import Command, write_pictures


def test_deltas_in_blocks_and_with_a_pattern(command: Command) -> None:
    write_pictures(Path("large"), size_px=24, per_class=3)
    words = ("protect", "large", "--seed", str(2**50), "--json")
    for name, shape, side in (
        ("linear_error_minimizing", ("--block-size-px", "4", "--kept-share", "0.25"), 4),
        ("synthetic", ("--block-size-px", "2"), 2),
    ):
        places = ("--output", f"{name}/release", "--ledger", f"{name}/ledger")
        answer = command(*words, *places, "--perturbation", name, *shape)
        assert answer.code == 0 and answer.json["held"] is True, answer.err
        before, after = open_source("large"), open_source(f"{name}/release")
        found = np.stack([after.read(at).astype(int) - before.read(at) for at in range(6)])
        found = found.reshape(6, 24 // side, side, 24 // side, side)
        assert (found == found[:, :, :1, :, :1]).all() and np.abs(found).max() == 8


def test_deltas_of_long_waves(command: Command) -> None:
    write_pictures(Path("large"), size_px=24, per_class=3)
    words = ("--perturbation", "linear_error_minimizing", "--low-pass", "0.5", "--kept-share", "0.5")
    answer = command("protect", "large", "--output", "release", "--ledger", "ledger", *words, "--json")
    assert answer.code == 0 and answer.json["held"] is True, answer.err
    settings = json.loads(Path("ledger/ledger.json").read_text())["configuration"]["settings"]
    assert settings["low_pass_share"] == 0.5 and settings["block_size_px"] is None


def test_signs_of_channels(command: Command) -> None:
    write_colour_pictures(Path("colours"))
    places = ("--output", "release", "--ledger", "ledger")
    answer = command("protect", "colours", *places, "--channel-signs", "++-", "--json")
    assert answer.code == 0 and answer.json["held"] is True, answer.err
    before, after = open_source("colours"), open_source("release")
    for at in range(len(before)):
        red, green, blue = after.read(at).astype(int) - before.read(at)
        assert red.any() and (red == green).all() and (red == -blue).all()
    wrong = command("protect", "images", "--output", "r", "--ledger", "l", "--channel-signs", "++-")
    assert wrong.code == 2 and "channel_signs=(1, 1, -1): 3 signs, but images have 1 channels" in wrong.err
    assert not Path("l").exists()


def write_colour_pictures(folder: Path) -> None:
    random = np.random.default_rng(0)
    for number in range(4):
        (folder / f"class{number % 2}").mkdir(parents=True, exist_ok=True)
        pixels = random.integers(40, 200, (24, 24, 3)).astype(np.uint8)
        Image.fromarray(pixels).save(folder / f"class{number % 2}" / f"{number}.png")


def test_phases_of_stripes(command: Command) -> None:
    write_pictures(Path("large"), size_px=24, per_class=8)
    for phases, words in ((2, ()), (1, ("--phases", "1"))):
        places = ("--output", f"{phases}/release", "--ledger", f"{phases}/ledger")
        answer = command("protect", "large", *places, "--seed", "8", "--perturbation", "synthetic", *words, "--json")
        assert answer.code == 0 and answer.json["held"] is True, answer.err
        before, after = open_source("large"), open_source(f"{phases}/release")
        signs = np.sign([after.read(at).astype(int) - before.read(at) for at in range(8)])  # all of the first class
        different: list[NDArray[np.int64]] = []
        for one in signs:  # where an image is black or white already, no sign is seen
            if all((one * other == -1).any() for other in different):
                different.append(one)
        assert len(different) == phases


def test_phases_of_a_pattern_that_keeps_a_share(command: Command) -> None:
    write_pictures(Path("large"), size_px=24, per_class=3)
    words = ("--perturbation", "linear_error_minimizing", "--kept-share", "0.5", "--phases", "2")
    answer = command("protect", "large", "--output", "release", "--ledger", "ledger", *words, "--json")
    assert answer.code == 0, answer.err
    settings = json.loads(Path("ledger/ledger.json").read_text())["configuration"]["settings"]
    assert settings["kept_patterns"]["phases"] == 2


@pytest.mark.parametrize(
    ("words", "text"),
    [
        (("--perturbation", "autoregressive", "--phases", "2"), "--phases: autoregressive draws no stripes"),
        (("--perturbation", "targeted_adversarial", "--phases", "2"), "--phases: targeted_adversarial draws no"),
        (("--phases", "3"), "--phases: invalid choice: 3"),
        (("--perturbation", "synthetic", "--kept-share", "0.5"), "--kept-share: synthetic has no surrogate, or"),
        (("--perturbation", "generator", "--block-size-px", "4"), "--block-size-px: generator makes deltas as fine"),
        (("--kept-share", "1"), "'1' is not a share above 0 and below 1"),
        (("--kept-share", "half"), "'half' is not a number"),
        (("--low-pass", "0.5"), "--low-pass: synthetic has no surrogate; --block-size-px draws coarser patterns"),
        (
            ("--perturbation", "generator", "--low-pass", "0.5"),
            "--low-pass: generator makes deltas as fine as its network",
        ),
        (
            ("--perturbation", "error_minimizing", "--low-pass", "0.5", "--block-size-px", "4"),
            "--low-pass and --block-size-px both say how fine deltas are; give one",
        ),
        (("--channel-signs", "+0-"), "'+0-' is not a + or - for each channel, such as ++-"),
        (
            ("--perturbation", "error_minimizing", "--channel-signs", "++-"),
            "--channel-signs: error_minimizing is not made of patterns alone",
        ),
        (("--low-pass", "2"), "'2' is not a share above 0 and below 1"),
        (("--block-size-px", "1"), "1 pixels: a block has 2 to 1024 a side"),
    ],
)
def test_what_is_refused(words: tuple[str, ...], text: str, command: Command) -> None:
    answer = command("protect", "images", "--output", "release", "--ledger", "ledger", *words)
    assert answer.code == 2 and text in answer.err
    assert not Path("release").exists()
