import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from earmark.cli import cli
from earmark.cli.terminal import printable
from earmark.errors import TrainingError
from earmark.training.cross_validation import jobs

FAST = (
    *("--set", "model.blocks.0.channels=4"),
    *("--set", "train.crop_seconds=0.5"),
    *("--set", "train.epochs=2"),
)


@pytest.fixture
def earmark():
    def run(*arguments):
        return CliRunner().invoke(cli, [str(one) for one in arguments])

    return run


@pytest.fixture
def trained(earmark, tmp_path, sound_folder):
    result = earmark("train", sound_folder, "-o", tmp_path / "run", "--device", "cpu", *FAST)
    assert result.exit_code == 0, result.output
    return tmp_path / "run"


def test_help_loads_nothing_heavy():
    code = (
        "import sys; from earmark.cli import cli; cli.main(['--help'], standalone_mode=False);"
        "print([one for one in ('torch', 'numpy', 'rich', 'pydantic') if one in sys.modules])"
    )
    result = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert result.stdout.splitlines()[-1] == "[]"


def test_every_verb_is_in_the_help(earmark):
    text = earmark("--help").output
    for verb in (
        *("demo", "check", "prepare", "train", "cross-validate", "evaluate", "predict", "listen"),
        "model",
    ):
        assert f"\n  {verb} " in text


def test_from_a_folder_to_tested_predictions(earmark, tmp_path, sound_folder):
    run = tmp_path / "run"
    trained = earmark("train", sound_folder, "-o", run, "--json", "--device", "cpu", *FAST)
    assert trained.exit_code == 0
    document = json.loads(trained.stdout)
    assert document["run"] == str(run)
    assert document["epochs"] == 2
    assert "epoch   2" in trained.stderr

    tested = earmark("evaluate", run, sound_folder, "--json", "--device", "cpu")
    assert tested.exit_code == 0
    document = json.loads(tested.stdout)
    assert document["num_clips"] == 6
    assert document["skipped"] == []
    assert (run / "report.html").exists()
    assert len((run / "predictions.csv").read_text().splitlines()) == 7

    files = sorted((sound_folder / "testing").rglob("*.wav"))
    predicted = earmark("predict", run, *files, "--json", "--device", "cpu")
    assert predicted.exit_code == 0
    lines = [json.loads(line) for line in predicted.stdout.splitlines()]
    assert [line["path"] for line in lines] == [str(path) for path in files]
    assert all(line["label"] in ("music", "speech") for line in lines)


def test_an_exported_run_says_what_the_run_says(
    earmark, trained, sound_folder, tmp_path, monkeypatch
):
    monkeypatch.setattr("earmark.exporters.onnx.PARITY_SECONDS", (0.1, 2.5))
    monkeypatch.setattr("earmark.exporters.onnx.LONG_SECONDS", 5.0)
    path = tmp_path / "model.onnx"
    wrong = earmark("export", trained, "-o", tmp_path / "model.pt")
    assert (wrong.exit_code, wrong.stderr.count("\n")) == (2, 1)
    written = earmark("export", trained, "-o", path, "--json")
    assert written.exit_code == 0, written.output
    facts = json.loads(written.stdout)
    assert (facts["path"], facts["takes"], facts["num_sounds"]) == (str(path), "waveform", 5)
    assert 0 < facts["largest_difference"] <= 1e-4
    said = []
    for model in (trained, path):
        result = earmark("predict", model, sound_folder / "testing", "--json")
        said.append([json.loads(line) for line in result.stdout.splitlines()])
    assert len(said[0]) > 3
    for one, other in zip(*said, strict=True):
        shares, others = one.pop("probabilities"), other.pop("probabilities")
        assert one == other
        assert others == pytest.approx(shares, abs=1e-4)


def test_people_get_tables_on_standard_output(earmark, trained, sound_folder):
    tested = earmark("evaluate", trained, sound_folder, "--device", "cpu")
    assert "of 6 test clips" in tested.stdout
    assert "report.html" in tested.stdout
    predicted = earmark("predict", trained, sound_folder / "testing", "--device", "cpu")
    assert predicted.stdout.count(".wav") >= 6


