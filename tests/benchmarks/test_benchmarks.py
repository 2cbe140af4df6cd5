"""What the accuracy benchmarks rest on: groups, folds, mixtures and what is easy to beat."""

import csv
import sys
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import soundfile

from earmark.data.content import Clip
from earmark.data.manifest import read_manifest
from earmark.data.recording import Recording
from earmark.errors import DataError
from earmark.features.store import ClipKey
from earmark.tasks.task import BINARY

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"
RATE = 16_000
SPEECH_HZ, MUSIC_HZ = 500, 2000
"""A reader is a tone and a piece is another, so that a mixture can be taken apart."""


@pytest.fixture(autouse=True)
def _importable(monkeypatch):
    """Lets a test import the scripts as they import each other."""
    monkeypatch.syspath_prepend(BENCHMARKS)


def call(monkeypatch, module, *arguments):
    monkeypatch.setattr(sys, "argv", [f"{module.__name__}.py", *map(str, arguments)])
    module.main()


def touch(folder, *names):
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    return folder


def write_tone(path, hz, seconds, rate=RATE):
    path.parent.mkdir(parents=True, exist_ok=True)
    time = np.arange(round(seconds * rate)) / rate
    soundfile.write(path, 0.2 * np.sin(2 * np.pi * hz * time), rate)
    return path


@pytest.mark.parametrize(
    ("stem", "source"),
    [
        ("classical", "classical"),
        ("classical2", "classical"),
        ("nj105", "nj"),
        ("nj105a", "nj"),
        ("kedar", "kedar"),
        ("12", "1"),
    ],
)
def test_tracks_of_one_source_share_a_group(stem, source):
    from datasets import source_of_track

    assert source_of_track(stem) == source


def test_music_speech_has_labels_and_groups_but_no_splits(tmp_path):
    from datasets import music_speech

    touch(tmp_path, "training/music/glass.wav", "testing/music/glass1.wav", "testing/speech/a.wav")
    rows = [{**row, "path": Path(str(row["path"])).name} for row in music_speech(tmp_path)]
    assert rows == [
        {"path": "glass1.wav", "label": "music", "group": "glass"},
        {"path": "a.wav", "label": "speech", "group": "a"},
        {"path": "glass.wav", "label": "music", "group": "glass"},
    ]


def test_esc10_takes_label_from_the_folder_and_fold_and_source_from_the_name(tmp_path):
    from datasets import esc10

    touch(tmp_path, "001 - Dog bark/2-122104-B.ogg", "010 - Fire crackling/1-17-A.ogg", "README")
    assert [(row["label"], row["fold"], row["group"]) for row in esc10(tmp_path)] == [
        ("Dog bark", "2", "122104"),
        ("Fire crackling", "1", "17"),
    ]


def test_a_source_in_two_folds_is_refused(tmp_path):
    from datasets import esc10

    touch(tmp_path, "001 - Rain/1-17-A.ogg", "001 - Rain/2-17-B.ogg")
    with pytest.raises(DataError, match="group 17 is in folds 1 and 2"):
        esc10(tmp_path)


def test_each_speaker_of_digits_is_a_fold(tmp_path):
    from datasets import free_spoken_digits

    touch(tmp_path, "7_theo_0.wav", "0_lucas_49.wav")
    assert [(row["label"], row["fold"], row["group"]) for row in free_spoken_digits(tmp_path)] == [
        ("0", "lucas", "lucas"),
        ("7", "theo", "theo"),
    ]


def test_a_name_that_tells_nothing_is_refused(tmp_path):
    from datasets import free_spoken_digits

    with pytest.raises(DataError, match=r"7_theo\.wav: the name has not three parts"):
        free_spoken_digits(touch(tmp_path, "7_theo.wav"))


def test_a_folder_without_sound_is_refused(tmp_path):
    from datasets import esc10

    with pytest.raises(DataError, match="no sound files found"):
        esc10(touch(tmp_path, "README"))


