"""What `earmark predict` and `earmark listen` do with files, lists, streams and microphones."""

import io
import json
import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pyarrow.parquet
import pytest
import soundfile
import torch
from click.testing import CliRunner

from earmark.cli import cli
from earmark.config import load_config
from earmark.inference.classifier import Classifier
from earmark.inference.segmentation.predict import predict_segments
from earmark.models.checkpoint import Checkpoint, new_network
from earmark.models.spec import ModelSpec
from earmark.tasks.task import MULTI_LABEL

SETTINGS = ("model.blocks.0.channels=4", "predict.hop_seconds=0.2")


@pytest.fixture
def earmark(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)

    def run(*arguments, data=b""):
        return CliRunner().invoke(cli, [str(one) for one in arguments], input=data)

    return run


@pytest.fixture
def save_model(tmp_path):
    def save(name="model", always=None, **spec):
        torch.manual_seed(0)
        spec = ModelSpec(load_config(settings=SETTINGS), ("music", "speech"), 51, **spec)
        weights = new_network(spec).state_dict()
        if always is not None:
            weights["classifier.weight"].zero_()
            weights["classifier.bias"][:] = torch.tensor(always)
        path = tmp_path / f"{name}.safetensors"
        Checkpoint(spec, weights).save(path)
        return path

    return save


@pytest.fixture
def model(save_model):
    return save_model()


@pytest.fixture
def sounds(tmp_path, write_clip):
    for number in range(4):
        write_clip(tmp_path / "in" / f"{number}.wav", 1.5 + number / 3, seed=number)
    return tmp_path / "in"


def documents(result):
    return [json.loads(line) for line in result.stdout.splitlines()]


def test_segments_are_in_the_json_line_beside_the_label_that_was_there_without(
    earmark, model, sounds
):
    plain = documents(earmark("predict", model, sounds, "--json"))
    timed = documents(earmark("predict", model, sounds, "--json", "--segments"))
    for before, after in zip(plain, timed, strict=True):
        segments = after.pop("segments")
        assert after == before
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
    segments = predict_segments(Classifier.load(save_model(), device="cpu"), path).segments
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


def test_labels_at_once_have_a_lane_each(earmark, save_model, sounds, tmp_path):
    model = save_model("both", task=MULTI_LABEL, chosen_thresholds=(0.0, 0.0))
    command = ("predict", model, "in/0.wav", "--segments-to", "out", "--segments-format")
    assert earmark(*command, "textgrid").exit_code == 0
    text = (tmp_path / "out" / "in" / "0.wav.TextGrid").read_text()
    assert text.count('class = "IntervalTier"') == 2
    assert text.count('text = "music"') == text.count('text = "speech"') == 1


def test_the_parts_of_recordings_are_cut_out(earmark, model, sounds, tmp_path):
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


def test_files_come_from_a_list_or_a_pattern(earmark, model, sounds, tmp_path):
    (tmp_path / "list.txt").write_text("in/1.wav\n\nin/0.wav\n")
    listed = documents(earmark("predict", model, "--files-from", "list.txt", "--json"))
    assert [one["path"] for one in listed] == ["in/1.wav", "in/0.wav"]
    piped = earmark("predict", model, "--files-from", "-", "--json", data=b"in/2.wav\n")
    assert [one["path"] for one in documents(piped)] == ["in/2.wav"]
    fitting = documents(earmark("predict", model, "in/[12].wav", "--json"))
    assert [one["path"] for one in fitting] == ["in/1.wav", "in/2.wav"]


def test_a_list_from_standard_input_names_files_only(earmark, model, sounds):
    result = earmark("predict", model, "--files-from", "-", "--json", data=b"-\nin/0.wav\n")
    assert [one["path"] for one in documents(result)] == ["-", "in/0.wav"]
    assert "error" in documents(result)[0]


