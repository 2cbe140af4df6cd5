"""Models by name; a file that is replaced is opened again, and a bad one is not."""

import os
import threading

import numpy as np
import pytest

from earmark.config import Config
from earmark.errors import CheckpointError, ConfigError
from earmark.models.pretrained import find_model
from earmark.server.metrics import Metrics
from earmark.server.registry import ModelRegistry, Opening

PRETRAINED = find_model("speech-music")


def open_registry(*models):
    return ModelRegistry([str(one) for one in models], Opening(), Metrics())


@pytest.fixture
def model(tmp_path):
    path = tmp_path / "kitchen.onnx"
    path.write_bytes(PRETRAINED.read_bytes())
    return path


def replace(path, content):
    part = path.with_suffix(".part")
    part.write_bytes(content)
    part.replace(path)


def test_names(model):
    registry = open_registry(model, f"radio={PRETRAINED}", "speech-music")
    assert registry.names == ("kitchen", "radio", "speech-music")
    assert [one.name for one in registry.find(["radio", "kitchen", "radio"])] == [
        "radio",
        "kitchen",
    ]
    assert [one.name for one in registry.find([])] == ["kitchen"]
    assert registry.find(["radio", "none"]) is None


def test_a_model_of_a_run_has_the_name_of_its_folder(model):
    (model.parent / "garden").mkdir()
    best = model.rename(model.parent / "garden" / "best.onnx")
    assert open_registry(best).names == ("garden",)


def test_two_models_of_one_name_and_a_missing_one_are_refused(model):
    with pytest.raises(ConfigError, match="kitchen"):
        open_registry(model, f"kitchen={PRETRAINED}")
    with pytest.raises(CheckpointError):
        open_registry("nowhere.onnx")


def test_a_model_that_is_replaced_is_opened_again(model):
    (one,) = open_registry(model)
    first = one.classifier
    assert not one.refresh()
    replace(model, PRETRAINED.read_bytes())
    assert one.refresh()
    assert one.classifier is not first
    # The old one still works for whoever has it.
    assert first.predict(np.zeros(16_000, np.float32)).abstained == "silence"


def test_a_model_that_breaks_or_goes_away_stays_open(model):
    metrics = Metrics()
    (one,) = ModelRegistry([str(model)], Opening(), metrics)
    first = one.classifier
    replace(model, b"half of a model")
    assert one.refresh()
    model.unlink()
    assert not one.refresh()
    assert one.classifier is first
    assert b'outcome="failed"} 1.0' in metrics.render()
    replace(model, PRETRAINED.read_bytes())
    assert one.refresh()
    assert one.classifier is not first


def test_no_request_is_dropped_while_a_model_is_replaced(serve, model, wav, monkeypatch):
    monkeypatch.setattr("earmark.server.service.REFRESH_SECONDS", 0.05)
    with serve(str(model)) as served:
        sound, statuses, stop = wav(), [], threading.Event()

        def ask():
            while not stop.is_set():
                statuses.append(served.client.post("/v1/predict", content=sound).status_code)

        (served_model,) = served.service.models
        thread = threading.Thread(target=ask)
        thread.start()
        for _ in range(3):
            before = served_model.classifier
            replace(model, PRETRAINED.read_bytes())
            while served_model.classifier is before:
                os.sched_yield()
        stop.set()
        thread.join()
        assert len(statuses) > 3
        assert set(statuses) == {200}


def test_settings_apply_to_every_opening(model):
    opening = Opening(settings=("predict.silence_db=-20",))
    (one,) = ModelRegistry([str(model)], opening, Metrics())
    replace(model, PRETRAINED.read_bytes())
    one.refresh()
    predict = one.classifier.spec.config.predict
    assert predict.silence_db == -20 != Config().predict.silence_db
