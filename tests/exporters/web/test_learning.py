"""Teaching on the page, in Node without a browser: the fit, its test and the new model."""

import json

import numpy as np
import onnx
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler

from earmark.exporters.novelty_graph import with_novelty
from earmark.exporters.targets import export
from earmark.exporters.web.description import describe_for_page
from earmark.inference.classifier import load_model
from earmark.inference.onnx_backend import open_onnx
from earmark.models.checkpoint import load_checkpoint
from earmark.models.pretrained import find_model
from earmark.tasks.novelty import fit_novelty
from earmark.tasks.task import BINARY, MULTI_CLASS, MULTI_LABEL, multi_hot
from earmark.tasks.temperature import fit_temperature

DECAY = 1e-2


WIDTH = 160
"""Of the embedding of the model inside the package."""


def lesson(rng, num_labels, width=WIDTH, files=6):
    """Files of a few windows each, of labels that overlap a little."""
    centers = rng.normal(0, 1.0, (num_labels, width))
    return [
        {"label": label, "rows": (centers[label] + rng.normal(0, 2.5, (3, width))).tolist()}
        for label in range(num_labels)
        for _ in range(files)
    ]


@pytest.mark.parametrize("num_labels", [2, 3])
def test_the_fit_is_that_of_logistic_regression(compute, rng, num_labels):
    examples = lesson(rng, num_labels, width=6)
    [layer] = compute([("fit", {"examples": examples, "numLabels": num_labels})])
    rows = np.concatenate([one["rows"] for one in examples])
    labels = np.repeat([one["label"] for one in examples], 3)
    scaler = StandardScaler().fit(rows)
    # Its penalty is that of the page where the weights of the samples sum to 1.
    expected = LogisticRegression(C=1 / (DECAY * len(rows)), tol=1e-10, max_iter=5000)
    if num_labels == 2:
        # Two rows with decay are one row of half the decay.
        expected.C *= 2
    expected.fit(scaler.transform(rows), labels)
    logits = rows @ np.array(layer["weights"]).T + layer["bias"]
    wanted = expected.decision_function(scaler.transform(rows)).reshape(len(rows), -1)
    if num_labels > 2:
        logits -= logits.mean(axis=1, keepdims=True)
        wanted -= wanted.mean(axis=1, keepdims=True)
    np.testing.assert_allclose(logits, wanted, atol=2e-3)


def test_no_file_is_tested_by_a_layer_that_has_seen_it(compute, rng):
    # Noise with labels: a layer with many inputs knows the files that it was fitted to.
    rows = rng.normal(0, 1, (40, 1, 60)).tolist()
    examples = [{"label": index % 2, "rows": one} for index, one in enumerate(rows)]
    request = {"examples": examples, "numLabels": 2}
    held_out, layer = compute([("heldOut", request), ("fit", request)])
    truths = np.array([one["label"] for one in examples])
    fitted = np.array(rows)[:, 0] @ np.array(layer["weights"][0]) + layer["bias"][0]
    assert ((fitted > 0) == truths).mean() > 0.95
    assert ((np.array(held_out)[:, 0] > 0) == truths).mean() < 0.8


def test_one_file_of_a_label_cannot_be_held_out(compute, rng):
    examples = lesson(rng, 2)[:7]
    assert compute([("heldOut", {"examples": examples, "numLabels": 2})]) == [None]


@pytest.mark.parametrize("task", [BINARY, MULTI_CLASS])
def test_the_temperature_is_that_of_training(compute, rng, task):
    num_labels = 2 if task is BINARY else 3
    labels = rng.integers(0, num_labels, 30)
    logits = 4 * rng.normal(size=(30, task.num_outputs(num_labels)))
    request = {"task": task.name, "logits": logits.tolist(), "labels": labels.tolist()}
    [found] = compute([("temperature", request)])
    targets = multi_hot([(int(one),) for one in labels], num_labels)
    assert found == pytest.approx(fit_temperature(logits, targets, task), rel=1e-6)


