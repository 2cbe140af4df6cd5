"""Files that earlier formats left still open, and give what they gave then."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from earmark.config import FeatureConfig
from earmark.data.manifest import read_manifest
from earmark.data.preparation import prepare_recordings
from earmark.errors import TrainingError
from earmark.features.store import FeatureStore
from earmark.inference.classifier import Classifier
from earmark.models.checkpoint import load_checkpoint
from earmark.training.train import train

GOLDEN = Path(__file__).parent / "golden"


@pytest.mark.parametrize("name", ["6.wav", "7.wav"])
def test_a_model_of_format_3_predicts_what_it_did(name):
    expected = json.loads((GOLDEN / "expected.json").read_text())[name]
    classifier = Classifier.load(GOLDEN / "run_format_3")
    found = classifier.predict(GOLDEN / name, segments=True)
    assert found.label == expected["label"]
    assert found.probabilities == pytest.approx(expected["probabilities"], abs=1e-6)
    (segment,) = found.segments
    assert segment.to_dict() == pytest.approx(expected["segments"][0], abs=1e-6)


def test_the_settings_of_a_model_of_format_3_have_the_names_of_today():
    config = load_checkpoint(GOLDEN / "run_format_3").spec.config
    assert (config.train.max_grad_norm, config.train.lr_schedule) == (1.0, "constant")
    assert (config.augment.time_stretch, config.augment.mixup) == (0.1, 0.5)
    assert config.predict.min_segment_seconds == 0.5


def test_a_run_of_format_3_is_resumed(tmp_path):
    run = tmp_path / "run"
    shutil.copytree(GOLDEN / "run_format_3", run)
    config = load_checkpoint(run).spec.config
    result = train(GOLDEN / "data.csv", run, config, device="cpu", store=tmp_path / "store")
    assert (result.epochs, result.best_epoch <= 3) == (3, True)
    with pytest.raises(TrainingError, match=r"train\.learning_rate"):
        train(GOLDEN / "data.csv", run, config.with_train(learning_rate=0.5), device="cpu")


def test_features_have_the_values_that_an_earlier_store_holds(tmp_path):
    """Earlier stores are not read, because sound may have been read in part; these were whole."""
    config = load_checkpoint(GOLDEN / "run_format_3").spec.config.features
    assert config != FeatureConfig()
    shutil.copytree(GOLDEN / "store", tmp_path / "store")
    (index,) = (GOLDEN / "store").glob("*/*.jsonl")
    lines = [json.loads(line) for line in index.read_text(encoding="utf-8").splitlines()]
    frames = np.fromfile(index.with_suffix(".f16"), np.float16).reshape(-1, config.n_mels)
    expected = {
        line["key"]: frames[first : first + line["frames"]]
        for line in lines
        for first in (line["offset"] // frames.itemsize // config.n_mels,)
    }
    recordings = [
        one for one in read_manifest(GOLDEN / "data.csv").recordings if one.split != "test"
    ]
    store = FeatureStore(tmp_path / "store", config)
    prepared = prepare_recordings(recordings, store)
    assert (prepared.num_computed, len(prepared.keys)) == (6, 6)
    assert set(map(str, prepared.keys.values())) == set(expected)
    for key in prepared.keys.values():
        np.testing.assert_array_equal(store[key], expected[str(key)])
