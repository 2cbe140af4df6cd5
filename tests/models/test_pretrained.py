import numpy as np
import pytest

from earmark.data.demo import demo_data
from earmark.data.manifest import read_manifest
from earmark.errors import CheckpointError
from earmark.inference.classifier import Classifier
from earmark.models.pretrained import find_model


@pytest.fixture
def shipped(tmp_path, monkeypatch):
    """A package with one model, seen from a folder of the user's."""
    inside = tmp_path / "package" / "speech-music.onnx"
    inside.parent.mkdir()
    inside.touch()
    monkeypatch.setattr("earmark.models.pretrained.MODELS", inside.parent)
    here = tmp_path / "here"
    here.mkdir()
    monkeypatch.chdir(here)
    return inside


def test_a_name_stands_for_the_model_inside_the_package(shipped):
    assert find_model("speech-music") == shipped


def test_a_file_or_folder_stands_for_itself(shipped, tmp_path):
    run = tmp_path / "here" / "run"
    run.mkdir()
    assert find_model("run").samefile(run)
    assert find_model(run) == run


def test_a_name_of_two_models_is_refused_with_a_way_out(shipped, tmp_path):
    mine = tmp_path / "here" / "speech-music"
    mine.mkdir()
    with pytest.raises(CheckpointError, match=str(mine)):
        find_model("speech-music")
    assert find_model(mine) == mine


def test_a_missing_model_is_reported_with_those_that_are_there(shipped):
    with pytest.raises(CheckpointError, match=r"speech-musik: .*speech-music"):
        find_model("speech-musik")


def test_a_package_may_have_no_models(tmp_path, monkeypatch):
    monkeypatch.setattr("earmark.models.pretrained.MODELS", tmp_path / "none")
    monkeypatch.chdir(tmp_path)
    with pytest.raises(CheckpointError, match="speech-music"):
        find_model("speech-music")


def test_the_model_of_the_package_recognises_speech_and_music():
    classifier = Classifier.load("speech-music")
    assert classifier.labels == ("music", "speech")
    with demo_data() as folder:
        recordings = read_manifest(folder).recordings[::4]
        rows = [classifier.predict(one.path).probabilities for one in recordings]
    best = [max(one, key=one.__getitem__) for one in rows]
    hits = sum(label == one.labels[0] for label, one in zip(best, recordings, strict=True))
    assert len(recordings) > 30
    assert hits >= 0.9 * len(recordings)


def test_the_model_of_the_package_abstains_on_silence():
    prediction = Classifier.load("speech-music").predict(np.zeros(48_000), sample_rate=48_000)
    assert prediction.abstained == "silence"
    assert prediction.labels == ()
