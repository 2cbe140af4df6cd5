import csv
import io
import shutil

import pytest
import torch

from earmark.config import load_config
from earmark.data.manifest import read_manifest
from earmark.errors import DataError
from earmark.evaluation.evaluate import evaluate_checkpoint
from earmark.models.checkpoint import load_checkpoint
from earmark.system.runtime import Runtime
from earmark.training.train import train

CPU = Runtime(torch.device("cpu"))
CONFIG = load_config(
    settings=["model.blocks.0.channels=4", "train.crop_seconds=0.5", "train.epochs=1"]
)


@pytest.fixture
def trained(tmp_path, sound_folder):
    train(
        read_manifest(sound_folder),
        tmp_path / "run",
        CONFIG,
        runtime=CPU,
        store_root=tmp_path / "store",
    )
    return tmp_path / "run"


@pytest.fixture
def evaluated(trained, tmp_path):
    def run(data, *, knows_its_run=True):
        return evaluate_checkpoint(
            load_checkpoint(trained),
            read_manifest(data),
            runtime=CPU,
            store_root=tmp_path / "store",
            run=trained if knows_its_run else None,
        )

    return run


def test_only_the_test_split_is_judged(evaluated, sound_folder):
    evaluation = evaluated(sound_folder)
    assert evaluation.scores.num_clips == 6
    assert all(clip.name.startswith("testing/") for clip in evaluation.predictions.clips)


def test_predictions_can_be_traced_to_their_files(evaluated, sound_folder):
    evaluation = evaluated(sound_folder)
    rows = list(csv.DictReader(io.StringIO(evaluation.to_csv())))
    expected = sorted(
        path.relative_to(sound_folder).as_posix()
        for path in (sound_folder / "testing").rglob("*.wav")
    )
    assert [row["path"] for row in rows] == expected
    for row in rows:
        assert row["label"] == row["path"].split("/")[1]
        assert (row["correct"] == "yes") == (row["label"] == row["predicted"])
        assert float(row["music"]) + float(row["speech"]) == pytest.approx(1, abs=1e-5)
        likely = max(("music", "speech"), key=lambda label: float(row[label]))
        assert row["predicted"] == likely
    assert sum(row["correct"] == "yes" for row in rows) == evaluation.scores.num_correct


def test_bad_test_files_are_named_and_the_others_judged(evaluated, sound_folder):
    (sound_folder / "testing" / "music" / "bad.wav").write_text("text")
    evaluation = evaluated(sound_folder)
    assert evaluation.scores.num_clips == 6
    (skipped,) = evaluation.to_dict()["skipped"]
    assert skipped["path"] == "testing/music/bad.wav"
    assert "bad.wav: not a sound file" in skipped["error"]


def test_test_clips_that_were_trained_on_are_refused(evaluated, sound_folder):
    known = sound_folder / "training" / "music" / "music_0.wav"
    shutil.copy(known, sound_folder / "testing" / "music" / "leak.wav")
    with pytest.raises(DataError, match=r"1 test clips have the same content.*music/leak\.wav"):
        evaluated(sound_folder)


def test_data_without_a_test_split_are_refused(evaluated, sound_folder):
    shutil.rmtree(sound_folder / "testing")
    with pytest.raises(DataError, match="no test split"):
        evaluated(sound_folder)


def test_an_unknown_label_is_refused(evaluated, sound_folder):
    (sound_folder / "testing" / "speech").rename(sound_folder / "testing" / "rain")
    with pytest.raises(DataError, match="'rain'"):
        evaluated(sound_folder)


def test_unsplit_data_are_tested_on_what_training_held_back(tmp_path, flat_folder):
    run, store = tmp_path / "flat_run", tmp_path / "store"
    train(read_manifest(flat_folder), run, CONFIG, runtime=CPU, store_root=store)
    with (run / "recordings.csv").open() as file:
        held = {row["name"] for row in csv.DictReader(file) if row["split"] == "test"}
    evaluation = evaluate_checkpoint(
        load_checkpoint(run), read_manifest(flat_folder), runtime=CPU, store_root=store, run=run
    )
    assert {clip.name for clip in evaluation.predictions.clips} == held
    assert len(held) == 4


def test_foreign_unsplit_data_are_tested_whole(evaluated, flat_folder):
    assert evaluated(flat_folder).scores.num_clips == 20


def test_unsplit_data_need_the_run_that_knows_what_was_trained_on(evaluated, flat_folder):
    with pytest.raises(DataError, match="give its run folder"):
        evaluated(flat_folder, knows_its_run=False)


def test_groups_that_were_trained_on_are_left_out(tmp_path, write_clip):
    def clips(names):
        for group in names:
            for label, kind in (("music", "tone"), ("speech", "noise")):
                for index in range(2):
                    seed = 10 * int(group[1:]) + index
                    path = tmp_path / "data" / label / group / f"{index}.wav"
                    write_clip(path, kind=kind, seed=seed)
        return read_manifest(tmp_path / "data")

    run, store = tmp_path / "run", tmp_path / "store"
    train(clips([f"g{n}" for n in range(6)]), run, CONFIG, runtime=CPU, store_root=store)
    with (run / "recordings.csv").open() as file:
        seen = {row["group"] for row in csv.DictReader(file) if row["split"] != "test"}
    trained_group = sorted(seen)[0]
    write_clip(tmp_path / "data" / "music" / trained_group / "new.wav", seed=999)
    evaluation = evaluate_checkpoint(
        load_checkpoint(run),
        read_manifest(tmp_path / "data"),
        runtime=CPU,
        store_root=store,
        run=run,
    )
    assert not seen & {clip.name.split("/")[1] for clip in evaluation.predictions.clips}


def test_a_recording_with_two_labels_is_refused(evaluated, sound_folder):
    table = sound_folder / "table.csv"
    table.write_text("path,label,split\ntesting/music/music_0.wav,music;speech,test\n")
    with pytest.raises(DataError, match=r"music_0\.wav has the labels music and speech"):
        evaluated(table)


def test_a_folder_with_a_testing_split_alone_can_be_tested(evaluated, sound_folder):
    for split in ("training", "validation"):
        shutil.rmtree(sound_folder / split)
    assert evaluated(sound_folder).scores.num_clips == 6


def test_groups_of_the_testing_split_that_were_trained_on_are_told(tmp_path, write_clip, caplog):
    def table(name, split_of):
        rows = ["path,label,split,group"]
        for group, split in split_of.items():
            for label, kind in (("music", "tone"), ("speech", "noise")):
                path = f"{name}_{label}_{group}.wav"
                seed = sum(map(ord, path))
                write_clip(tmp_path / path, kind=kind, seed=seed)
                rows.append(f"{path},{label},{split},{group}")
        (tmp_path / f"{name}.csv").write_text("\n".join(rows))
        return read_manifest(tmp_path / f"{name}.csv")

    run, store = tmp_path / "run", tmp_path / "store"
    first = table("first", {"anna": "train", "ben": "validation"})
    train(first, run, CONFIG, runtime=CPU, store_root=store)
    evaluation = evaluate_checkpoint(
        load_checkpoint(run),
        table("second", {"anna": "test", "cleo": "test"}),
        runtime=CPU,
        store_root=store,
        run=run,
    )
    assert evaluation.scores.num_groups == 2
    (warning,) = [one for one in caplog.records if one.levelname == "WARNING"]
    assert "(anna)" in warning.getMessage()