def test_a_name_that_is_too_long_or_no_text_costs_no_other_file(earmark, model, sounds, tmp_path):
    (sounds / "1.wav").rename(sounds / f"{'x' * 245}.wav")
    (sounds / "2.wav").rename(sounds / os.fsdecode(b"\xff.wav"))
    (sounds / "3.wav").rename(sounds / "3\n.wav")
    to = ("--segments-to", "lines", "--split-audio", "parts", "-o", "out.parquet")
    assert earmark("predict", model, "in", *to).exit_code == 1
    table = pyarrow.parquet.read_table(tmp_path / "out.parquet").to_pydict()
    assert table["path"] == ["in/0.wav", "in/3\n.wav", f"in/{'x' * 245}.wav", "in/\\udcff.wav"]
    assert [bool(one) for one in table["error"]] == [False, False, True, False]
    assert len(list((tmp_path / "parts").rglob("*-*.wav"))) >= 3


def test_what_is_no_file_costs_no_other_file(earmark, model, sounds, tmp_path):
    names = b"in/0.wav\nin\nin/1.wav\0in/2.wav\nin/3.wav\n"
    (tmp_path / "list.txt").write_bytes(names)
    result = earmark("predict", model, "--files-from", "list.txt", "--json")
    assert result.exit_code == 1
    assert [one["path"] for one in documents(result) if "label" in one] == ["in/0.wav", "in/3.wav"]
    assert "in: cannot be read: Is a directory" in result.stderr


def test_a_file_of_somebody_else_costs_no_other_file(earmark, model, sounds, monkeypatch):
    monkeypatch.setattr(os, "access", lambda path, *_: path != "in/0.wav")
    result = earmark("predict", model, "in/0.wav", "in/1.wav", "--json")
    assert [one["path"] for one in documents(result)] == ["in/0.wav", "in/1.wav"]


def test_standard_input_is_judged_as_the_file_is(earmark, model, sounds):
    path = sounds / "3.wav"
    (piped,) = documents(earmark("predict", model, "-", "--json", data=path.read_bytes()))
    (named,) = documents(earmark("predict", model, path, "--json"))
    assert piped == {**named, "path": "-"}
    bad = earmark("predict", model, "-", "--json", data=b"text")
    assert bad.exit_code == 1
    (line,) = documents(bad)
    assert line["error"].startswith("-: not a sound file")


def test_streams_that_whoever_starts_it_has_closed_are_no_error(model, sounds, tmp_path):
    program = f"{sys.executable} -m earmark predict {model}"
    for rest in ("in/0.wav -o out.csv >&- 2>&-", "in/0.wav -o again.csv <&-"):
        subprocess.run(f"{program} {rest}", shell=True, cwd=tmp_path, check=True)
    assert (tmp_path / "out.csv").read_bytes() == (tmp_path / "again.csv").read_bytes()
    empty = subprocess.run(
        f"{program} - <&-", shell=True, cwd=tmp_path, check=False, capture_output=True, text=True
    )
    assert empty.returncode == 1
    assert "-: the file is empty" in empty.stderr


def test_labels_at_once_that_are_not_sure_enough_begin_no_segment(earmark, save_model, sounds):
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
def test_an_interrupted_list_goes_on_where_it_stopped(
    earmark, model, sounds, tmp_path, monkeypatch, suffix
):
    (sounds / "bad.wav").write_text("text")
    command = ("predict", model, "in", "-o", f"out.{suffix}", "--device", "cpu")
    judged = Classifier.predict_many

    def interrupted(self, paths):
        results = judged(self, paths)
        yield next(results)
        yield next(results)
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(Classifier, "predict_many", interrupted)
        stopped = earmark(*command)
    assert stopped.exit_code == 130
    assert "--resume" in stopped.stderr
    seen = []

    def counted(self, paths):
        for result in judged(self, paths):
            seen.append(result.path.name)
            yield result

    monkeypatch.setattr(Classifier, "predict_many", counted)
    result = earmark(*command, "--resume")
    assert result.exit_code == 1
    assert seen == ["2.wav", "3.wav", "bad.wav"]
    assert result.stdout == f"5 files, 1 of them failed: out.{suffix}\n"
    whole = earmark("predict", model, "in", "-o", f"whole.{suffix}", "--device", "cpu")
    assert whole.exit_code == 1
    first, second = (tmp_path / f"{name}.{suffix}" for name in ("out", "whole"))
    assert first.read_bytes() == second.read_bytes()


