"""Copies of training recordings are found in whatever form they come."""

import shutil
from fractions import Fraction

import av
import numpy as np
import pytest
import soundfile
import soxr
import torch

from earmark.data.manifest import read_manifest
from earmark.errors import DataError
from earmark.evaluation.held_out import (
    held_out_clips,
    read_seen_data,
    select_test_recordings,
)
from earmark.evaluation.seen_sound import compare_sound, report_copies, report_shared_sound
from earmark.models.checkpoint import load_checkpoint
from earmark.system.progress import SILENT
from earmark.system.runtime import Runtime
from earmark.training.recipes.prepare import prepare

RATE = 16_000
LABELS = ("music", "speech")


def encode(path, samples, codec, bit_rate, rate=RATE):
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=rate, layout="mono")
        stream.bit_rate = bit_rate
        fifo = av.AudioFifo()
        frame = av.AudioFrame.from_ndarray(samples[None].astype(np.float32), "fltp", "mono")
        frame.sample_rate, frame.time_base = rate, Fraction(1, rate)
        resampler = av.AudioResampler(stream.format.name, "mono", rate)
        for part in (*resampler.resample(frame), *resampler.resample(None)):
            fifo.write(part)
        size = stream.codec_context.frame_size or 1024
        while piece := fifo.read(size, partial=True):
            container.mux(stream.encode(piece))
        container.mux(stream.encode(None))


def retag(path, samples):
    with soundfile.SoundFile(path, "w", RATE, 1, "PCM_16") as file:
        file.title = "another title"
        file.write(samples)


CONVERSIONS = {
    "retagged.wav": retag,
    "copy.flac": lambda path, samples: soundfile.write(path, samples, RATE),
    "copy.ogg": lambda path, samples: soundfile.write(path, samples, RATE),
    "copy.mp3": lambda path, samples: soundfile.write(path, samples, RATE),
    "copy.m4a": lambda path, samples: encode(path, samples, "aac", 48_000),
    "copy.opus": lambda path, samples: encode(
        path, soxr.resample(samples, RATE, 48_000), "libopus", 24_000, 48_000
    ),
    "8khz.wav": lambda path, samples: soundfile.write(
        path, soxr.resample(samples, RATE, 8000), 8000
    ),
    "44khz.wav": lambda path, samples: soundfile.write(
        path, soxr.resample(samples, RATE, 44_100), 44_100
    ),
    "trimmed.wav": lambda path, samples: soundfile.write(path, samples[900:-700], RATE),
    "louder.wav": lambda path, samples: soundfile.write(path, np.clip(3 * samples, -1, 1), RATE),
    "stereo.wav": lambda path, samples: soundfile.write(
        path, np.stack([samples, samples], axis=1), RATE, "PCM_24"
    ),
}


@pytest.fixture(scope="session")
def material(tmp_path_factory, sound):
    """A folder with a training and a validation split of sound that does not repeat."""
    folder = tmp_path_factory.mktemp("material") / "data"
    for seed in range(8):
        split = "validation" if seed > 5 else "training"
        path = folder / split / LABELS[seed % 2] / f"take{seed}.wav"
        path.parent.mkdir(parents=True, exist_ok=True)
        soundfile.write(path, sound(seed, seconds=2.0, rate=RATE), RATE)
    return folder


@pytest.fixture
def data(material, tmp_path):
    return shutil.copytree(material, tmp_path / "data")


@pytest.fixture
def add(sound):
    """A function that adds new sound to a folder."""

    def write(folder, num_clips=4):
        for seed in range(100, 100 + num_clips):
            path = folder / LABELS[seed % 2] / f"new{seed}.wav"
            path.parent.mkdir(parents=True, exist_ok=True)
            soundfile.write(path, sound(seed, seconds=2.0, rate=RATE), RATE)
        return folder

    return write


@pytest.fixture
def tested(store, caplog):
    """A function that gives the names of the clips that a run is tested on, and the warnings."""

    def test(run, data):
        caplog.clear()
        caplog.set_level("INFO", "earmark")
        config = load_checkpoint(run).spec.config
        manifest, seen = read_manifest(data), read_seen_data(run)
        selected = select_test_recordings(manifest, seen, LABELS)
        prepared = prepare(selected, config, store=store)
        clips = held_out_clips(selected, prepared, seen, has_splits=manifest.has_splits)
        found = compare_sound(clips, manifest, seen, store, Runtime(torch.device("cpu")))
        names = [clip.name for clip in report_copies(clips, found, manifest)]
        return names, [one.getMessage() for one in caplog.records if one.levelname == "WARNING"]

    return test


def convert(data, name, folder, take=2):
    (source,) = data.rglob(f"take{take}.wav")
    path = folder / source.parent.name / name
    path.parent.mkdir(parents=True, exist_ok=True)
    CONVERSIONS[name](path, soundfile.read(source, dtype="float32")[0])
    return path


def test_converted_copies_are_left_out_of_data_without_splits(
    data, write_run, add, tested, tmp_path, caplog
):
    run = write_run(data)
    other = add(tmp_path / "other")
    for take, name in enumerate(CONVERSIONS):
        convert(data, name, other, take % 8)
    names, warnings = tested(run, other)
    assert sorted(names) == sorted(f"{LABELS[seed % 2]}/new{seed}.wav" for seed in range(100, 104))
    assert warnings == []
    assert f"{len(CONVERSIONS)} clips" in caplog.text


