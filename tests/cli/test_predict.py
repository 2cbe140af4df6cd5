"""What `earmark predict` does with files, folders, lists and standard input."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pyarrow.parquet
import pytest
import soundfile

from earmark.cli import cli
from earmark.inference.classifier import Classifier
from earmark.system import file_state
from earmark.tasks.task import MULTI_LABEL


def test_segments_are_in_the_json_line_beside_the_label_that_was_there_without(
    earmark, documents, model, sounds
):
    plain = documents(earmark("predict", model, sounds, "--json"))
    timed = documents(earmark("predict", model, sounds, "--json", "--segments"))
    for before, after in zip(plain, timed, strict=True):
        segments, seconds = after.pop("segments"), after.pop("seconds_by_label")
        assert after == before
        assert sum(seconds.values()) == pytest.approx(after["duration_seconds"], abs=1e-2)
        assert segments[0]["start"] == 0.0
        assert segments[-1]["end"] == pytest.approx(after["duration_seconds"], abs=1e-3)
        assert set(segments[0]) == {"start", "end", "label", "probability"}


def test_people_get_a_row_a_segment(earmark, model, sounds):
    heading, *rows = earmark("predict", model, sounds, "--segments").stdout.splitlines()
    assert heading == "file\tstart\tend\tlabel\tprobability"
    assert len(rows) >= 4
    assert all(len(row.split("\t")) == 5 for row in rows)


def test_silence_is_a_gap_of_the_time_line(save_model, tmp_path, write_clip):
    noise, _ = soundfile.read(write_clip(tmp_path / "noise.wav", 4.0, kind="noise"))
    path = tmp_path / "gap.wav"
    soundfile.write(path, np.concatenate([noise, np.zeros(64_000), noise]), 16_000)
    segments = Classifier.load(save_model(), device="cpu").predict(path, segments=True).segments
    covered = [one for one in segments if one.start < 6.0 < one.end]
    assert covered == []
    assert max(one.end for one in segments if one.start < 6) == pytest.approx(4.0, abs=0.7)
    assert min(one.start for one in segments if one.end > 6) == pytest.approx(8.0, abs=0.7)


def test_files_of_time_lines_lie_as_the_recordings_do(earmark, model, sounds, tmp_path):
    formats = [f"--segments-format={one}" for one in ("textgrid", "webvtt", "svg", "png", "elan")]
    result = earmark("predict", model, "in", "--segments-to", "out", *formats)
    assert result.exit_code == 0
    names = sorted(one.name for one in (tmp_path / "out" / "in").iterdir())
    suffixes = ("TextGrid", "elan.csv", "png", "svg", "vtt")
    assert names == [f"{n}.wav.{suffix}" for n in range(4) for suffix in suffixes]
    assert (tmp_path / "out" / "in" / "0.wav.png").read_bytes().startswith(b"\x89PNG")
    assert earmark("predict", model, "in/0.wav", "--segments-to", "out").exit_code == 0
    assert "start,end,label,probability" in (tmp_path / "out/in/0.wav.csv").read_text()


def test_each_of_several_labels_has_a_lane(earmark, save_model, sounds, tmp_path):
    model = save_model("both", task=MULTI_LABEL, chosen_thresholds=(0.0, 0.0))
    command = ("predict", model, "in/0.wav", "--segments-to", "out", "--segments-format")
    assert earmark(*command, "textgrid").exit_code == 0
    text = (tmp_path / "out" / "in" / "0.wav.TextGrid").read_text()
    assert text.count('class = "IntervalTier"') == 2
    assert text.count('text = "music"') == text.count('text = "speech"') == 1


def test_the_segments_of_recordings_are_cut_out(earmark, documents, model, sounds, tmp_path):
    result = earmark("predict", model, sounds, "--split-audio", "parts", "--json", "--segments")
    num_segments = sum(len(one["segments"]) for one in documents(result))
    parts = [one for one in (tmp_path / "parts").rglob("*.wav") if one.is_file()]
    assert len(parts) == num_segments
    total = sum(soundfile.info(one).frames for one in parts)
    # The instants of segments are rounded to a millisecond.
    assert total == pytest.approx(
        sum(soundfile.info(one).frames for one in sounds.iterdir()), abs=32
    )


@pytest.mark.parametrize("is_resumed", [False, True])
def test_recordings_with_paths_of_almost_one_name_are_cut_into_folders_of_their_own(
    earmark, model, sounds, tmp_path, is_resumed
):
    (tmp_path / "in__0.wav").write_bytes((sounds / "0.wav").read_bytes())
    others = ("--split-audio", "parts", "-o", "table.csv")
    if is_resumed:
        assert earmark("predict", model, "in/0.wav", *others).exit_code == 0
        others = (*others, "--resume")
    assert earmark("predict", model, "in/0.wav", "in__0.wav", *others).exit_code == 0
    groups = {one.parent.name for one in (tmp_path / "parts").rglob("*-*.wav")}
    assert groups == {"in__0.wav", "in__0.wav_2"}


def test_files_come_from_a_list_or_a_pattern(earmark, documents, model, sounds, tmp_path):
    (tmp_path / "list.txt").write_text("in/1.wav\n\nin/0.wav\n")
    listed = documents(earmark("predict", model, "--files-from", "list.txt", "--json"))
    assert [one["path"] for one in listed] == ["in/1.wav", "in/0.wav"]
    piped = earmark("predict", model, "--files-from", "-", "--json", data=b"in/2.wav\n")
    assert [one["path"] for one in documents(piped)] == ["in/2.wav"]
    fitting = documents(earmark("predict", model, "in/[12].wav", "--json"))
    assert [one["path"] for one in fitting] == ["in/1.wav", "in/2.wav"]


def test_a_list_from_standard_input_names_files_only(earmark, documents, model, sounds):
    result = earmark("predict", model, "--files-from", "-", "--json", data=b"-\nin/0.wav\n")
    assert [one["path"] for one in documents(result)] == ["-", "in/0.wav"]
    assert "error" in documents(result)[0]


def test_names_that_are_long_or_not_unicode_are_predicted_and_cut(earmark, model, sounds, tmp_path):
    (sounds / "1.wav").rename(sounds / f"{'x' * 245}.wav")
    (sounds / "2.wav").rename(sounds / os.fsdecode(b"\xff.wav"))
    (sounds / "3.wav").rename(sounds / "3\n.wav")
    to = ("--segments-to", "lines", "--split-audio", "parts", "-o", "out.parquet")
    assert earmark("predict", model, "in", *to).exit_code == 0
    table = pyarrow.parquet.read_table(tmp_path / "out.parquet").to_pydict()
    assert table["path"] == ["in/0.wav", "in/3\n.wav", f"in/{'x' * 245}.wav", "in/\\udcff.wav"]
    assert not any(table["error"])
    assert len(list((tmp_path / "parts").rglob("*-*.wav"))) >= 4
    assert len(list((tmp_path / "lines" / "in").iterdir())) == 4


def test_a_folder_in_a_list_fails_alone(earmark, documents, model, sounds, tmp_path):
    names = b"in/0.wav\nin\nin/1.wav\0in/2.wav\nin/3.wav\n"
    (tmp_path / "list.txt").write_bytes(names)
    result = earmark("predict", model, "--files-from", "list.txt", "--json")
    assert result.exit_code == 1
    assert [one["path"] for one in documents(result) if "label" in one] == ["in/0.wav", "in/3.wav"]
    assert "in: " in result.stderr


def test_an_unreadable_file_fails_alone(earmark, documents, model, sounds, monkeypatch):
    monkeypatch.setattr(os, "access", lambda path, *_: path != "in/0.wav")
    result = earmark("predict", model, "in/0.wav", "in/1.wav", "--json")
    assert [one["path"] for one in documents(result)] == ["in/0.wav", "in/1.wav"]


def test_standard_input_is_predicted_as_the_file_is(earmark, documents, model, sounds):
    path = sounds / "3.wav"
    (piped,) = documents(earmark("predict", model, "-", "--json", data=path.read_bytes()))
    (named,) = documents(earmark("predict", model, path, "--json"))
    assert piped == {**named, "path": "-"}
    bad = earmark("predict", model, "-", "--json", data=b"text")
    assert bad.exit_code == 1
    (line,) = documents(bad)
    assert line["error"].startswith("-: ")


def test_streams_that_the_parent_process_has_closed_are_no_error(sounds, tmp_path):
    program = f"{sys.executable} -m earmark predict speech-music"
    for rest in ("in/0.wav -o out.csv >&- 2>&-", "in/0.wav -o again.csv <&-"):
        subprocess.run(f"{program} {rest}", shell=True, cwd=tmp_path, check=True)
    assert (tmp_path / "out.csv").read_bytes() == (tmp_path / "again.csv").read_bytes()
    empty = subprocess.run(
        f"{program} - <&-", shell=True, cwd=tmp_path, check=False, capture_output=True, text=True
    )
    assert empty.returncode == 1
    assert "-: " in empty.stderr


def test_labels_below_the_least_probability_begin_no_segment(
    earmark, documents, save_model, sounds
):
    model = save_model(task=MULTI_LABEL, always=(4.0, 1.0))
    for least, expected in (("0.5", {"music", "speech"}), ("0.9", {"music"}), ("0.99", set())):
        result = earmark(
            *("predict", model, "in/0.wav", "--segments", "--json"),
            *("--set", f"predict.min_probability={least}"),
        )
        (found,) = documents(result)
        assert set(found["labels"]) == expected
        assert {one["label"] for one in found["segments"]} == expected


@pytest.mark.parametrize("suffix", ["csv", "jsonl", "parquet"])
def test_an_interrupted_list_resumes_where_it_stopped(
    earmark, model, sounds, tmp_path, monkeypatch, suffix
):
    (sounds / "bad.wav").write_text("text")
    monkeypatch.setattr(file_state, "SETTLING_NS", -1)
    command = ("predict", model, "in", "-o", f"out.{suffix}", "--device", "cpu")
    predict_many = Classifier.predict_many

    def interrupted(self, paths, **options):
        results = predict_many(self, paths, **options)
        yield next(results)
        yield next(results)
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(Classifier, "predict_many", interrupted)
        stopped = earmark(*command)
    assert stopped.exit_code == 130
    assert "--resume" in stopped.stderr
    seen = []

    def counted(self, paths, **options):
        for result in predict_many(self, paths, **options):
            seen.append(result.path.name)
            yield result

    monkeypatch.setattr(Classifier, "predict_many", counted)
    result = earmark(*command, "--resume")
    assert result.exit_code == 1
    assert seen == ["2.wav", "3.wav", "bad.wav"]
    assert f"out.{suffix}" in result.stdout
    whole = earmark("predict", model, "in", "-o", f"whole.{suffix}", "--device", "cpu")
    assert whole.exit_code == 1
    first, second = (tmp_path / f"{name}.{suffix}" for name in ("out", "whole"))
    assert first.read_bytes() == second.read_bytes()


def test_segments_go_to_a_parquet_table(earmark, model, sounds, tmp_path):
    assert earmark("predict", model, "in", "--segments", "-o", "out.parquet").exit_code == 0
    rows = pyarrow.parquet.read_table(tmp_path / "out.parquet").to_pylist()
    assert [one["path"] for one in rows] == [f"in/{number}.wav" for number in range(4)]
    assert all(one["segments"][0]["start"] == 0.0 for one in rows)


def test_a_table_is_replaced_only_if_that_is_said(earmark, model, sounds, tmp_path):
    table = tmp_path / "out.csv"
    table.write_text("my notes")
    refused = earmark("predict", model, "in", "-o", "out.csv")
    assert refused.exit_code == 2
    assert "out.csv" in refused.stderr
    assert table.read_text() == "my notes"
    assert earmark("predict", model, "in", "-o", "out.csv", "--overwrite").exit_code == 0
    assert len(table.read_text().splitlines()) == 5


def test_results_of_another_model_are_not_mixed(
    earmark, model, save_model, sounds, tmp_path, monkeypatch
):
    predict_many = Classifier.predict_many

    def stop(self, paths, **options):
        yield next(predict_many(self, paths, **options))
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(Classifier, "predict_many", stop)
        earmark("predict", model, "in", "-o", "out.csv")
    other = save_model("other", chosen_thresholds=(0.9,))
    result = earmark("predict", other, "in", "-o", "out.csv", "--resume")
    assert result.exit_code == 2
    assert "out.csv" in result.stderr


@pytest.mark.parametrize(
    ("arguments", "culprit"),
    [
        ((), "PATHS"),
        (("in", "--resume"), "--output"),
        (("in", "--overwrite"), "--output"),
        (("in", "-o", "out.csv", "--overwrite", "--resume"), "--resume"),
        (("in", "-o", "out.xlsx"), "out.xlsx"),
        (("in", "-o", "out.csv", "--segments"), "out.csv"),
        (("in", "--segments-format", "csv"), "--segments-to"),
        (("--files-from", "nowhere"), "nowhere"),
        (("-", "--files-from", "-"), "--files-from"),
        (("in", "--raw", "16000"), "--raw"),
        (("-", "--raw", "16000", "--segments"), "--raw"),
        (("in", "--set", "predict.hop_seconds=0"), "predict.hop_seconds"),
    ],
)
def test_wrong_usage_is_one_line(earmark, model, sounds, arguments, culprit):
    result = earmark("predict", model, *arguments)
    assert result.exit_code == 2
    assert culprit in result.stderr.splitlines()[-1]
    assert "Traceback" not in result.output
    assert result.stdout == ""


def test_long_lists_are_read_as_the_work_goes_on(
    earmark, documents, model, sounds, tmp_path, monkeypatch
):
    monkeypatch.setattr("earmark.cli.predict_files.COUNTED_FILES", 2)
    (tmp_path / "list.txt").write_text("in/0.wav\n" * 9)
    result = earmark("predict", model, "--files-from", "list.txt", "--json")
    assert [one["path"] for one in documents(result)] == [str(Path("in/0.wav"))] * 9


def test_a_file_that_fails_is_a_line_and_the_exit_status_is_one(
    earmark, documents, model, sounds, tmp_path
):
    (tmp_path / "bad.wav").write_text("text")
    result = earmark("predict", model, "bad.wav", "in/0.wav", "--json")
    assert result.exit_code == 1
    failed, good = documents(result)
    assert set(failed) == {"path", "error"}
    assert set(good) == {"path", "label", "probabilities", "duration_seconds"}
    assert (failed["path"], good["path"]) == ("bad.wav", "in/0.wav")


def test_rows_come_as_they_are_predicted(earmark, model, sounds, monkeypatch):
    predict_many = Classifier.predict_many

    def interrupted(self, paths, **options):
        yield next(predict_many(self, paths))
        raise KeyboardInterrupt

    monkeypatch.setattr(Classifier, "predict_many", interrupted)
    result = earmark("predict", model, "in")
    assert result.exit_code == 130
    assert len(result.stdout.splitlines()) == 2


def test_a_terminal_gets_a_table_unless_there_are_many_files(model, sounds, monkeypatch, capsys):
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)
    command = ["predict", str(model), str(sounds), "--device", "cpu"]
    cli.main(command, standalone_mode=False)
    assert "┃" in capsys.readouterr().out
    monkeypatch.setattr("earmark.cli.shown_results.TABLE_ROWS", 3)
    cli.main(command, standalone_mode=False)
    assert capsys.readouterr().out.count("\t") == 5 * 3


@pytest.mark.parametrize("options", [(), ("--segments",)])
def test_files_that_crash_their_decoder_are_failed_files(
    earmark, documents, model, tmp_path, write_clip, hostile_decoder, options
):
    names = ["a", "crash", "b"]
    paths = [write_clip(tmp_path / f"{name}.wav", seed=at) for at, name in enumerate(names)]
    result = earmark("predict", model, *paths, "--json", *options)
    assert result.exit_code == 1
    assert [Path(one["path"]).stem for one in documents(result) if "error" in one] == ["crash"]
    assert [one["path"] for one in documents(result)] == [str(path) for path in paths]


def test_a_resumed_table_does_not_meet_a_crash_again(
    earmark, model, tmp_path, write_clip, hostile_decoder, monkeypatch
):
    path, table = write_clip(tmp_path / "crash.wav"), tmp_path / "table.jsonl"
    assert earmark("predict", model, path, "-o", table).exit_code == 1
    content = table.read_text()
    assert json.loads(content)["path"] == str(path)
    assert "error" in json.loads(content)
    monkeypatch.setattr("earmark.inference.classifier.extraction_job", pytest.fail)
    assert earmark("predict", model, path, "-o", table, "--resume").exit_code == 1
    assert table.read_text() == content


def test_several_models_predict_each_file(earmark, documents, save_model, sound_folder, tmp_path):
    models = [save_model("one", always=[1.0]), save_model("two", always=[-1.0])]
    options = ("--model", models[0], "--model", models[1])
    files = sound_folder / "testing"
    found = documents(earmark("predict", *options, files, "--json"))
    assert [(one["model"], one["label"]) for one in found] == 6 * [
        ("one", "speech"),
        ("two", "music"),
    ]
    text = earmark("predict", *options, files).stdout.splitlines()
    assert text[0].split("\t")[:2] == ["model", "file"]
    assert [line.split("\t")[0] for line in text[1:]] == 6 * ["one", "two"]
    alone = documents(earmark("predict", models[1], files, "--json"))
    assert [{"model": "two", **one} for one in alone] == found[1::2]


def test_the_tables_of_several_models_are_resumed(earmark, save_model, sound_folder, tmp_path):
    models = [save_model("one", always=[1.0]), save_model("two", always=[-1.0])]
    options = ("--model", models[0], "--model", models[1], "-o", tmp_path / "r.csv")
    files = sorted((sound_folder / "testing").rglob("*.wav"))
    done = earmark("predict", *options, *files[:2], "--segments-to", tmp_path / "s")
    assert done.exit_code == 0, done.output
    # The first model has seen one file more.
    alone = ("predict", models[0], files[2], "-o", tmp_path / "r.one.csv", "--resume")
    assert earmark(*alone).exit_code == 0
    assert earmark("predict", *options, *files, "--resume").exit_code == 0
    for name in ("one", "two"):
        rows = (tmp_path / f"r.{name}.csv").read_text().splitlines()[1:]
        assert sorted(row.split(",")[0] for row in rows) == sorted(map(str, files))
        assert len(list((tmp_path / "s" / name).rglob("*.csv"))) == 2
    # The first model has seen all but the file that fails; each file counts once all the same.
    (tmp_path / "r.two.csv").unlink()
    (tmp_path / "bad.wav").write_bytes(b"no sound")
    result = earmark("predict", *options, *files, tmp_path / "bad.wav", "--resume")
    assert f"1 of {len(files) + 1} files" in result.stderr.splitlines()[-1]


@pytest.mark.parametrize(
    "options",
    [
        ("--model", "run", "--model", "run", "a.wav"),
        ("--model", "run", "--model", "other", "-", "--raw", "16000"),
        ("--model", "run"),
        (),
    ],
)
def test_wrong_use_of_several_models(earmark, options):
    assert earmark("predict", *options).exit_code == 2