def test_segments_go_to_a_parquet_table(earmark, model, sounds, tmp_path):
    assert earmark("predict", model, "in", "--segments", "-o", "out.parquet").exit_code == 0
    rows = pyarrow.parquet.read_table(tmp_path / "out.parquet").to_pylist()
    assert [one["path"] for one in rows] == [f"in/{number}.wav" for number in range(4)]
    assert all(one["segments"][0]["start"] == 0.0 for one in rows)


def test_results_of_another_model_are_not_mixed(
    earmark, model, save_model, sounds, tmp_path, monkeypatch
):
    judged = Classifier.predict_many

    def stop(self, paths):
        yield next(judged(self, paths))
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(Classifier, "predict_many", stop)
        earmark("predict", model, "in", "-o", "out.csv")
    other = save_model("other", chosen_thresholds=(0.9,))
    result = earmark("predict", other, "in", "-o", "out.csv", "--resume")
    assert result.exit_code == 2
    assert "out.csv" in result.stderr


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((), "Missing argument"),
        (("in", "--resume"), "give --output as well"),
        (("in", "-o", "out.xlsx"), "named .csv, .jsonl, .parquet"),
        (("in", "-o", "out.csv", "--segments"), "CSV has no room for segments"),
        (("in", "--segments-format", "csv"), "give --segments-to as well"),
        (("--files-from", "nowhere"), "cannot be read"),
        (("-", "--files-from", "-"), "a list or a sound, not both"),
        (("in", "--raw", "16000"), "give - and no more"),
        (("-", "--raw", "16000", "--segments"), "give - and no more"),
        (("in", "--set", "predict.hop_seconds=0"), "predict.hop_seconds"),
    ],
)
def test_wrong_usage_is_one_line(earmark, model, sounds, arguments, message):
    result = earmark("predict", model, *arguments)
    assert result.exit_code == 2
    assert message in result.stderr
    assert "Traceback" not in result.output
    assert result.stdout == ""


@pytest.mark.parametrize(("kind", "scale"), [("s16le", 2.0**15), ("f32le", 1.0)])
def test_a_raw_stream_gives_the_windows_of_the_file(earmark, model, sounds, kind, scale):
    path = sounds / "3.wav"
    samples, _ = soundfile.read(path, dtype="float32")
    data = (samples * np.float32(scale)).astype("<i2" if kind == "s16le" else "<f4").tobytes()
    command = ("predict", model, "-", "--raw", "16000", "--raw-format", kind)
    streamed = documents(earmark(*command, "--json", data=data))
    expected = list(Classifier.load(model, device="cpu").windows(path, hop_seconds=0.2))
    assert len(streamed) == len(expected) > 5
    for line, window in zip(streamed, expected, strict=True):
        assert (line["start"], line["end"]) == pytest.approx(window[:2], abs=1e-3)
        assert list(line["probabilities"].values()) == pytest.approx(window.probabilities, abs=1e-6)
        assert line["label"] == window.labels[0]
    result = earmark(*command, data=data)
    assert result.stdout.startswith("start\tend\tlabel\tprobabilities\n0.00\t1.00\t")
    assert "a change shows about 0.73 s after it is heard" in result.stderr


class FakeMicrophone:
    """Stands for sounddevice: gives a file to the callback when it is started."""

    PortAudioError = RuntimeError
    samples = np.zeros(0, np.float32)

    class InputStream:
        latency = 0.1

        def __init__(self, *, samplerate, blocksize, device, channels, dtype, callback):
            assert (samplerate, channels, dtype) == (16_000, 1, "float32")
            if device == "nowhere":
                raise RuntimeError("no such device")
            self.blocksize, self.callback = blocksize, callback

        def start(self):
            buffer = np.empty((self.blocksize, 1), np.float32)
            for first in range(0, len(FakeMicrophone.samples), self.blocksize):
                block = FakeMicrophone.samples[first : first + self.blocksize, None]
                buffer[: len(block)] = block
                self.callback(buffer[: len(block)], len(block), None, 0)

        def close(self):
            pass


