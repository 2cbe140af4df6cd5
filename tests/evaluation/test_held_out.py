import shutil
from dataclasses import replace

import pytest

from earmark.data.manifest import read_manifest
from earmark.errors import DataError
from earmark.evaluation.held_out import (
    held_out_clips,
    match_labels,
    read_as_trained,
    read_seen_data,
    select_test_recordings,
)
from earmark.models.checkpoint import load_checkpoint
from earmark.models.run_folder import RunFolder
from earmark.training.recipes.prepare import prepare

LABELS = ("music", "speech")


@pytest.fixture
def held_out(store, write_run):
    """A function that finds what a run on some data may be tested on, in the same or other data."""

    def find(run, data):
        manifest, seen = read_manifest(data), read_seen_data(run)
        selected = select_test_recordings(manifest, seen, LABELS)
        prepared = prepare(selected, load_checkpoint(run).spec.config, store=store)
        clips = held_out_clips(selected, prepared, seen, has_splits=manifest.has_splits)
        return [clip.name for clip in clips]

    return find


def test_without_a_run_nothing_is_known():
    assert read_seen_data(None) is None


def test_a_run_knows_the_majority_label_of_its_training_split(write_run, sound_folder):
    for path in (sound_folder / "training" / "speech").glob("speech_[2-5].wav"):
        path.unlink()
    assert read_seen_data(write_run(sound_folder)).majority_labels == ("music",)


def test_the_first_of_equally_frequent_labels_is_the_majority(write_run, sound_folder):
    assert read_seen_data(write_run(sound_folder)).majority_labels == ("music",)


def test_clips_of_the_test_split_that_were_trained_on_are_refused(
    held_out, write_run, sound_folder
):
    run = write_run(sound_folder)
    known = sound_folder / "training" / "music" / "music_0.wav"
    shutil.copy(known, sound_folder / "testing" / "music" / "leak.wav")
    with pytest.raises(DataError, match=r"music/leak\.wav"):
        held_out(run, sound_folder)


def test_other_data_without_splits_are_tested_whole(held_out, write_run, sound_folder, flat_folder):
    assert len(held_out(write_run(sound_folder), flat_folder)) == 20


def test_a_folder_with_a_test_split_alone_can_be_tested(held_out, write_run, sound_folder):
    run = write_run(sound_folder)
    for split in ("training", "validation"):
        shutil.rmtree(sound_folder / split)
    assert len(held_out(run, sound_folder)) == 6


def test_groups_that_were_trained_on_are_left_out(held_out, write_run, tmp_path, write_clip):
    data = tmp_path / "data"
    for seed, group in enumerate(("anna", "ben", "cleo", "dora", "eva", "finn")):
        write_clip(data / "music" / group / "0.wav", kind="tone", seed=seed)
        write_clip(data / "speech" / group / "0.wav", kind="noise", seed=seed)
    run = write_run(data)
    seen = read_seen_data(run).groups
    # A new recording of a known group, and one of a new group.
    write_clip(data / "music" / min(seen) / "new.wav", seed=998)
    write_clip(data / "music" / "gina" / "new.wav", seed=999)
    found = held_out(run, data)
    assert "music/gina/new.wav" in found
    assert not seen & {name.split("/")[1] for name in found}


def test_nothing_left_is_refused(held_out, write_run, sound_folder, tmp_path):
    run = write_run(sound_folder)
    shutil.copytree(sound_folder / "training", tmp_path / "seen")
    with pytest.raises(DataError, match="seen"):
        held_out(run, tmp_path / "seen")


def test_groups_with_the_names_of_training_groups_are_reported(
    held_out, write_run, tmp_path, write_clip, caplog
):
    def table(name, split_of):
        rows = ["path,label,split,group"]
        for group, split in split_of.items():
            for label, kind in (("music", "tone"), ("speech", "noise")):
                path = f"{name}_{label}_{group}.wav"
                write_clip(tmp_path / path, kind=kind, seed=sum(map(ord, path)))
                rows.append(f"{path},{label},{split},{group}")
        (tmp_path / f"{name}.csv").write_text("\n".join(rows))
        return tmp_path / f"{name}.csv"

    run = write_run(table("first", {"anna": "train", "ben": "validation"}))
    assert len(held_out(run, table("second", {"anna": "test", "cleo": "test"}))) == 4
    (warning,) = [one for one in caplog.records if one.levelname == "WARNING"]
    assert "(anna)" in warning.getMessage()


def test_data_without_a_test_split_are_refused(sound_folder):
    shutil.rmtree(sound_folder / "testing")
    with pytest.raises(DataError, match=str(sound_folder)):
        select_test_recordings(read_manifest(sound_folder), None, LABELS)


def test_data_without_splits_need_a_record_of_what_was_trained_on(flat_folder):
    with pytest.raises(DataError, match="run folder"):
        select_test_recordings(read_manifest(flat_folder), None, LABELS)


def test_an_unknown_label_is_refused(tested, sound_folder):
    with pytest.raises(DataError, match="'music'"):
        match_labels(read_manifest(sound_folder), tested.model.spec)


def test_labels_are_spelled_as_the_model_spells_them(tested, sound_folder):
    spec = replace(tested.model.spec, labels=("mu\u00adsic", "speech"))
    matched = match_labels(read_manifest(sound_folder), spec)
    assert matched.labels == spec.labels
    assert {one.labels for one in matched.recordings} == {("mu\u00adsic",), ("speech",)}


def test_an_unknown_label_in_other_case_is_recognized(tested, sound_folder):
    spec = replace(tested.model.spec, labels=("Music", "speech"))
    with pytest.raises(DataError, match="did you mean 'Music'"):
        match_labels(read_manifest(sound_folder), spec)


def test_a_recording_with_two_labels_does_not_fit_a_binary_task(tested, sound_folder):
    table = sound_folder / "table.csv"
    table.write_text("path,label,split\ntesting/music/music_0.wav,noise;tone,test\n")
    with pytest.raises(DataError, match=r"music_0\.wav"):
        match_labels(read_manifest(table), tested.model.spec)


def test_data_of_a_run_are_read_with_its_patterns(tmp_path):
    data, run = tmp_path / "data", RunFolder(tmp_path / "run")
    data.mkdir()
    for name in ("a_1.wav", "b_1.wav"):
        (data / name).touch()
    run.write_naming(data, {"label_from": "{label}_*", "group_from": None})
    manifest = read_as_trained(str(data), None, run)
    assert manifest.labels == ("a", "b")
    assert read_as_trained(manifest, run) is manifest
    with pytest.raises(DataError):
        read_as_trained(data)