def test_manifest_is_found_from_anywhere(tmp_path, write_clip, monkeypatch, capsys):
    import datasets

    inside = write_clip(tmp_path / "sounds" / "0_ann_0.wav")
    call(monkeypatch, datasets, "free_spoken_digits", tmp_path / "sounds", tmp_path / "here.csv")
    assert read_manifest(tmp_path / "here.csv").recordings[0].name == "sounds/0_ann_0.wav"
    elsewhere = tmp_path / "elsewhere" / "there.csv"
    call(monkeypatch, datasets, "free_spoken_digits", tmp_path / "sounds", elsewhere)
    (recording,) = read_manifest(elsewhere).recordings
    assert (recording.path, recording.fold) == (inside, "ann")
    assert '1 recordings, 1 groups, 1 folds: 1 "0"' in capsys.readouterr().out


@pytest.fixture(scope="module")
def readers(tmp_path_factory):
    folder = tmp_path_factory.mktemp("readers")
    for number in range(12):
        write_tone(folder / f"{number}-1-0000.wav", SPEECH_HZ, 5.0)
    return folder


@pytest.fixture(scope="module")
def music(tmp_path_factory):
    folder = tmp_path_factory.mktemp("pieces")
    for number in range(5):
        write_tone(folder / "game" / "music" / f"{number}.wav", MUSIC_HZ, 30.0, 44_100)
    return folder


def mix_all(readers, music, out, seed=0):
    from datasets import mixtures, write_manifest

    rows = mixtures(readers, music, out, 30, seed)
    write_manifest(out / "manifest.csv", rows)
    return rows


@pytest.fixture(scope="module")
def mixed(readers, music, tmp_path_factory):
    out = tmp_path_factory.mktemp("mixed")
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(BENCHMARKS)
        return mix_all(readers, music, out), out


def tone_level(samples, hz):
    """Level of a tone in decibels; its period divides the clip, so it falls in one bin."""
    spectrum = np.abs(np.fft.rfft(samples))
    return 20 * np.log10(spectrum[round(hz * len(samples) / RATE)] + 1e-9)


def test_level_difference_is_what_was_drawn(mixed):
    rows, _ = mixed
    differences = []
    for row in rows:
        if row["label"] == "music;speech":
            samples, _ = soundfile.read(row["path"])
            found = tone_level(samples, SPEECH_HZ) - tone_level(samples, MUSIC_HZ)
            differences.append(float(str(row["difference_db"])))
            assert found == pytest.approx(differences[-1], abs=0.1)
    assert len(differences) == 10
    assert -10 <= min(differences) < -2
    assert 2 < max(differences) <= 10


def test_clip_holds_what_its_label_says(mixed):
    rows, _ = mixed
    for row in rows:
        samples, rate = soundfile.read(row["path"])
        assert (len(samples), rate) == (3 * RATE, RATE)
        levels = {"speech": tone_level(samples, SPEECH_HZ), "music": tone_level(samples, MUSIC_HZ)}
        loudest = max(levels.values())
        assert {name for name, level in levels.items() if level > loudest - 20} == set(
            str(row["label"]).split(";")
        )


def test_kinds_have_equal_shares_and_levels_from_one_range(mixed):
    rows, _ = mixed
    assert Counter(row["label"] for row in rows) == {"speech": 10, "music": 10, "music;speech": 10}
    for row in rows:
        samples, _ = soundfile.read(row["path"])
        level = 20 * np.log10(np.sqrt(np.mean(samples**2)))
        assert level == pytest.approx(float(str(row["level_db"])), abs=0.1)
        assert -40.01 <= level <= -21.99


def test_no_source_and_no_group_is_in_two_splits(mixed):
    _, out = mixed
    with (out / "manifest.csv").open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    for column in ("speaker", "piece", "group"):
        splits = {(row[column], row["split"]) for row in rows if row[column]}
        assert len(splits) == len({name for name, _ in splits})
    speakers = {(row["speaker"], row["group"]) for row in rows if row["speaker"]}
    assert len(speakers) == len({name for name, _ in speakers})
    manifest = read_manifest(out)
    assert [len(manifest.split(name)) for name in ("train", "validation", "test")] == [18, 6, 6]