def test_quiet_shows_results_only(earmark, tmp_path, sound_folder):
    result = earmark(
        "train", sound_folder, "-o", tmp_path / "q", "--quiet", "--device", "cpu", *FAST
    )
    assert result.exit_code == 0
    assert result.stderr == ""
    assert "best epoch" in result.stdout


def test_prepare_stores_once(earmark, tmp_path, sound_folder):
    first = json.loads(earmark("prepare", sound_folder, "-o", tmp_path / "s", "--json").stdout)
    again = json.loads(earmark("prepare", sound_folder, "-o", tmp_path / "s", "--json").stdout)
    assert (first["num_clips"], first["num_computed"]) == (24, 24)
    assert (again["num_clips"], again["num_computed"]) == (24, 0)


def test_skipped_files_are_named_and_the_exit_status_is_one(earmark, tmp_path, sound_folder):
    (sound_folder / "training" / "music" / "empty.wav").touch()
    result = earmark(
        "train", sound_folder, "-o", tmp_path / "r", "--json", "--device", "cpu", *FAST
    )
    assert result.exit_code == 1
    (skipped,) = json.loads(result.stdout)["skipped"]
    assert skipped["path"] == "training/music/empty.wav"
    assert "empty.wav: the file is empty" in result.stderr
    assert (tmp_path / "r" / "best.safetensors").exists()


def test_a_prediction_that_fails_is_a_line_and_the_exit_status_is_one(
    earmark, trained, sound_folder, tmp_path
):
    bad = tmp_path / "bad.wav"
    bad.write_text("text")
    good = next((sound_folder / "testing" / "music").iterdir())
    result = earmark("predict", trained, bad, good, "--json", "--device", "cpu")
    assert result.exit_code == 1
    lines = [json.loads(line) for line in result.stdout.splitlines()]
    assert set(lines[0]) == {"path", "error"}
    assert lines[1]["path"] == str(good)


def test_data_folders_are_never_written_to(earmark, trained, sound_folder):
    before = sorted(path.as_posix() for path in sound_folder.rglob("*"))
    earmark("check", sound_folder)
    earmark("evaluate", trained, sound_folder, "--device", "cpu")
    assert sorted(path.as_posix() for path in sound_folder.rglob("*")) == before


def test_check_exits_with_one_on_errors_only(earmark, sound_folder, write_clip):
    assert earmark("check", sound_folder).exit_code == 0
    write_clip(sound_folder / "training" / "music" / "silent.wav", kind="silence")
    result = earmark("check", sound_folder, "--json")
    assert result.exit_code == 0
    assert json.loads(result.stdout)["num_warnings"] == 1
    assert earmark("check", sound_folder, "--strict").exit_code == 1
    (sound_folder / "training" / "music" / "bad.wav").write_text("text")
    result = earmark("check", sound_folder)
    assert result.exit_code == 1
    assert "bad.wav" in result.stdout


@pytest.mark.parametrize(
    ("arguments", "status", "message"),
    [
        (("train", "{missing}", "-o", "run"), 1, "no such file or folder"),
        (
            ("train", "{data}", "-o", "run", "--set", "train.epoch=3"),
            2,
            "did you mean train.epochs",
        ),
        (("train", "{data}", "-o", "run", "--device", "tpu"), 2, "tpu"),
        (("train", "{data}", "-o", "run", "--config", "{missing}"), 2, "cannot be read"),
        (("evaluate", "{missing}", "{data}"), 1, "no such model"),
        (("predict", "{missing}", "{data}"), 1, "no such model"),
        (("prepare", "{empty}"), 1, "no sound files found"),
        (("model", "summary", "--set", "model.name=x"), 2, "no architecture 'x'"),
        (("train", "{data}"), 2, "Missing option"),
        (("check", "{data}", "-o", "{empty}"), 2, "is a folder; name a file for the page"),
    ],
)
def test_errors_are_one_line_with_the_right_exit_status(
    earmark, tmp_path, sound_folder, arguments, status, message
):
    (tmp_path / "empty").mkdir()
    places = {"missing": tmp_path / "nowhere", "data": sound_folder, "empty": tmp_path / "empty"}
    result = earmark(*(one.format(**places) for one in arguments))
    assert result.exit_code == status
    assert message in result.stderr
    assert "Traceback" not in result.output
    assert result.stdout == ""


