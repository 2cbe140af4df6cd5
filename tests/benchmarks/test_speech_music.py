"""The recipe of the model inside the package, and the files and figures of the peers."""

import csv
import itertools
import shutil
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import soundfile

from earmark.data.content import Clip
from earmark.data.manifest import read_manifest
from earmark.errors import DataError
from earmark.features.store import ClipKey

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"
RATE = 16_000


@pytest.fixture(autouse=True)
def _importable(monkeypatch):
    """Lets a test import the scripts as they import each other."""
    monkeypatch.syspath_prepend(BENCHMARKS)


def call(monkeypatch, module, *arguments):
    monkeypatch.setattr(sys, "argv", [module.__name__, *map(str, arguments)])
    module.main()


def write_noise(path, seconds, seed=0):
    path.parent.mkdir(parents=True, exist_ok=True)
    noise = np.random.default_rng(seed).standard_normal(round(seconds * RATE))
    soundfile.write(path, 0.1 * noise, RATE)
    return path


def made_noise(seconds, rng):
    return (0.1 * rng.standard_normal(round(seconds * RATE))).astype(np.float32)


@pytest.fixture
def sources(monkeypatch, tmp_path):
    """Two packages of speech and two of music, one of each for validation."""
    from speech_music import sources

    rows = []
    for number, (label, is_validation) in enumerate(
        (label, kept) for label in ("speech", "music") for kept in (False, True)
    ):
        package = f"{label}-{is_validation}"
        for name in "ab":
            write_noise(tmp_path / f"packages/{package}/{label}/{name}.wav", 30.0, number)
        rows.append(
            {
                "package": package,
                "files": f"/{label}/",
                "labels": [label],
                "group": "file" if label == "music" else "folder",
                "validation": is_validation,
            }
        )
    for reader in (1, 2):
        write_noise(tmp_path / f"readers/any/{reader}-7-0000.flac", 3.0, reader)
    monkeypatch.setattr(sources, "read_sources", lambda: rows)
    return tmp_path


def write_clips(monkeypatch, sources):
    """A few clips of each kind; the folder that they are in."""
    from speech_music import clips, made

    monkeypatch.setattr(clips, "MIXTURES", {"train": 2, "validation": 2})
    monkeypatch.setattr(made, "NOISES", 4)
    monkeypatch.setattr(made, "KINDS", made.KINDS[:2])
    monkeypatch.setattr(made, "PIECES", 5)
    monkeypatch.setattr(made, "TALKS", 5)
    monkeypatch.setattr(clips, "CHANGES", 8)
    # Neither the vocoder nor the synthesizer is among the tests' requirements.
    singing = SimpleNamespace(sing=lambda speech, rng: np.tile(speech, 3))
    playing = SimpleNamespace(play=lambda seconds, font, rng: made_noise(seconds, rng))
    talking = SimpleNamespace(
        RESPOKEN_SHARE=0.5,
        TURN_SECONDS=(0.5, 2.0),
        respeak=lambda speech, rng: speech,
        converse=lambda turns, length, rng: np.resize(next(turns), length),
    )
    monkeypatch.setitem(sys.modules, "speech_music.singing", singing)
    monkeypatch.setitem(sys.modules, "speech_music.talking", talking)
    monkeypatch.setitem(sys.modules, "speech_music.pieces", playing)
    call(monkeypatch, clips, sources / "packages", sources / "readers", sources / "clips")
    return sources / "clips"


def test_every_source_names_its_licence_and_what_is_heard():
    from speech_music.sources import read_sources

    for source in read_sources():
        assert source["licence"], source
        assert set(source["labels"]) <= {"speech", "music"}
        assert source["group"] in {"file", "folder", "package", "part"}


def test_a_package_is_in_one_split():
    """Else a voice of it could be on both sides, under two labels."""
    from speech_music.sources import read_sources

    splits = {}
    for source in read_sources():
        if source["labels"]:
            kept = bool(source.get("validation"))
            assert splits.setdefault(source["package"], kept) == kept


def test_a_missing_package_is_named(sources):
    from speech_music.sources import find_voices

    (sources / "packages/music-True/music/a.wav").unlink()
    (sources / "packages/music-True/music/b.wav").unlink()
    with pytest.raises(DataError, match="music-True"):
        find_voices(sources / "packages", sources / "readers")


