import csv
import io
from dataclasses import replace

import numpy as np
import pytest
import torch

from earmark.config import load_config
from earmark.data.manifest import read_manifest
from earmark.errors import ConfigError
from earmark.evaluation.evaluate import evaluate_checkpoint, require_excerpts
from earmark.features.store import FeatureStore
from earmark.features.windows import ExcerptGrid
from earmark.inference.classifier import Classifier
from earmark.models.checkpoint import Checkpoint, load_checkpoint, new_network
from earmark.models.spec import ModelSpec
from earmark.system.runtime import Runtime

CPU = Runtime(torch.device("cpu"))


@pytest.fixture
def evaluate(store):
    def run(folder, data, settings=(), checkpoint=None):
        opened = (checkpoint or load_checkpoint(folder)).adjust(settings)
        manifest = read_manifest(data)
        return evaluate_checkpoint(opened, manifest, runtime=CPU, store_root=store, run=folder)

    return run


def rows_of(evaluation):
    return list(csv.DictReader(io.StringIO(evaluation.to_csv())))


def test_predictions_are_of_the_test_split_and_name_their_files(evaluate, write_run, sound_folder):
    evaluation = evaluate(write_run(sound_folder), sound_folder)
    expected = sorted(
        path.relative_to(sound_folder).as_posix()
        for path in (sound_folder / "testing").rglob("*.wav")
    )
    rows = rows_of(evaluation)
    assert [row["path"] for row in rows] == expected
    assert evaluation.scores.num_clips == 6
    for row in rows:
        assert row["label"] == row["path"].split("/")[1]
        assert (row["correct"] == "yes") == (row["label"] == row["predicted"])
        assert float(row["music"]) + float(row["speech"]) == pytest.approx(1, abs=1e-5)
        assert row["predicted"] == max(("music", "speech"), key=lambda label: float(row[label]))
    assert sum(row["correct"] == "yes" for row in rows) == evaluation.scores.num_correct


def test_failed_files_are_reported_and_the_others_tested(evaluate, write_run, sound_folder):
    run = write_run(sound_folder)
    (sound_folder / "testing" / "music" / "bad.wav").write_text("text")
    evaluation = evaluate(run, sound_folder)
    assert evaluation.scores.num_clips == 6
    assert [one["path"] for one in evaluation.to_dict()["skipped"]] == ["testing/music/bad.wav"]


def test_recordings_that_a_run_has_seen_are_left_out(evaluate, write_run, flat_folder):
    run = write_run(flat_folder)
    with (run / "recordings.csv").open() as file:
        held_out = {row["name"] for row in csv.DictReader(file) if row["split"] == "test"}
    evaluation = evaluate(run, flat_folder)
    assert {clip.name for clip in evaluation.predictions.clips} == held_out
    assert len(held_out) == 4


def test_test_and_prediction_agree_on_probabilities_labels_and_silence(
    evaluate, write_run, sound_folder, write_clip
):
    write_clip(sound_folder / "testing" / "music" / "silence.wav", kind="silence")
    run = write_run(sound_folder)
    checkpoint = load_checkpoint(run)
    checkpoint = replace(checkpoint, spec=replace(checkpoint.spec, temperature=3.0))
    checkpoint = checkpoint.adjust(["predict.min_probability=0.505"])
    checkpoint.save(run / "best.safetensors")
    classifier = Classifier.load(run)
    rows = rows_of(evaluate(run, sound_folder))
    for row in rows:
        prediction = classifier.predict(sound_folder / row["path"])
        assert row["predicted"] == (prediction.label or "")
        assert row["abstained"] == (prediction.abstained or "")
        for label, probability in prediction.probabilities.items():
            assert float(row[label]) == pytest.approx(probability, abs=2e-6)
    silent = [row["path"] for row in rows if row["abstained"] == "silence"]
    assert silent == ["testing/music/silence.wav"]


def test_levels_are_those_of_the_loudest_frames(evaluate, write_run, sound_folder):
    levels_db = evaluate(write_run(sound_folder), sound_folder).levels_db
    assert levels_db.shape == (6,)
    assert ((levels_db > -40) & (levels_db < 0)).all()


def test_an_excerpt_is_predicted_from_its_frames_alone(evaluate, write_run, sound_folder, store):
    run = write_run(sound_folder)
    plain = evaluate(run, sound_folder)
    found = evaluate(run, sound_folder, ["evaluate.excerpt_seconds=0.4"])
    assert plain.excerpts is None
    assert "excerpts" not in plain.to_dict()
    assert found.scores == plain.scores
    spec = load_checkpoint(run).spec
    model = load_checkpoint(run).build()
    grid = ExcerptGrid.of_seconds(0.4, spec.config.features)
    features, losses, num_correct = FeatureStore(store, spec.config.features), [], 0
    for clip in found.predictions.clips:
        frames = features[clip.key].astype(np.float32)
        for start in grid.starts(len(frames)):
            window = torch.from_numpy(frames[start : start + grid.num_frames].T.copy())
            with torch.inference_mode():
                logit = model(window[None, None]).item()
            sign = 1 if clip.targets == (1,) else -1
            num_correct += (logit >= 0) == (sign == 1)
            losses.append(np.logaddexp(0, -sign * logit))
    assert found.excerpts.num_correct == num_correct
    assert found.excerpts.num_excerpts == len(losses) > found.scores.num_clips
    assert found.excerpts.loss == pytest.approx(np.mean(losses), rel=1e-5)


@pytest.mark.parametrize(
    ("settings", "path"),
    [
        (["model.head=flatten"], r"model\.head"),
        (["evaluate.excerpt_seconds=0.05"], r"evaluate\.excerpt_seconds"),
    ],
)
def test_excerpts_that_no_network_can_predict_are_refused(settings, path):
    with pytest.raises(ConfigError, match=path):
        load_config(settings=["evaluate.excerpt_seconds=1.0", *settings])


def test_excerpts_of_which_the_network_leaves_nothing_are_refused():
    config = load_config(settings=["evaluate.excerpt_seconds=0.2"])
    spec = ModelSpec(config, ("no", "yes"), window_frames=250)
    checkpoint = Checkpoint(spec, new_network(spec).state_dict())
    with pytest.raises(ConfigError, match=r"excerpt_seconds .*model\.blocks\.1"):
        require_excerpts(checkpoint.spec)


def test_the_same_test_has_the_same_provenance_and_another_one_has_not(
    evaluate, write_run, sound_folder, write_clip
):
    run = write_run(sound_folder)
    first, again = evaluate(run, sound_folder), evaluate(run, sound_folder)

    def digests(evaluation):
        facts = evaluation.to_dict()["provenance"]
        return [facts[f"{name}_digest"] for name in ("weights", "config", "data")]

    assert digests(first) == digests(again)
    documents = [one.to_dict() | {"provenance": None} for one in (first, again)]
    assert documents[0] == documents[1]
    other = load_checkpoint(run)
    weights = {name: one.clone() for name, one in other.model.items()}
    weights["classifier.bias"] += 1.0
    write_clip(sound_folder / "testing" / "music" / "new.wav", seed=77)
    changed = evaluate(
        run, sound_folder, ["predict.overlap=0.3"], checkpoint=replace(other, model=weights)
    )
    assert all(old != new for old, new in zip(digests(first), digests(changed), strict=True))