def with_score(path, rng):
    """The model of the package with a score of novelty."""
    model = onnx.load(path)
    rows = rng.normal(size=(60, WIDTH))
    targets = multi_hot([(index % 2,) for index in range(60)], 2)
    novelty = fit_novelty(rows, rng.normal(size=(60, 2)), targets, MULTI_LABEL)
    model.graph.CopyFrom(with_novelty(model.graph, novelty))
    return model


@pytest.mark.parametrize(("num_labels", "has_score"), [(2, False), (3, False), (3, True)])
def test_the_new_model_opens_and_gives_the_new_logits(
    compute, rng, tmp_path, num_labels, has_score
):
    base = tmp_path / "base.onnx"
    packaged = find_model("speech-music")
    if has_score:
        onnx.save(with_score(packaged, rng), base)
    else:
        base.write_bytes(packaged.read_bytes())
    labels = ["dog", "rain", "sea"][:num_labels]
    examples = lesson(rng, num_labels)
    spec = load_model(base).spec
    request = {
        **{"graph": str(base), "output": str(tmp_path / "new.onnx"), "name": "new"},
        "model": describe_for_page(spec, name="base", licence="MIT"),
        **{"labels": labels, "examples": examples},
    }
    [answer, layer] = compute(
        [("train", request), ("fit", {"examples": examples, "numLabels": num_labels})]
    )
    new_spec, backend = open_onnx(tmp_path / "new.onnx")
    assert new_spec.labels == tuple(labels)
    assert new_spec.task is (BINARY if num_labels == 2 else MULTI_CLASS)
    assert new_spec.temperature == pytest.approx(answer["model"]["temperature"])
    assert new_spec.known_scores.clips == ()
    page_facts = describe_for_page(new_spec, name="new", licence="MIT")
    assert {**answer["model"], "thresholds": list(new_spec.thresholds)} == {
        **page_facts,
        "lane_thresholds": answer["model"]["lane_thresholds"],
    }
    windows = rng.normal(-40, 15, (3, 40, 51)).astype(np.float32)
    output = backend.run(windows)
    expected = output.embeddings @ np.array(layer["weights"]).T + layer["bias"]
    np.testing.assert_allclose(output.logits, expected, rtol=1e-4, atol=1e-3)
    assert output.novelty is None
    onnx.checker.check_model(str(tmp_path / "new.onnx"), full_check=True)
    assert sum(map(sum, answer["confusion"])) == len(examples)
    assert load_checkpoint(tmp_path / "new.onnx").spec == new_spec


def test_the_metadata_tells_other_programs_of_the_new_labels(compute, rng, tmp_path):
    base = find_model("speech-music")
    spec = load_model(base).spec
    request = {
        **{"graph": str(base), "output": str(tmp_path / "new.onnx"), "name": "new"},
        "model": describe_for_page(spec, name="base", licence="MIT"),
        **{"labels": ["a", "b"], "examples": lesson(rng, 2)},
    }
    compute([("train", request)])
    old, new = (
        {one.key: one.value for one in onnx.load(path).metadata_props}
        for path in (base, tmp_path / "new.onnx")
    )
    assert set(new) > set(old)
    assert json.loads(new["labels"]) == ["a", "b"]
    assert json.loads(new["thresholds"]) == [0.5]
    assert "taught" in new["weights_digest"]
    assert new["sample_rate"] == old["sample_rate"]


def test_a_background_that_is_taught_is_never_predicted(compute, rng, tmp_path, monkeypatch):
    base, new = tmp_path / "base.onnx", tmp_path / "new.onnx"
    monkeypatch.setattr("earmark.exporters.parity.LONG_SECONDS", 5.0)
    export("speech-music", base, takes="log-mel")
    request = {
        **{"graph": str(base), "output": str(new), "name": "new"},
        "model": describe_for_page(load_model(base).spec, name="base", licence="MIT"),
        **{"labels": ["dog", "_background_"], "examples": lesson(rng, 2)},
    }
    [answer] = compute([("train", request)])
    assert answer["model"]["background"] == 1
    assert load_model(new).spec.rule.background == 1
    metadata = {one.key: one.value for one in onnx.load(new).metadata_props}
    assert json.loads(metadata["background_label"]) == "_background_"