def test_every_reader_is_dealt_to_one_piece(readers, music):
    from mixtures import find_music, find_speech, share_out

    pieces = share_out(find_speech(readers), find_music(music), seed=0)
    assert Counter(piece.split for piece in pieces) == {"train": 3, "validation": 1, "test": 1}
    dealt = [path for piece in pieces for path in piece.utterances]
    assert sorted(dealt) == sorted(readers.iterdir())
    with pytest.raises(DataError, match="2 pieces but 1 readers"):
        share_out({"1": Path("1.wav")}, {"a": Path("a.wav"), "b": Path("b.wav")}, seed=0)


def test_seed_alone_decides_about_mixtures(mixed, readers, music, tmp_path):
    _, out = mixed
    mix_all(readers, music, tmp_path / "again")
    files = sorted(path.name for path in out.iterdir())
    assert files == sorted(path.name for path in (tmp_path / "again").iterdir())
    for name in files:
        assert (out / name).read_bytes() == (tmp_path / "again" / name).read_bytes()
    mix_all(readers, music, tmp_path / "other", seed=1)
    assert (out / "00000.wav").read_bytes() != (tmp_path / "other" / "00000.wav").read_bytes()


def test_stretches_are_not_silent(rng):
    from mixtures import choose_stretch, rms

    loud = 0.1 * rng.standard_normal(5 * RATE)
    samples = np.concatenate([np.zeros(20 * RATE), loud])
    for _ in range(20):
        level = rms(choose_stretch(samples, rng))
        assert rms(samples) / 2 < level < rms(samples) * 2
    with pytest.raises(DataError, match="no stretch of 3"):
        choose_stretch(np.concatenate([np.zeros(200 * RATE), loud[:RATE]]), rng)


@pytest.mark.parametrize("rate", [16_000, 44_100, 48_000])
def test_nothing_above_7_khz_is_left_whatever_the_rate_was(rate, tmp_path, rng):
    from mixtures import load_band_limited

    soundfile.write(tmp_path / "noise.wav", 0.1 * rng.standard_normal(4 * rate), rate)
    power = np.abs(np.fft.rfft(load_band_limited(tmp_path / "noise.wav"))) ** 2
    above = round(7000 / (RATE / 2) * len(power))
    assert power[above:].mean() < 1e-4 * power[:above].mean()


def test_music_is_long_and_in_a_folder_of_that_name(tmp_path, monkeypatch):
    import mixtures

    write_tone(tmp_path / "game" / "music" / "long.wav", MUSIC_HZ, 30.0)
    write_tone(tmp_path / "game" / "music" / "wind.wav", MUSIC_HZ, 30.0)
    write_tone(tmp_path / "game" / "music" / "jingle.wav", MUSIC_HZ, 29.0)
    write_tone(tmp_path / "game" / "effects" / "rain.wav", MUSIC_HZ, 30.0)
    monkeypatch.setitem(mixtures.LEFT_OUT, "game/wind", "wind")
    assert mixtures.find_music(tmp_path) == {"game/long": tmp_path / "game" / "music" / "long.wav"}


def test_speech_is_the_first_long_utterance_of_a_reader(tmp_path):
    from mixtures import find_speech

    write_tone(tmp_path / "19-1-0000.wav", SPEECH_HZ, 3.9)
    for name in ("19-1-0001.wav", "19-2-0000.wav", "7-1-0000.wav"):
        write_tone(tmp_path / name, SPEECH_HZ, 4.0)
    assert find_speech(tmp_path) == {
        "19": tmp_path / "19-1-0001.wav",
        "7": tmp_path / "7-1-0000.wav",
    }


def make_examples(features, targets, task=BINARY, *, groups=None, folds=None):
    """Examples with made-up features; every one is a group of its own by default."""
    from baselines import Examples

    count = len(features)
    groups = groups or [str(number) for number in range(count)]
    clips = tuple(
        Clip(f"{number}.wav", ClipKey(""), target, group)
        for number, (target, group) in enumerate(zip(targets, groups, strict=True))
    )
    recordings = tuple(
        Recording(
            Path(clip.name), clip.name, ("a",), clip.group, fold=folds[number] if folds else None
        )
        for number, clip in enumerate(clips)
    )
    return Examples(task, ("music", "speech"), clips, recordings, features)