def test_debug_shows_the_traceback_and_keeps_the_exit_status(earmark):
    result = earmark("model", "summary", "--debug", "--set", "model.name=x")
    assert result.exit_code == 2
    assert "Traceback" in result.stderr


def test_what_may_change_after_training_can_be_set(earmark, trained, sound_folder):
    intervals = []
    for setting in ("evaluate.confidence=0.5", "evaluate.confidence=0.99"):
        result = earmark(
            *("evaluate", trained, sound_folder, "--json", "--device", "cpu", "--set", setting)
        )
        intervals.append(json.loads(result.stdout)["accuracy_interval"])
    assert intervals[0][1] - intervals[0][0] < intervals[1][1] - intervals[1][0]
    result = earmark("evaluate", trained, sound_folder, "--set", "features.n_mels=20")
    assert result.exit_code == 2
    assert "only evaluate and predict may change" in result.stderr


def test_a_model_file_in_its_run_folder_still_knows_what_it_was_trained_on(
    earmark, trained, sound_folder
):
    known = next((sound_folder / "training" / "music").iterdir())
    (sound_folder / "testing" / "music" / "leak.wav").write_bytes(known.read_bytes())
    result = earmark("evaluate", trained / "best.safetensors", sound_folder, "--device", "cpu")
    assert result.exit_code == 1
    assert "1 test clips have the same content" in result.stderr


def test_a_full_disk_is_one_line(earmark, trained, sound_folder, monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    result = earmark("evaluate", trained, sound_folder, "--device", "cpu")
    assert result.exit_code == 1
    assert "earmark: error: " in result.stderr
    assert "No space left on device" in result.stderr


def test_output_into_a_file_is_one_line(earmark, trained, sound_folder, tmp_path, monkeypatch):
    monkeypatch.setattr("earmark.evaluation.evaluate.evaluate", pytest.fail)
    (tmp_path / "file").touch()
    for output in (tmp_path / "file", tmp_path / "file" / "below"):
        result = earmark("evaluate", trained, sound_folder, "-o", output, "--device", "cpu")
        assert result.exit_code == 1
        last = result.stderr.splitlines()[-1]
        assert last == f"earmark: error: {output}: is not a folder; choose another folder"


@pytest.mark.parametrize("name", ["x:cat:y[z].wav", "a\nb\tc.wav", "één.wav"])
def test_a_file_may_have_any_name(earmark, trained, sound_folder, tmp_path, name):
    odd = sound_folder / "testing" / "music" / name
    next((sound_folder / "testing" / "music").iterdir()).rename(odd)
    bad = odd.with_name(f"bad {name}")
    bad.touch()
    tested = earmark("evaluate", trained, sound_folder, "--device", "cpu")
    assert tested.exit_code == 1
    assert "of 6 test clips" in tested.stdout, tested.stderr
    shown = printable(name)
    assert f"bad {shown}: the file is empty" in tested.stderr
    rows = earmark("predict", trained, odd, bad, "--device", "cpu")
    assert rows.exit_code == 1
    heading, *lines = rows.stdout.splitlines()
    assert heading == "file\tlabel\tprobability\tseconds"
    assert [Path(line.split("\t")[0]).name for line in lines] == [shown, f"bad {shown}"]
    (line,) = earmark("predict", trained, odd, "--json", "--device", "cpu").stdout.splitlines()
    assert json.loads(line)["path"] == str(odd)


def test_a_file_name_need_not_be_unicode(earmark, trained, sound_folder, tmp_path):
    bad = tmp_path / os.fsdecode(b"caf\xe9.wav")
    bad.touch()
    rows = earmark("predict", trained, bad, "--device", "cpu")
    assert rows.exit_code == 1
    assert f"{tmp_path}/caf\\udce9.wav\t-\t-\t-" in rows.stdout
    assert f"skipped: {tmp_path}/caf\\udce9.wav: the file is empty" in rows.stderr
    folder = tmp_path / os.fsdecode(b"caf\xe9")
    tested = earmark("evaluate", trained, sound_folder, "-o", folder, "--device", "cpu")
    assert tested.stdout.endswith(f"Report: {tmp_path}/caf\\udce9/report.html\n")
    failed = earmark("predict", bad, bad)
    assert f"error: {tmp_path}/caf\\udce9.wav: not a whole" in failed.stderr


def test_rows_of_predictions_come_as_they_are_judged(earmark, trained, sound_folder, monkeypatch):
    from earmark.inference.classifier import Classifier

    judged = Classifier.predict_many

    def interrupted(self, paths):
        yield next(judged(self, paths))
        raise KeyboardInterrupt

    monkeypatch.setattr(Classifier, "predict_many", interrupted)
    result = earmark("predict", trained, sound_folder / "testing", "--device", "cpu")
    assert result.exit_code == 130
    assert len(result.stdout.splitlines()) == 2


def test_a_terminal_gets_a_table_unless_there_are_many_files(
    trained, sound_folder, monkeypatch, capsys
):
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)
    command = ["predict", str(trained), str(sound_folder / "testing"), "--device", "cpu"]
    cli.main(command, standalone_mode=False)
    assert "┃" in capsys.readouterr().out
    monkeypatch.setattr(sys.modules["earmark.cli.predict_files"], "TABLE_ROWS", 5)
    cli.main(command, standalone_mode=False)
    assert capsys.readouterr().out.count("\t") == 7 * 3


