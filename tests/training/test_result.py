"""The result of a training: what it prints, shows and offers next."""

from pathlib import Path
from types import SimpleNamespace

import pytest

import earmark
from earmark.config import load_config
from earmark.inference.classifier import Classifier
from earmark.training.result import TrainingResult
from earmark.training.train import train

FAST = (
    "recipe.name=classic",
    "train.epochs=1",
    "train.crop_seconds=0.5",
    "model.blocks.0.channels=4",
)


@pytest.fixture(scope="module")
def trained(tmp_path_factory, write_clip):
    folder = tmp_path_factory.mktemp("trained")
    for seed, split in enumerate(("train", "validation", "test")):
        for label, kind in {"music": "tone", "speech": "noise"}.items():
            write_clip(folder / "data" / split / label / f"{split}.wav", kind=kind, seed=seed)
    config = folder / "config.toml"
    config.write_text(load_config(settings=FAST).to_toml())
    run, store = str(folder / "run<1>"), str(folder / "store")
    result = train(str(folder / "data"), run, str(config), device="cpu", store=store)
    return SimpleNamespace(result=result, data=folder / "data", store=store)


def test_paths_may_be_text_and_the_data_are_remembered(trained):
    assert trained.result.data == trained.data
    assert trained.result.run.name == "run<1>"


def test_scripts_do_not_see_the_path_of_the_data(trained):
    assert "data" not in trained.result.to_dict()


def test_it_shows_itself_in_a_terminal_and_in_a_notebook(trained):
    assert repr(trained.result).startswith("TrainingResult(")
    assert trained.result.summary() in repr(trained.result)
    html = trained.result._repr_html_()
    assert "<svg" in html
    assert "run&lt;1&gt;" in html


def test_without_validation_there_is_no_accuracy():
    result = TrainingResult(Path("run"), Path("data"), 2, 2, False, None, 10, 0.1)
    assert "2 epochs" in result.summary()


def test_the_classifier_predicts_with_the_network(trained):
    classifier = trained.result.classifier(device="cpu")
    assert isinstance(classifier, Classifier)
    path = next(trained.data.glob("test/music/*"))
    assert classifier.predict(path).probabilities.keys() == {"music", "speech"}


def test_evaluate_calls_the_public_verb_with_run_and_data(trained, monkeypatch):
    monkeypatch.setattr(
        earmark, "evaluate", lambda *args, **options: (args, options), raising=False
    )
    arguments, options = trained.result.evaluate(store="store", device="cpu")
    assert arguments == (trained.result.run, trained.data)
    assert options == {"output": None, "device": "cpu", "store": "store", "settings": ()}
