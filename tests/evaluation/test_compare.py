from dataclasses import replace

import pytest

from earmark.data.manifest import read_manifest
from earmark.errors import CheckpointError, DataError
from earmark.evaluation.compare import Comparison, compare
from earmark.evaluation.evaluate import evaluate_checkpoint
from earmark.models.checkpoint import load_checkpoint
from earmark.system.runtime import running


@pytest.fixture
def evaluate(store):
    def run(folder, data):
        with running("cpu") as runtime:
            return evaluate_checkpoint(
                load_checkpoint(folder),
                read_manifest(data),
                runtime=runtime,
                store_root=store,
                run=folder,
            )

    return run


def test_two_models_with_different_front_ends_are_tested_on_the_same_clips(
    write_run, evaluate, sound_folder, store
):
    other = ["features.n_mels=48", "features.power=1.0"]
    runs = [write_run(sound_folder, "one"), write_run(sound_folder, "two", settings=other, seed=4)]
    found = compare(*runs, sound_folder, device="cpu", store=store)
    alone = [evaluate(run, sound_folder) for run in runs]
    assert [found.first.scores, found.second.scores] == [one.scores for one in alone]
    answers = [
        dict(zip((clip.name for clip in one.predictions.clips), one.chosen, strict=True))
        for one in alone
    ]
    differing = {name for name in answers[0] if answers[0][name] != answers[1][name]}
    assert {one["path"] for one in found.differing} == differing
    document = found.to_dict()
    assert document["difference"] == pytest.approx(alone[0].accuracy - alone[1].accuracy)
    assert (document["num_left_out"], document["skipped"]) == (0, [])


def test_a_model_does_not_differ_from_itself(write_run, sound_folder, store):
    run = str(write_run(sound_folder))
    settings = ["predict.min_probability=0.51", "evaluate.resamples=100"]
    found = compare(run, run, sound_folder, device="cpu", store=str(store), settings=settings)
    assert (found.differing, found.paired.difference) == ([], 0.0)
    assert found.models == (run, run)
    assert found.second.rule.min_probability == 0.51


def test_only_clips_that_neither_model_has_seen_count(write_run, evaluate, flat_folder, store):
    runs = [
        write_run(flat_folder, f"run{seed}", settings=[f"train.split_seed={seed}"])
        for seed in (0, 1)
    ]
    first, second = (
        {clip.name for clip in evaluate(run, flat_folder).predictions.clips} for run in runs
    )
    manifest = read_manifest(flat_folder)
    if first & second:
        found = compare(*runs, manifest, device="cpu", store=store)
        assert {clip.name for clip in found.first.predictions.clips} == first & second
        assert found.num_left_out == len(first ^ second) > 0
    else:
        with pytest.raises(DataError):
            compare(*runs, manifest, device="cpu", store=store)


def test_without_data_the_test_split_of_the_second_run_is_used(write_run, sound_folder, store):
    runs = [write_run(sound_folder, name, seed=seed) for seed, name in enumerate(("one", "two"))]
    found = compare(*runs, device="cpu", store=store)
    given = compare(*runs, sound_folder, device="cpu", store=store)
    assert found.first.scores == given.first.scores
    assert found.second.scores == given.second.scores
    alone = runs[1].parent / "alone.safetensors"
    alone.write_bytes((runs[1] / "best.safetensors").read_bytes())
    with pytest.raises(DataError, match="alone"):
        compare(runs[0], alone, device="cpu", store=store)


def test_clips_count_whose_labels_both_models_know(write_run, sound_folder, write_clip, store):
    first = write_run(sound_folder, "one")
    for index, split in enumerate(("training", "training", "validation", "testing")):
        write_clip(sound_folder / split / "siren" / f"{index}.wav", seed=30 + index)
    second = write_run(sound_folder, "two", seed=1)
    for models in ((first, second), (second, first)):
        found = compare(*models, sound_folder, device="cpu", store=store)
        document = found.to_dict()
        assert document["labels"] == ["music", "speech"]
        assert (document["num_unknown"], document["unknown_labels"]) == (1, ["siren"])
        names = {clip.name for clip in found.first.predictions.clips}
        assert names == {clip.name for clip in found.second.predictions.clips}
        assert len(names) == document["num_clips"] == 6
        assert not any("siren" in name for name in names)
        assert "siren" in found.scope


def test_models_without_a_common_label_are_not_compared(
    write_run, sound_folder, write_clip, store, tmp_path
):
    first = write_run(sound_folder, "one")
    for index in range(8):
        label, split = (
            ("horn", "siren")[index % 2],
            ("training", "validation", "testing", "training")[index // 2],
        )
        write_clip(tmp_path / "other" / split / label / f"{index}.wav", seed=30 + index)
    second = write_run(tmp_path / "other", "two")
    with pytest.raises(DataError):
        compare(first, second, device="cpu", store=store)


def test_the_verdict_is_about_the_second_model(tested):
    first = tested.evaluation
    flipped = replace(first.uncalibrated, logits=-first.uncalibrated.logits)
    tests = first, replace(first, uncalibrated=flipped)
    worse, better = sorted(tests, key=lambda one: one.accuracy)
    assert worse.accuracy < better.accuracy
    assert "two is worse than one" in Comparison(("one", "two"), better, worse, 0).verdict
    assert "two is better than one" in Comparison(("one", "two"), worse, better, 0).verdict
    assert "as accurate" in Comparison(("one", "two"), first, first, 0).verdict


def test_a_missing_model_is_refused_before_any_work(write_run, sound_folder, monkeypatch):
    monkeypatch.setattr("earmark.evaluation.compare.evaluate_checkpoint", pytest.fail)
    with pytest.raises(CheckpointError, match="none"):
        compare(write_run(sound_folder), "none", sound_folder)


def test_a_comparison_shows_both_models_and_the_clips_that_differ(tested):
    first = tested.evaluation
    flipped = replace(first.uncalibrated, logits=-first.uncalibrated.logits)
    found = Comparison(("a<b", "run"), first, replace(first, uncalibrated=flipped), 0)
    assert found.paired.difference == pytest.approx(2 * first.accuracy - 1)
    assert f"a<b: {first.headline}" in repr(found)
    page = found._repr_html_()
    assert "a&lt;b" in page
    assert page.count("<tr>") == 1 + len(first.predictions.clips)