def test_the_last_weights_do_not_replace_the_report_of_the_best(
    earmark, trained, sound_folder, tmp_path
):
    last = trained / "last.safetensors"
    result = earmark("evaluate", last, sound_folder, "--device", "cpu")
    assert "No report: give -o FOLDER" in result.stdout
    assert not (trained / "report.html").exists()
    earmark("evaluate", last, sound_folder, "-o", tmp_path / "other", "--device", "cpu")
    page = (tmp_path / "other" / "report.html").read_text()
    assert f"{last}, tested on {sound_folder} (test split)" in page
    assert "tested: epoch 2" in page
    earmark("evaluate", trained / "best.safetensors", sound_folder, "--device", "cpu")
    assert (trained / "report.html").exists()


def test_a_run_without_its_log_can_be_tested(earmark, trained, sound_folder):
    (trained / "log.jsonl").unlink()
    assert earmark("evaluate", trained, sound_folder, "--device", "cpu").exit_code == 0
    assert "No loss curve" in (trained / "report.html").read_text()


@pytest.mark.parametrize("option", ["--set", "--config"])
def test_the_summary_of_a_model_takes_no_settings(earmark, trained, tmp_path, option):
    (tmp_path / "c.toml").write_text("")
    value = "features.n_mels=20" if option == "--set" else tmp_path / "c.toml"
    result = earmark("model", "summary", trained, option, value)
    assert result.exit_code == 2
    assert "keeps its settings; leave --set and --config out" in result.stderr


def test_the_summary_prints_sizes_parameters_and_multiply_adds(earmark, trained):
    result = earmark("model", "summary")
    assert "16 x 40 x 51" in result.stdout
    assert "13,969 parameters, 1,857,176 multiply-adds" in result.stdout.replace("\n", " ")
    assert earmark("model", "summary", trained).exit_code == 0


