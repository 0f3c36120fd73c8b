"""The commands of the documentation, each in a process of its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

from monai_unlearnable.release import verify_release
from tests.bundles.running import CONFIGS, recorded


def run_command(folder: Path, config: str, *options: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "monai.bundle", "run", "--config_file", config, *options]
    return subprocess.run(
        command,
        cwd=folder,
        env=os.environ | {"OMP_NUM_THREADS": "1", "PYTHONWARNINGS": "default"},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )


def test_protect_then_audit(tmp_path: Path, npz: Path) -> None:
    quick = ["--engine#max_epochs", "1", "--perturbation#steps", "2", "--handlers#1#epochs", "1"]
    places = ["--dataset", npz.name, "--output", "release", "--ledger", "ledger", "--radius", "8/255"]
    protected = run_command(tmp_path, str(CONFIGS / "protect.yaml"), *places, *quick)
    assert protected.returncode == 0, protected.stderr
    assert "8 images protected with error_minimizing, radius 8/255 = 8 levels" in protected.stdout
    assert recorded(tmp_path / "ledger")["settings"]["perturbation"]["steps"] == 2
    assert verify_release(tmp_path / "release", tmp_path / "ledger").held

    options = ["--dataset", npz.name, "--release", "release", "--output", "report", "--seeds", "1"]
    audited = run_command(tmp_path, str(CONFIGS / "audit.yaml"), *options, "--victims#0#epochs", "1")
    report = json.loads((tmp_path / "report" / "audit.json").read_text(encoding="utf-8"))
    assert audited.returncode == (0 if report["held"] else 1), audited.stderr
    assert str(Path("report") / "audit.html") in audited.stdout
    assert report["recipes"][0]["recipe"]["epochs"] == 1

    for process in (protected, audited):  # MONAI's class would win, with this warning only
        assert "more than 1 component" not in process.stderr
        assert "Traceback" not in process.stderr


def test_wrong_options_end_with_status_2_and_no_traceback(tmp_path: Path) -> None:
    both = f"['{CONFIGS / 'protect.yaml'}','{CONFIGS / 'synthetic.yaml'}']"
    process = run_command(tmp_path, both, "--output", "release", "--raduis", "4/255")
    assert process.returncode == 2
    assert "Traceback" not in process.stderr
    assert "--dataset is missing" in process.stderr and "Did you mean --radius?" in process.stderr
    assert list(tmp_path.iterdir()) == []