@pytest.fixture
def microphone(monkeypatch, sounds):
    monkeypatch.setattr(FakeMicrophone, "samples", soundfile.read(sounds / "3.wav", dtype="f4")[0])
    monkeypatch.setitem(sys.modules, "sounddevice", FakeMicrophone)


@pytest.fixture
def until_silence(monkeypatch):
    """A microphone that is heard to its last block, when somebody presses Ctrl-C."""
    from earmark.audio.microphone import Microphone

    def blocks(self):
        while not self._blocks.empty():
            yield self._blocks.get()
        raise KeyboardInterrupt

    monkeypatch.setattr(Microphone, "blocks", blocks)


def test_a_microphone_is_judged_as_the_file_is(earmark, model, sounds, microphone, until_silence):
    result = earmark("listen", model, "--json")
    assert result.exit_code == 130
    assert "a change shows about 0.83 s after it is heard" in result.stderr
    heard = documents(result)
    expected = list(Classifier.load(model, device="cpu").windows(sounds / "3.wav", hop_seconds=0.2))
    # One window at a time sums in another order than a batch of them. The last one ends where the
    # sound does, and a microphone has no end.
    for line, window in zip(heard, expected, strict=False):
        assert list(line["probabilities"].values()) == pytest.approx(window.probabilities, abs=1e-6)
    assert len(heard) >= len(expected) - 1


def test_a_terminal_shows_bars_in_a_line_that_stays_when_the_label_changes(
    model, microphone, until_silence, monkeypatch, capsys
):
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)
    monkeypatch.setenv("COLUMNS", "72")
    with pytest.raises(SystemExit):
        cli.main(["listen", str(model)], standalone_mode=False)
    lines = capsys.readouterr().out.split("\r")
    assert len(lines) > 5
    assert all("█" in line and "%" in line for line in lines[1:])
    assert all(len(line.partition("\x1b")[0]) < 72 for line in lines)


def test_what_is_lost_is_counted(earmark, model, microphone, until_silence, monkeypatch):
    monkeypatch.setattr("earmark.audio.microphone.QUEUED_BLOCKS", 45)
    result = earmark("listen", model, "--json")
    assert "blocks were lost" in result.stderr


@pytest.mark.parametrize(
    ("module", "message"),
    [(None, "pip install 'earmark\\[mic\\]'"), (FakeMicrophone, "open a microphone")],
)
def test_a_microphone_that_is_missing_is_one_line(earmark, model, monkeypatch, module, message):
    monkeypatch.setitem(sys.modules, "sounddevice", module)
    result = earmark("listen", model, "--microphone", "nowhere")
    assert result.exit_code == 2
    assert message.replace("\\", "") in result.stderr


def test_the_system_reports_overflows(monkeypatch):
    from earmark.audio.microphone import Microphone

    monkeypatch.setitem(sys.modules, "sounddevice", FakeMicrophone)
    source = Microphone(16_000)
    source._take(np.zeros((800, 1), np.float32), 800, SimpleNamespace(), status=2)
    assert source.num_dropped == 1
    assert source.latency_seconds == pytest.approx(0.1)


def test_raw_bytes_may_come_in_pieces_of_any_size():
    from earmark.audio.microphone import raw_blocks

    values = np.array([0, 1, -1, 32767, -32768], "<i2")
    data = io.BytesIO(values.tobytes() + b"\x01")
    blocks = list(raw_blocks(lambda _: data.read(3), "s16le"))
    np.testing.assert_array_equal(np.concatenate(blocks), values / 32768)


def test_long_lists_are_read_as_the_work_goes_on(earmark, model, sounds, tmp_path, monkeypatch):
    monkeypatch.setattr(sys.modules["earmark.cli.predict_files"], "COUNTED_FILES", 2)
    (tmp_path / "list.txt").write_text("in/0.wav\n" * 9)
    result = earmark("predict", model, "--files-from", "list.txt", "--json")
    assert [one["path"] for one in documents(result)] == [str(Path("in/0.wav"))] * 9