def test_the_list_names_each_architecture_with_its_cost_and_source(earmark):
    lines = earmark("model", "list").stdout
    facts = json.loads(earmark("model", "list", "--json").stdout)
    assert [one["name"] for one in facts] == ["audio_cnn", "bc_resnet", "cp_resnet"]
    assert facts[0] == {
        "name": "audio_cnn",
        "num_parameters": 13_969,
        "num_multiply_adds": 1_857_176,
        "source": "the textbook CNN, no paper",
    }
    for one in facts:
        row = next(line for line in lines.splitlines() if one["name"] in line)
        for fact in (f"{one['num_parameters']:,}", f"{one['num_multiply_adds']:,}", one["source"]):
            assert fact in row


@pytest.fixture
def folds_command(tmp_path, flat_folder):
    return (
        *("cross-validate", flat_folder, "--folds", "3", "--workers", "1", "--device", "cpu"),
        *("--set", "model.blocks.0.channels=2", "--set", "train.crop_seconds=0.5"),
        *("--set", "train.epochs=1", "--set", "evaluate.excerpt_seconds=0.4"),
    )


def test_cross_validation_keeps_its_contract(earmark, tmp_path, folds_command):
    result = earmark(*folds_command, "--json", "--seeds", "2", "-o", tmp_path / "cv")
    assert result.exit_code == 0, result.output
    document = json.loads(result.stdout)
    assert [(one["seed"], one["fold"]) for one in document["folds"]] == [
        (seed, fold) for seed in (0, 1) for fold in ("1", "2", "3")
    ]
    assert (document["num_clips"], document["num_judgements"]) == (20, 40)
    assert document["accuracy"] == document["num_correct"] / 40
    low, high = document["accuracy_interval"]
    assert low <= document["accuracy"] <= high
    for error in document["errors"]:
        assert {"path", "label", "predicted", "probability"} <= set(error)
    assert sum(one["num_wrong"] for one in document["errors"]) == 40 - document["num_correct"]
    assert document["windows"]["seconds"] == 0.4
    assert "seed 1  fold 3  " in result.stderr
    assert json.loads((tmp_path / "cv" / "result.json").read_text()) == document
    again = earmark(*folds_command, "--json", "--seeds", "2", "-o", tmp_path / "cv")
    assert json.loads(again.stdout) == document
    assert "going on: 6 of 6 folds are done" in again.stderr


def test_people_see_every_fold_and_every_error(earmark, folds_command):
    document = json.loads(earmark(*folds_command, "--json").stdout)
    text = earmark(*folds_command, "--quiet")
    assert text.exit_code == 0
    assert text.stderr == ""
    for error in document["errors"]:
        assert error["path"] in text.stdout
    assert f"{document['num_correct']} of 20 clips from 20 groups, interval" in text.stdout
    assert "Windows of 0.4 s alone" in text.stdout


def test_failed_folds_are_named_and_the_exit_status_is_one(earmark, folds_command, monkeypatch):
    run = jobs.train

    def failing(manifest, *rest, **options):
        if {one.fold for one in manifest.split("test")} == {"2"}:
            raise TrainingError("the training loss is nan")
        return run(manifest, *rest, **options)

    monkeypatch.setattr(jobs, "train", failing)
    result = earmark(*folds_command, "--json")
    assert result.exit_code == 1
    assert json.loads(result.stdout)["failed"][0]["fold"] == "2"
    assert "seed 0  fold 2: the training loss is nan" in result.stderr
    assert "1 folds failed; they are named above" in result.stderr


@pytest.mark.parametrize(("keeps", "told"), [(True, True), (False, False)])
def test_an_interruption_says_whether_cross_validation_goes_on(
    earmark, tmp_path, folds_command, monkeypatch, keeps, told
):
    def interrupted(job):
        raise KeyboardInterrupt

    monkeypatch.setattr("earmark.training.cross_validation.jobs._run", interrupted)
    result = earmark(*folds_command, *(("-o", tmp_path / "cv") if keeps else ()))
    assert result.exit_code == 130
    assert ("resume" in result.stderr) is told
