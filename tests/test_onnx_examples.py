"""The programs that run an exported model with ONNX Runtime alone."""

import json
import runpy
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile
import soxr

from earmark.config import load_config
from earmark.data.demo import demo_data
from earmark.exporters.description import describe_model
from earmark.exporters.targets import export
from earmark.inference.classifier import Classifier
from earmark.models.spec import ModelSpec
from earmark.tasks.task import BINARY, MULTI_CLASS, MULTI_LABEL

EXAMPLES = Path(__file__).parents[1] / "examples" / "onnx"
WITHOUT = "import runpy, sys; sys.modules.update({'earmark': None, 'torch': None, 'onnx': None}); "


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("earmark.exporters.parity.PARITY_SECONDS", (1.03,))
        patch.setattr("earmark.exporters.parity.LONG_SECONDS", 2.0)
        return export("speech-music", tmp_path_factory.mktemp("model") / "model.onnx").path


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """Real sound at the rate of the model, in stereo at another rate, and silence."""
    folder = tmp_path_factory.mktemp("sounds")
    with demo_data() as data:
        clips = [soundfile.read(path)[0] for path in sorted(data.rglob("*.flac"))[::30]]
    sounds = [(clip, 16_000) for clip in clips]
    for clip in clips[:2]:
        wide = soxr.resample(clip, 16_000, 44_100)
        sounds.append((np.stack([wide, 0.5 * wide], axis=1), 44_100))
    sounds.append((np.zeros(20_000), 16_000))
    for number, (samples, rate) in enumerate(sounds):
        soundfile.write(folder / f"{number}.wav", samples, rate)
    return sorted(folder.iterdir())


def check(lines, model, files):
    found = [json.loads(line) for line in lines.splitlines()]
    assert [one["path"] for one in found] == [str(path) for path in files]
    for one, expected in zip(found, Classifier.load(model).predict_many(files), strict=True):
        assert (one["label"], one.get("abstained")) == (expected.label, expected.abstained)
        assert one["probabilities"] == pytest.approx(expected.probabilities, abs=1e-3)
    assert len({one["label"] for one in found}) == 3


def run_python(model, *files):
    code = f"{WITHOUT}sys.argv.pop(0); runpy.run_path(sys.argv[0], run_name='__main__')"
    command = [sys.executable, "-c", code, EXAMPLES / "predict.py", model, *files]
    return subprocess.run(command, capture_output=True, text=True)


def test_the_python_program_predicts_as_earmark_does(model, files):
    done = run_python(model, *files)
    assert done.returncode == 0, done.stderr
    check(done.stdout, model, files)


def test_the_python_program_refuses_what_the_model_does_not_take(model, tmp_path, monkeypatch):
    short = tmp_path / "short.wav"
    soundfile.write(short, np.zeros(100), 16_000)
    done = run_python(model, short)
    assert (done.returncode, done.stdout) == (1, "")
    assert "short.wav" in done.stderr


MODULES = EXAMPLES / "node_modules" / "onnxruntime-node"


@pytest.mark.slow
@pytest.mark.skipif(
    not (shutil.which("node") and MODULES.is_dir()),
    reason="needs Node and `npm install --ignore-scripts onnxruntime-node` in examples/onnx",
)
def test_the_node_program_predicts_as_earmark_does(model, files):
    command = ["node", EXAMPLES / "predict.mjs", model]
    own_rate = [path for path in files if soundfile.info(path).samplerate == 16_000]
    done = subprocess.run([*command, *own_rate], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    check(done.stdout, model, own_rate)
    (other, *_) = set(files) - set(own_rate)
    refused = subprocess.run([*command, other], capture_output=True, text=True)
    assert refused.returncode == 1
    assert "44100 Hz" in refused.stderr


RULES = {
    "binary": (BINARY, ("a", "b"), {}),
    "binary silence": (BINARY, ("a", "b"), {"silence_label": "a"}),
    "background": (MULTI_CLASS, ("_background_", "a", "b"), {}),
    "multi-class": (MULTI_CLASS, ("a", "b", "c"), {"silence_label": "b"}),
    "multi-label": (MULTI_LABEL, ("a", "b", "c"), {"chosen_thresholds": (0.3, 0.5, 0.7)}),
}


@pytest.mark.parametrize("name", RULES)
def test_the_rule_of_the_python_program_is_that_of_earmark(name, rng):
    task, labels, facts = RULES[name]
    settings = ["predict.min_probability=0.6", "predict.silence_db=-60.0"]
    spec = ModelSpec(load_config(settings=settings), labels, 51, task, **facts)
    texts = describe_model(spec)
    names = {"task", "pooling", "earmark"}
    facts = {key: text if key in names else json.loads(text) for key, text in texts.items()}
    decide = runpy.run_path(str(EXAMPLES / "predict.py"))["decide"]
    logits = rng.normal(0, 2, (200, spec.num_outputs))
    levels_db, novelty = rng.uniform(-70, 0, 200), rng.normal(0, 2, 200)
    facts["max_novelty"] = 2.5
    rule = spec.rule.__class__(**{**vars(spec.rule), "max_novelty": 2.5})
    # Without the label of silence, which the program sets itself.
    rows = task.probabilities(rule.calibrate(logits))
    expected = rule.decide(logits, levels_db, novelty)
    reasons = set()
    for number, (indices, reason) in enumerate(
        zip(expected.indices(), expected.abstained, strict=True)
    ):
        found = decide(facts, rows[number], float(levels_db[number]), float(novelty[number]))
        label = None if reason else ";".join(labels[index] for index in indices)
        assert (found["label"], found.get("abstained")) == (label, reason)
        reasons.add(reason)
    assert {None, "unlike_training"} <= reasons