def test_converted_copies_in_a_test_split_are_reported(data, write_run, add, tested):
    run = write_run(data)
    add(data / "testing")
    assert tested(run, data)[1] == []
    convert(data, "copy.mp3", data / "testing", take=3)
    convert(data, "trimmed.wav", data / "testing", take=6)
    names, (warning,) = tested(run, data)
    assert len(names) == 6
    assert "copy.mp3" in warning
    assert "trimmed.wav" in warning
    assert "new" not in warning


def test_nothing_but_copies_cannot_be_tested_on(data, write_run, tested, tmp_path):
    run = write_run(data)
    convert(data, "copy.flac", tmp_path / "other")
    convert(data, "copy.flac", tmp_path / "other", take=3)
    with pytest.raises(DataError, match="other"):
        tested(run, tmp_path / "other")


def test_fingerprints_are_computed_once(data, write_run, add, tested, tmp_path, monkeypatch):
    run = write_run(data)
    other = add(tmp_path / "other")
    convert(data, "copy.ogg", other)
    before = tested(run, other)
    # Not even where the training data are gone.
    shutil.rmtree(data)
    monkeypatch.setattr("earmark.data.fingerprinting.DecoderPool", pytest.fail)
    assert tested(run, other) == before


def test_names_count_where_the_training_files_are_gone(
    data, write_run, add, tested, tmp_path, sound
):
    run = write_run(data)
    shutil.rmtree(data)
    other = add(tmp_path / "other")
    assert tested(run, other)[1] == []
    soundfile.write(other / "music" / "take2.flac", sound(2, seconds=2.0, rate=RATE), RATE)
    names, (warning,) = tested(run, other)
    assert len(names) == 5
    assert "music/take2.flac" in warning


def test_equal_names_are_reported_where_others_are_copies(
    data, write_run, add, tested, tmp_path, sound
):
    run = write_run(data)
    other = add(tmp_path / "other")
    soundfile.write(other / "music" / "take2.flac", sound(55, seconds=2.0, rate=RATE), RATE)
    assert tested(run, other)[1] == []
    convert(data, "copy.mp3", other)
    (warning,) = tested(run, other)[1]
    assert "music/take2.flac" in warning


def test_training_files_that_have_changed_are_not_compared(
    data, write_run, add, tested, tmp_path, sound, caplog
):
    run = write_run(data)
    for path in data.rglob("*.wav"):
        soundfile.write(path, sound(77, seconds=2.0, rate=RATE), RATE)
    tested(run, add(tmp_path / "other"))
    assert "8 training or validation recordings" in caplog.text


def test_excerpts_of_one_file_may_share_sound(tmp_path, write_run, tested, sound):
    """As the data define them: a loop, say."""
    loop = sound(5, seconds=2.0, rate=RATE)
    soundfile.write(tmp_path / "a.wav", np.tile(loop, 4), RATE)
    soundfile.write(tmp_path / "b.wav", sound(6, seconds=8.0, rate=RATE), RATE)
    rows = [
        f"{name},{label},{split},{name}{start},{start},{start + 2}"
        for name, label in (("a.wav", "music"), ("b.wav", "speech"))
        for start, split in ((0, "train"), (2, "validation"), (4, "test"))
    ]
    table = tmp_path / "table.csv"
    table.write_text("\n".join(["path,label,split,group,start,end", *rows]))
    names, warnings = tested(write_run(table), table)
    assert (len(names), warnings) == (2, [])


def test_copies_in_another_fold_are_reported(tmp_path, store, sound, caplog):
    rows = ["path,label,fold"]
    for seed in range(4):
        samples = sound(seed, seconds=2.0, rate=RATE)
        soundfile.write(tmp_path / f"{seed}.wav", samples, RATE)
        rows.append(f"{seed}.wav,{LABELS[seed % 2]},{seed}")
        if seed == 1:
            soundfile.write(tmp_path / "same.flac", samples, RATE)
    for fold, number in (("1", 0), ("2", 1)):
        table = tmp_path / "table.csv"
        table.write_text("\n".join([*rows, f"same.flac,speech,{fold}"]))
        manifest = read_manifest(table)
        keys = prepare(manifest, store=store).keys
        report_shared_sound(manifest, keys, store, SILENT)
        assert caplog.text.count("same.flac") == number


@pytest.mark.parametrize(
    "change", [("take1", "take9"), ("train", "tests"), (",music,", ",speech,")]
)
def test_a_damaged_record_is_an_error_of_the_data(data, write_run, change):
    run = write_run(data)
    table = run / "recordings.csv"
    content = table.read_bytes()
    table.write_bytes(content.replace(b"\n", b"\r\n"))
    assert len(read_seen_data(run).keys) == 8
    table.write_text(content.decode().replace(*change))
    with pytest.raises(DataError, match=r"recordings\.csv"):
        read_seen_data(run)


def test_a_damaged_key_of_an_earlier_version_is_an_error_of_the_data(data, write_run):
    run = write_run(data)
    config = run / "config.toml"
    config.write_text(
        "\n".join(line for line in config.read_text().splitlines() if "checksum" not in line)
    )
    table = run / "recordings.csv"
    table.write_text(table.read_text().rstrip() + "@x-y\n")
    with pytest.raises(DataError, match=r"recordings\.csv"):
        read_seen_data(run)
