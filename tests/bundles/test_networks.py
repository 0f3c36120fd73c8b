"""Train a network on a release, and run it on pictures."""

from __future__ import annotations

import csv
import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from monai.bundle import verify_metadata, verify_net_in_out
from PIL import Image
from torch import Tensor, nn

from monai_unlearnable.networks import small_resnet
from tests.bundles.running import BUNDLE, CONFIGS, make_workflow, run_bundle, write_multi_label_npz

METADATA = str(CONFIGS / "metadata.json")
SCHEMA = BUNDLE / "docs" / "metadata.schema.json"
# LoadImaged makes every reader that MONAI knows, and this one complains where its decoder is not installed.
UNUSED_READER = "ignore:NvImgCodecPydicomReader:UserWarning"
SHORT: dict[str, Any] = {"train#trainer#max_epochs": 2, "train#dataloader#batch_size": 8}


def load(path: Path, num_classes: int = 2) -> nn.Module:
    network = small_resnet(spatial_dims=2, in_channels=1, num_classes=num_classes)
    network.load_state_dict(torch.load(path, weights_only=True))
    return network.eval()


def verify(metadata: str) -> None:
    sha256 = hashlib.sha256(SCHEMA.read_bytes()).hexdigest()
    verify_metadata(meta_file=metadata, filepath=SCHEMA, hash_val=sha256, hash_type="sha256")


def probabilities(network: nn.Module, path: Path) -> Tensor:
    pixels = np.asarray(Image.open(path), dtype=np.float32)
    with torch.no_grad():
        logits: Tensor = network(torch.from_numpy(pixels / 255 * 2 - 1)[None, None])
    return logits.softmax(1)[0]


@pytest.mark.filterwarnings(UNUSED_READER)
def test_train_then_run(tmp_path: Path, npz: Path, folders: Path) -> None:
    victim, predictions = tmp_path / "victim", tmp_path / "predictions"
    run_bundle("train", dataset_dir=npz, test_dir=npz, output_dir=victim, **SHORT)
    run_bundle("inference", dataset_dir=folders, checkpoint=victim / "model.pt", output_dir=predictions)
    with (predictions / "predictions.csv").open(newline="") as stream:
        rows = {Path(row[0]): [float(one) for one in row[1:]] for row in csv.reader(stream)}
    network = load(victim / "model.pt")
    assert sorted(rows) == sorted(folders.rglob("*.png"))
    for path, row in rows.items():  # rows and columns in the order of training, too
        assert row == pytest.approx(probabilities(network, path).tolist(), abs=1e-5)


def test_train_adversarially(tmp_path: Path, npz: Path) -> None:
    trained = {}
    runs: dict[str, tuple[tuple[str, ...], dict[str, Any]]] = {
        "plain": (("train",), {}),
        "faint": (("train", "adversarial_training"), {"adversarial_radius": 1e-9}),
        "strong": (("train", "adversarial_training"), {"adversarial_radius": 0.5}),
    }
    for name, (configs, options) in runs.items():
        torch.manual_seed(0)
        run_bundle(*configs, dataset_dir=npz, output_dir=tmp_path / name, **SHORT, **options)
        trained[name] = torch.load(tmp_path / name / "model.pt", weights_only=True)
    first = next(iter(trained["plain"]))
    assert torch.allclose(trained["plain"][first], trained["faint"][first], atol=1e-4)
    assert not torch.allclose(trained["plain"][first], trained["strong"][first], atol=1e-3)


def test_train_on_pictures_without_test_images(tmp_path: Path, folders: Path) -> None:
    run_bundle("train", dataset_dir=folders, output_dir=tmp_path / "victim", **SHORT)
    assert (tmp_path / "victim" / "model.pt").is_file()


def test_train_multi_label(tmp_path: Path) -> None:
    source = write_multi_label_npz(tmp_path / "multi.npz")
    run_bundle("train", dataset_dir=source, test_dir=source, output_dir=tmp_path / "victim", **SHORT)
    load(tmp_path / "victim" / "model.pt", num_classes=3)


def test_same_seed_trains_the_same_network(tmp_path: Path, npz: Path) -> None:
    for name in ("one", "other"):
        run_bundle("train", dataset_dir=npz, output_dir=tmp_path / name, **SHORT)
    states = [load(tmp_path / name / "model.pt").state_dict() for name in ("one", "other")]
    assert all(torch.equal(value, states[1][key]) for key, value in states[0].items())


@pytest.mark.filterwarnings(UNUSED_READER)
def test_properties_that_monai_asks_for(tmp_path: Path, npz: Path, folders: Path) -> None:
    train = make_workflow("train", workflow_type="train", dataset_dir=str(npz), test_dir=str(npz))
    assert train.check_properties() == []
    assert train.max_epochs == 20
    inference = make_workflow("inference", workflow_type="infer", dataset_dir=str(folders))
    inference.parser["handlers"] = []  # no weights here
    inference.initialize()
    assert inference.check_properties() == []
    assert inference.version == "0.2.0"


def test_metadata_fits_our_schema_without_a_network(monkeypatch: pytest.MonkeyPatch) -> None:
    def no_network(*_: Any, **__: Any) -> None:
        raise AssertionError("wanted to download the schema")

    monkeypatch.setattr("monai.apps.utils._download_with_progress", no_network)
    verify(METADATA)


@pytest.mark.parametrize("key", ["task", "network_data_format", "required_packages_version"])
def test_schema_finds_what_is_missing(key: str, tmp_path: Path) -> None:
    content = json.loads(Path(METADATA).read_text(encoding="utf-8"))
    del content[key]
    broken = tmp_path / "metadata.json"
    broken.write_text(json.dumps(content))
    with pytest.raises(ValueError, match=f"'{key}' is a required property"):
        verify(str(broken))


@pytest.mark.parametrize("name", ["train", "inference"])
def test_network_takes_and_gives_what_metadata_says(name: str) -> None:
    verify_net_in_out("network_def", meta_file=METADATA, config_file=str(CONFIGS / f"{name}.yaml"), device="cpu")
    wrong: dict[str, Any] = {"_meta_#network_data_format#outputs#pred#num_channels": 5}
    with pytest.raises(ValueError, match="output channel number"):
        verify_net_in_out(
            "network_def",
            meta_file=METADATA,
            config_file=str(CONFIGS / f"{name}.yaml"),
            device="cpu",
            **wrong,
        )