def test_a_reader_keeps_its_split_when_others_come(sources):
    from speech_music.sources import find_voices

    def splits():
        voices = find_voices(sources / "packages", sources / "readers")
        return {one.group: one.split for one in voices}

    before = splits()
    write_noise(sources / "readers/other/3-9-0000.flac", 3.0)
    after = splits()
    assert after.items() > before.items()


def test_clips_are_equally_loud_and_no_source_is_in_two_splits(sources, monkeypatch, capsys):
    from speech_music.sounds import LEVEL_DB

    out = write_clips(monkeypatch, sources)
    assert "music;speech" in capsys.readouterr().out
    manifest = read_manifest(out / "manifest.csv")
    groups = {
        split: {one.group for one in manifest.split(split)} for split in ("train", "validation")
    }
    assert not groups["train"] & groups["validation"]
    found = [one.group.split()[0] for one in manifest.recordings]
    assert {kind: found.count(kind) for kind in ("song", "piece", "talk", "change")} == {
        "song": 4,
        "piece": 5,
        "talk": 5,
        "change": 8,
    }
    for one in manifest.recordings:
        if one.labels and not one.group.startswith("change"):
            samples, rate = soundfile.read(one.path)
            assert rate == RATE
            assert 10 * np.log10(np.mean(samples**2)) == pytest.approx(LEVEL_DB, abs=6.0)


def test_long_silences_go_and_short_pauses_stay():
    from speech_music.sounds import within, without_silence

    tone = np.sin(np.arange(RATE)).astype(np.float32)
    short, long = (np.zeros(round(seconds * RATE), np.float32) for seconds in (0.3, 3.0))
    kept = without_silence(np.concatenate([tone, short, tone, long, tone]))
    assert len(kept) / RATE == pytest.approx(3.0 + 0.3 + 0.4, abs=0.11)
    kept = within(np.concatenate([long, tone, long, tone, short]))
    assert len(kept) / RATE == pytest.approx(5.0, abs=0.11)
    assert not len(within(np.zeros(RATE, np.float32)))


def test_a_channel_keeps_the_length_of_the_sound():
    from speech_music.channels import CODECS, pass_through

    samples = write_samples(2.0)
    for codec in CODECS:
        assert len(codec(samples)) == len(samples)
    for seed in range(8):
        assert len(pass_through(samples, np.random.default_rng(seed))) == len(samples)


def write_samples(seconds):
    return np.random.default_rng(0).standard_normal(round(seconds * RATE)).astype(np.float32) * 0.1


def test_a_narrow_band_holds_nothing_above():
    from speech_music.channels import narrow

    spectrum = np.abs(np.fft.rfft(narrow(write_samples(4.0), 8_000))) ** 2
    above = np.fft.rfftfreq(4 * RATE, 1 / RATE) > 4_200
    assert spectrum[above].sum() < 1e-4 * spectrum.sum()


def test_time_lines_tell_what_is_where(sources, monkeypatch, capsys):
    from speech_music import timelines

    manifest = write_clips(monkeypatch, sources) / "manifest.csv"
    out = sources / "lines"
    call(monkeypatch, timelines, manifest, out, "--count=2", "--seconds=60")
    with (out / "events.csv").open() as file:
        rows = list(csv.DictReader(file))
    for path in {row["path"] for row in rows}:
        samples, _ = soundfile.read(out / path)
        own = [row for row in rows if row["path"] == path]
        assert max(float(row["end"]) for row in own) == pytest.approx(len(samples) / RATE, abs=1e-3)
        for row in own:
            part = samples[round(float(row["start"]) * RATE) : round(float(row["end"]) * RATE)]
            assert (np.std(part) < 1e-3) == (row["label"] == "")
            overlapping = [one for one in own if one["start"] == row["start"]]
            assert bool(row["difference_db"]) == (len(overlapping) == 2)
    assert "silence" in capsys.readouterr().out


