import json
import os
from pathlib import Path

import pytest

from earmark.cli.terminal import printable


@pytest.fixture
def evaluate(earmark, trained, sound_folder, monkeypatch):
    """A function that tests the run; its report has no pictures, which take longest to make."""
    monkeypatch.setattr(
        "matplotlib.figure.Figure.savefig", lambda self, file, **_: file.write("<svg></svg>")
    )

    def run(*options, model=trained):
        return earmark("evaluate", model, sound_folder, "--device", "cpu", *options)

    return run


def test_json_keeps_its_contract_and_the_report_lies_in_the_run_folder(
    evaluate, trained, sound_folder
):
    before = sorted(sound_folder.rglob("*"))
    result = evaluate("--json")
    assert result.exit_code == 0
    document = json.loads(result.stdout)
    assert (document["num_clips"], document["skipped"]) == (6, [])
    assert document["accuracy"] == document["num_correct"] / 6
    low, high = document["accuracy_interval"]
    assert low <= document["accuracy"] <= high
    assert document["labels"] == ["music", "speech"]
    assert set(document["per_class"]) == {"music", "speech"}
    assert sum(map(sum, document["confusion_matrix"])) == 6
    assert {"loss"} <= set(document)
    assert (trained / "report.html").exists()
    assert len((trained / "predictions.csv").read_text().splitlines()) == 7
    assert sorted(sound_folder.rglob("*")) == before


def test_people_get_a_row_a_label_and_the_place_of_the_report(evaluate, trained):
    output = evaluate().stdout
    for text in ("music", "speech", "of 6", str(trained / "report.html")):
        assert text in output


def test_the_baseline_reaches_the_test(evaluate, trained, tmp_path):
    assert evaluate("-o", tmp_path / "first").exit_code == 0
    baseline = tmp_path / "first" / "predictions.csv"
    document = json.loads(evaluate("--json", "--baseline", baseline).stdout)
    assert document["baseline"]["path"] == str(baseline)
    assert document["baseline"]["difference"] == 0.0


def test_what_may_change_after_training_can_be_set(evaluate):
    intervals = [
        json.loads(evaluate("--json", "--set", f"evaluate.confidence={one}").stdout)[
            "accuracy_interval"
        ]
        for one in (0.5, 0.99)
    ]
    assert intervals[0][1] - intervals[0][0] < intervals[1][1] - intervals[1][0]
    result = evaluate("--set", "features.n_mels=20")
    assert result.exit_code == 2
    assert "features.n_mels" in result.stderr


def test_a_model_file_in_its_run_folder_still_knows_what_it_was_trained_on(
    evaluate, trained, sound_folder
):
    known = next((sound_folder / "training" / "music").iterdir())
    (sound_folder / "testing" / "music" / "leak.wav").write_bytes(known.read_bytes())
    result = evaluate(model=trained / "best.safetensors")
    assert result.exit_code == 1
    assert "earmark: error: " in result.stderr
    assert "testing/music/leak.wav" in result.stderr


def test_a_full_disk_is_one_line(evaluate, monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    result = evaluate()
    assert result.exit_code == 1
    assert "No space left on device" in result.stderr.splitlines()[-1]


def test_output_into_a_file_fails_before_the_work(evaluate, tmp_path, monkeypatch):
    monkeypatch.setattr("earmark.report.evaluate.evaluate_model", pytest.fail)
    (tmp_path / "file").touch()
    for output in (tmp_path / "file", tmp_path / "file" / "below"):
        result = evaluate("-o", output)
        assert result.exit_code == 1
        assert str(output) in result.stderr.splitlines()[-1]


@pytest.mark.parametrize("name", ["x:cat:y[z].wav", "a\nb\tc.wav", "één.wav"])
def test_a_file_may_have_any_name(earmark, evaluate, trained, sound_folder, name):
    odd = sound_folder / "testing" / "music" / name
    next((sound_folder / "testing" / "music").iterdir()).rename(odd)
    bad = odd.with_name(f"bad {name}")
    bad.touch()
    tested = evaluate()
    assert tested.exit_code == 1
    assert "of 6" in tested.stdout, tested.stderr
    shown = printable(name)
    assert f"bad {shown}" in tested.stderr
    rows = earmark("predict", trained, odd, bad, "--device", "cpu")
    assert rows.exit_code == 1
    heading, *lines = rows.stdout.splitlines()
    assert heading == "file\tlabel\tprobability\tseconds"
    assert [Path(line.split("\t")[0]).name for line in lines] == [shown, f"bad {shown}"]
    (line,) = earmark("predict", trained, odd, "--json", "--device", "cpu").stdout.splitlines()
    assert json.loads(line)["path"] == str(odd)


def test_a_file_name_need_not_be_unicode(earmark, evaluate, trained, tmp_path):
    bad = tmp_path / os.fsdecode(b"caf\xe9.wav")
    bad.touch()
    rows = earmark("predict", trained, bad, "--device", "cpu")
    assert rows.exit_code == 1
    assert f"{tmp_path}/caf\\udce9.wav\t(failed)\t-\t-" in rows.stdout
    assert f"{tmp_path}/caf\\udce9.wav" in rows.stderr
    tested = evaluate("-o", tmp_path / os.fsdecode(b"caf\xe9"))
    assert f"{tmp_path}/caf\\udce9/report.html" in tested.stdout
    failed = earmark("predict", bad, bad)
    assert f"{tmp_path}/caf\\udce9.wav" in failed.stderr


def test_the_last_weights_do_not_replace_the_report_of_the_best(evaluate, trained, tmp_path):
    last = trained / "last.safetensors"
    assert evaluate(model=last).exit_code == 0
    assert not (trained / "report.html").exists()
    evaluate("-o", tmp_path / "other", model=last)
    assert str(last) in (tmp_path / "other" / "report.html").read_text()
    evaluate(model=trained / "best.safetensors")
    assert (trained / "report.html").exists()


def test_a_run_without_its_log_can_be_tested(evaluate, trained):
    (trained / "log.jsonl").unlink()
    assert evaluate().exit_code == 0
    assert (trained / "report.html").exists()