def test_the_classical_model_separates_what_is_easy(rng):
    from baselines import make_turns, score_classical, score_fractions

    classes = np.arange(60) % 2
    features = rng.standard_normal((60, 4))
    features[:, 2] += 8 * classes
    examples = make_examples(features, [(int(one),) for one in classes])
    turns = make_turns(examples, seed=0)
    scores, by_fold = score_classical(examples, turns)
    assert (scores.num_correct, len(by_fold)) == (60, 10)
    assert score_fractions(examples, turns).loss == pytest.approx(np.log(2), abs=0.01)


def test_parts_of_the_statistics_are_left_out_and_used_alone():
    from baselines import choose_columns

    found = {name: len(columns) for name, columns in choose_columns(200, parts=True)}
    assert list(found.values()) == [200, 160, 40, 160, 40, 160, 40, 120, 80]
    assert len(list(choose_columns(200, parts=False))) == 1


def test_folds_keep_groups_whole_and_score_every_clip_once(rng):
    from baselines import make_turns

    groups = [f"g{number // 3}" for number in range(90)]
    targets = [(number // 3 % 2,) for number in range(90)]
    turns = make_turns(make_examples(np.zeros((90, 1)), targets, groups=groups), seed=0)
    assert sorted(row for turn in turns for row in turn.test) == list(range(90))
    for turn in turns:
        assert not {groups[row] for row in turn.train} & {groups[row] for row in turn.test}


def test_folds_of_the_manifest_are_taken():
    from baselines import make_turns

    folds = [str(number % 3) for number in range(30)]
    targets = [(number % 2,) for number in range(30)]
    turns = make_turns(make_examples(np.zeros((30, 1)), targets, folds=folds), seed=0)
    assert [{folds[row] for row in turn.test} for turn in turns] == [{"0"}, {"1"}, {"2"}]
    with pytest.raises(DataError, match=r"1\.wav: it has no fold"):
        make_turns(make_examples(np.zeros((30, 1)), targets, folds=["0", None, *folds[2:]]), seed=0)


def test_splits_train_on_validation_too(sound_folder):
    from baselines import make_turns, read_examples

    examples = read_examples(read_manifest(sound_folder))
    (turn,) = make_turns(examples, seed=0)
    splits = np.array([one.split for one in examples.recordings])
    assert Counter(splits[turn.train]) == {"train": 12, "validation": 6}
    assert Counter(splits[turn.test]) == {"test": 6}


def test_stretches_follow_each_other_and_short_clips_stay_whole():
    from baselines import cut

    samples = np.arange(10)
    assert [part.tolist() for part in cut(samples, 4)] == [[0, 1, 2, 3], [4, 5, 6, 7]]
    assert [len(part) for part in cut(samples, 11)] == [10]
    assert [len(part) for part in cut(samples, 10)] == [10]
    assert [len(part) for part in cut(samples, 0)] == [10]


def test_baselines_print_a_row_each(sound_folder, monkeypatch, capsys):
    import baselines

    call(monkeypatch, baselines, sound_folder, "--window-seconds", "0.5")
    output = capsys.readouterr().out
    assert "stretches of 0.5 s in 24 groups" in output
    rows = [line for line in output.splitlines() if line.startswith("| ")]
    assert [row.split(" | ")[0] for row in rows] == [
        "| baseline",
        "| most common label",
        "| classical model",
    ]


def test_seeds_that_make_up_for_each_other_are_right_together(tmp_path, monkeypatch, capsys):
    import seeds_together

    rows = [
        ("0", "a", "x", 0.9),
        ("0", "b", "y", 0.6),
        ("0", "c", "x", 0.2),
        ("1", "a", "x", 0.9),
        ("1", "b", "y", 0.1),
        ("1", "c", "x", 0.3),
    ]
    with (tmp_path / "predictions.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow([*seeds_together.FACTS, "x", "y"])
        for seed, path, label, right in rows:
            writer.writerow([seed, "1", path, label, "", "", right, 1 - right])
    table, targets = seeds_together.read_probabilities(tmp_path)
    assert [seeds_together.mean_right(size, table, targets) for size in (1, 2)] == [1.5, 2.0]
    assert seeds_together.wrong_with_all(table, targets) == 1
    call(monkeypatch, seeds_together, tmp_path)
    assert "| 2 | 2.0 | 3 |" in capsys.readouterr().out