def test_peers_are_scored_by_the_larger_of_two_scores(tmp_path, monkeypatch, capsys):
    from peers import files

    for label in ("music", "speech"):
        write_noise(tmp_path / f"data/{label}/one.wav", 12.0)
    call(monkeypatch, files, "cut", tmp_path / "data", tmp_path / "files")
    paths = sorted((tmp_path / "files").rglob("*.wav"))
    with (tmp_path / "scores.csv").open("w") as file:
        file.write("path,speech,music,seconds\n")
        for path in paths:
            name = path.relative_to(tmp_path / "files").as_posix()
            # Wrong about whole speech; hears music wherever there is some, and speech nowhere else.
            speech = "whole" not in name and "/music/" not in name
            music = "/speech/" not in name or not speech
            file.write(f"{name},{speech + 0.5},{music + 0.4 * speech},0.5\n")
    call(monkeypatch, files, "table", tmp_path / "files", f"peer={tmp_path / 'scores.csv'}")
    row = capsys.readouterr().out.splitlines()[-1].split(" | ")
    assert row[0] == "| peer"
    assert row[1:5] == ["50.00%", "100.00%", "100.00%", "100.00%"]
    assert row[5] == "24"
    assert row[6].startswith("1.000/1.000")


def test_every_kind_of_noise_is_as_loud_and_another_each_time():
    from speech_music.noises import KINDS, make_noise

    for kind in range(len(KINDS)):
        one, other = (make_noise(kind, RATE, np.random.default_rng(seed)) for seed in (0, 1))
        assert np.std(one) == pytest.approx(1.0, abs=0.05)
        assert abs(np.corrcoef(one, other)[0, 1]) < 0.5


def write_events(path, *rows):
    path.parent.mkdir(exist_ok=True)
    with path.open("w", newline="") as file:
        csv.writer(file).writerows([("path", "start", "end", "label"), *rows])
    return path


def test_time_lines_are_scored_label_by_label(tmp_path, monkeypatch, capsys):
    from speech_music import score

    write_events(
        tmp_path / "lines/events.csv",
        ("one.flac", 0, 4, "speech"),
        ("one.flac", 4, 8, "speech"),
        ("one.flac", 4, 8, "music"),
        ("two.flac", 0, 5, ""),
    )
    found = write_events(
        tmp_path / "found.csv",
        ("one.flac", 0.5, 8, "speech"),
        ("one.flac", 4, 8, "music"),
        ("two.flac", 0, 4, "music"),
    )
    call(monkeypatch, score, tmp_path / "lines", f"peer={found}")
    speech, music = (row.split(" | ")[2:] for row in capsys.readouterr().out.splitlines()[-2:])
    # Speech goes on when music begins; it is found half a second late.
    assert speech == ["1", "1", "0.968", "1.000", "0.938", "0.000", "1.000", "+0.50", "+0.00 |"]
    # Of 8 s of music that are found, 4 s are silence.
    assert music == ["1", "2", "0.667", "0.500", "1.000", "0.667", "0.667", "+0.00", "+0.00 |"]


def test_validation_clips_are_told_by_what_is_heard_in_them():
    from speech_music.kinds import kind_of

    kinds = {"both": (0, 1), "music": (0,), "speech": (1,), "recorded noise": ()}
    for kind, targets in kinds.items():
        assert kind_of(Clip("one", ClipKey("key"), targets, "any/noise/sounds")) == kind
    assert kind_of(Clip("one", ClipKey("key"), (), "noise 7")) == "noise from a seed"
    assert kind_of(Clip("one", ClipKey("key"), (0,), "song librispeech/7 0")) == "songs from a seed"
    assert kind_of(Clip("one", ClipKey("key"), (0,), "piece 7")) == "pieces from a seed"
    assert kind_of(Clip("one", ClipKey("key"), (1,), "talk 7")) == "talk from a seed"


def test_what_lasts_for_half_of_a_second_is_what_is_heard(sources, monkeypatch):
    """A row a turn: silence, so that what was put in is all that is loud."""
    from speech_music import clips

    rows = []
    for label in ("speech", "music", ""):
        path = write_noise(sources / f"{label or 'neither'}.flac", 3.0)
        rows.append({"path": path, "label": label, "split": "train", "group": label})
    monkeypatch.setattr(clips, "CHANGES", 40)
    monkeypatch.setattr(clips, "BACKGROUND_DB", (-120.0, -120.0))
    turns_seen = set()
    for number, row in enumerate(clips._changes(rows, sources)):
        before, after = clips.TURNS[number % len(clips.TURNS)]
        samples, _ = soundfile.read(row["path"])
        assert len(samples) == RATE
        heard = set(filter(None, str(row["label"]).split(";")))
        assert heard <= {*before, *after}
        assert heard >= {*before} & {*after}
        if () in (before, after):
            is_loud = np.abs(samples) > 1e-3
            assert (is_loud.mean() > 0.49) == bool(heard)
            assert is_loud[:100].any() == bool(before)
            assert is_loud[-100:].any() == bool(after)
        turns_seen.add((before, after, bool(heard)))
    assert len(turns_seen) > len(clips.TURNS)


@pytest.mark.filterwarnings("ignore:pkg_resources")
def test_singing_holds_notes_where_speech_glides():
    pytest.importorskip("pyworld")
    from speech_music.singing import sing

    rng = np.random.default_rng(0)
    voice = glide(rng)
    song = sing(voice, rng)
    assert song is not None
    assert len(song) > 1.1 * len(voice)
    assert sing((1e-3 * rng.standard_normal(RATE)).astype(np.float32), rng) is None


@pytest.mark.filterwarnings("ignore:pkg_resources")
def test_another_voice_says_the_same_and_talk_fills_its_length():
    pytest.importorskip("pyworld")
    from speech_music.talking import PACE, converse, respeak

    rng = np.random.default_rng(0)
    voice = glide(rng)
    other = respeak(voice, rng)
    low, high = (len(voice) / RATE / pace for pace in reversed(PACE))
    assert low * 0.98 < len(other) / RATE < high * 1.02
    assert 0.1 < np.std(other) / np.std(voice) < 10.0
    silence = np.zeros(RATE // 8, np.float32)
    assert respeak(silence, rng) is silence
    talk = converse(itertools.repeat(voice[:RATE]), 12 * RATE, rng)
    is_silent = np.abs(talk).reshape(-1, RATE // 20).max(axis=1) == 0.0
    assert len(talk) == 12 * RATE
    assert 0.0 < is_silent.mean() < 0.5
    assert len(converse(iter([silence] * 400), RATE, rng)) == RATE


def glide(rng):
    """Four seconds of a voice whose pitch wanders."""
    times = np.arange(4 * RATE) / RATE
    phase = 2 * np.pi * np.cumsum(120.0 + 20.0 * np.sin(times)) / RATE
    voice = sum(np.sin(number * phase) / number for number in range(1, 20)) * 0.1
    return (voice + 1e-3 * rng.standard_normal(len(voice))).astype(np.float32)


def test_a_piece_lasts_as_long_as_asked_and_is_the_same_for_a_seed():
    pytest.importorskip("mido")
    from speech_music import clips, pieces

    if shutil.which("fluidsynth") is None or not clips.SOUNDFONT.exists():
        pytest.skip("fluidsynth and its sound font are not installed")
    first, again, other = (
        pieces.play(2.0, clips.SOUNDFONT, np.random.default_rng(seed)) for seed in (1, 1, 2)
    )
    assert len(first) == 2 * RATE
    assert np.abs(first).max() > 1e-3
    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(first, other)


def test_a_forced_choice_tells_wrong_seconds_by_label_and_softness(tmp_path, monkeypatch, capsys):
    """A network that always says music: all seconds of speech are wrong, soft ones as well."""
    import torch

    import forced_choice
    from earmark.config import load_config
    from earmark.models.checkpoint import Checkpoint, new_network
    from earmark.models.spec import ModelSpec
    from earmark.tasks.task import MULTI_LABEL

    rng = np.random.default_rng(0)
    for label in ("music", "speech"):
        (tmp_path / "data" / label).mkdir(parents=True)
        loud, soft = (made_noise(seconds, rng) for seconds in (3.0, 1.0))
        path = tmp_path / "data" / label / "one.wav"
        soundfile.write(path, np.concatenate([loud, 0.1 * soft]), RATE)
    spec = ModelSpec(load_config(), ("music", "speech"), 51, MULTI_LABEL)
    network = new_network(spec)
    with torch.no_grad():
        network.classifier.weight.zero_()
        network.classifier.bias.copy_(torch.tensor([1.0, -1.0]))
    Checkpoint(spec, network.state_dict()).save(tmp_path / "model.safetensors")
    store = f"--store={tmp_path / 'store'}"
    call(monkeypatch, forced_choice, tmp_path / "data", tmp_path / "model.safetensors", store)
    rows = capsys.readouterr().out
    assert "| 50.00%, 1 of 2 | 50.00%, 1 of 2 | 50.00%, 4 of 8 |" in rows
    assert "| music | 0 of 4 | 1 | 0 |" in rows
    assert "| speech | 4 of 4 | 1 | 1 |" in rows
