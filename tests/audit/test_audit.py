"""The audit finds what is unreadable, silent or there twice, and tells how bad it is."""

import json
import sqlite3
from contextlib import closing
from dataclasses import replace

import numpy as np
import pytest
import soundfile
import soxr

from earmark.audio.reading import Excerpt
from earmark.audit.audit import check
from earmark.audit.cache import CheckCache
from earmark.audit.signal import SILENT_PEAK, listen
from earmark.config import TrainConfig
from earmark.data.labels import choose_task
from earmark.data.manifest import Manifest, read_manifest
from earmark.data.recording import Recording
from earmark.data.splits import with_splits
from earmark.errors import DataError, StoreError
from earmark.report.audit import write_audit


def write(path, samples):
    path.parent.mkdir(parents=True, exist_ok=True)
    # FLAC and WAV round floating point to 16 bits in different ways.
    soundfile.write(path, np.round(samples * 32_767).astype(np.int16), 16_000)
    return path


def recording(path, label="x", split=None, group=None, **others):
    return Recording(path, path.name, (label,), group or path.name, split=split, **others)


def audit(*recordings):
    """What is said of recordings; what is said of labels is left out."""
    found = check(data(recordings))
    kept = [one for one in found.findings if one.kind not in {"missing_label", "few_groups"}]
    return replace(found, findings=tuple(kept))


def data(recordings):
    labels = tuple(sorted({label for one in recordings for label in one.labels}))
    return Manifest(recordings[0].path.parent, tuple(recordings), labels)


def of_kind(found, *kinds):
    return [one for one in found.findings if one.kind in kinds]


@pytest.fixture
def twins(tmp_path, rng):
    """A FLAC and a WAV of one sound."""
    samples = 0.1 * rng.standard_normal(16_000)
    return [write(tmp_path / name, samples) for name in ("one.flac", "two.wav")]


def test_sound_data_have_no_findings(sound_folder):
    found = check(read_manifest(sound_folder))
    assert (found.num_files, found.num_errors, found.findings) == (24, 0, ())


@pytest.mark.parametrize("num_workers", [1, 3])
def test_files_that_cannot_be_read_are_errors_and_the_others_are_heard(sound_folder, num_workers):
    broken = sound_folder / "training" / "music" / "music_2.wav"
    broken.write_bytes(b"")
    found = check(read_manifest(sound_folder), num_workers=num_workers)
    assert found.num_errors == 1
    (finding,) = found.findings
    assert (finding.kind, finding.severity) == ("unreadable", "error")
    assert finding.paths == ("training/music/music_2.wav",)
    assert f"{broken}: the file is empty" in finding.message


@pytest.mark.parametrize(
    ("peak", "message"),
    [(0.0, "silent, every sample is zero"), (0.5 * SILENT_PEAK, "silent, its peak is -66 dB")],
)
def test_silent_recordings_are_warnings_and_not_each_others_duplicates(tmp_path, peak, message):
    samples = np.zeros(16_000)
    samples[8000] = -peak
    paths = [write(tmp_path / name, samples) for name in ("a.wav", "b.wav")]
    found = audit(*map(recording, paths))
    assert [one.kind for one in found.findings] == ["silent", "silent"]
    assert {one.severity for one in found.findings} == {"warning"}
    assert message in found.findings[0].message


def test_a_quiet_recording_is_not_silent(tmp_path):
    samples = np.zeros(16_000)
    samples[8000] = 2 * SILENT_PEAK
    assert audit(recording(write(tmp_path / "a.wav", samples))).findings == ()


@pytest.mark.parametrize(
    ("first", "second", "severity", "message"),
    [
        ({"label": "x"}, {"label": "y"}, "error", "has different labels: one.flac, two.wav"),
        ({"split": "train"}, {"split": "test"}, "error", "is in different splits: one.flac, two"),
        ({"group": "g"}, {"group": "h"}, "error", "is in different groups: one.flac, two.wav"),
        ({"group": "g"}, {"group": "g"}, "warning", "is there 2 times: one.flac, two.wav"),
        ({"split": "test"}, {"split": "test"}, "warning", "is there 2 times"),
        ({"split": "train"}, {"split": "train"}, "error", "is in different groups: one.flac, two"),
        ({"split": "train", "group": "g"}, {"split": "test", "group": "g"}, "error", "splits: one"),
        ({"label": "x", "split": "train"}, {"label": "y", "split": "test"}, "error", "labels: one"),
    ],
)
def test_the_same_sound_twice_is_found_whatever_its_format(twins, first, second, severity, message):
    one, two = (
        recording(path, **known) for path, known in zip(twins, (first, second), strict=True)
    )
    (finding,) = of_kind(audit(one, two), "duplicate")
    assert (finding.kind, finding.severity) == ("duplicate", severity)
    assert finding.paths == ("one.flac", "two.wav")
    assert message in finding.message


def test_copies_in_groups_that_no_split_will_part_are_a_warning(tmp_path, write_clip):
    paths = [write_clip(tmp_path / f"{name}.wav", seed=name == "c") for name in "abc"]
    splits = ("train", "train", "validation")
    (finding,) = audit(
        *(recording(path, split=split) for path, split in zip(paths, splits, strict=True))
    ).findings
    assert (finding.severity, finding.paths) == ("warning", ("a.wav", "b.wav"))


def test_stretches_that_overlap_are_no_duplicates(tmp_path, write_clip):
    path = write_clip(tmp_path / "a.wav", 3.0, kind="noise")
    stretches = [
        replace(recording(path, group="a"), name=f"a{start}", excerpt=Excerpt(start, start + 2))
        for start in (0.0, 1.0)
    ]
    assert audit(*stretches).findings == ()


def test_all_copies_are_in_one_finding(tmp_path, write_clip):
    paths = [write_clip(tmp_path / f"{name}.wav", seed=3) for name in "abc"]
    paths.append(write_clip(tmp_path / "d.wav", seed=4))
    (finding,) = audit(*(recording(path, group="g") for path in paths)).findings
    assert finding.paths == ("a.wav", "b.wav", "c.wav")


def test_nearly_the_same_sound_is_no_exact_duplicate(tmp_path, rng):
    samples = 0.1 * rng.standard_normal(16_000)
    longer = np.append(samples, 0.5)
    paths = [write(tmp_path / "a.wav", samples), write(tmp_path / "b.wav", longer)]
    (finding,) = audit(*map(recording, paths)).findings
    assert (finding.kind, finding.severity, finding.paths) == (
        "near_duplicate",
        "error",
        ("a.wav", "b.wav"),
    )


def test_zeros_of_either_sign_are_the_same_sound(tmp_path, rng):
    samples = 0.1 * rng.standard_normal(16_000).astype(np.float32)
    samples[::100] = 0.0
    for name, zero in (("a", 0.0), ("b", -0.0)):
        signed = np.where(samples == 0, np.float32(zero), samples)
        soundfile.write(tmp_path / f"{name}.wav", signed, 16_000, subtype="FLOAT")
    (finding,) = audit(*(recording(tmp_path / f"{name}.wav") for name in "ab")).findings
    assert finding.kind == "duplicate"


def test_a_near_copy_of_equal_recordings_names_all_of_them(tmp_path, rng):
    samples = 0.1 * rng.standard_normal(32_000)
    for name, sound in (("a", samples), ("b", samples), ("c", 0.5 * samples[400:])):
        write(tmp_path / f"{name}.wav", sound)
    splits = {"a": "train", "b": "test", "c": "train"}
    found = audit(
        *(
            recording(tmp_path / f"{name}.wav", split=split, group="g")
            for name, split in splits.items()
        )
    )
    assert [(one.kind, one.paths) for one in found.findings] == [
        ("duplicate", ("a.wav", "b.wav")),
        ("near_duplicate", ("a.wav", "b.wav", "c.wav")),
    ]
    assert {one.severity for one in found.findings} == {"error"}


def test_only_the_stretch_of_a_recording_is_heard(tmp_path, rng):
    noise = 0.1 * rng.standard_normal(16_000)
    path = write(tmp_path / "a.wav", np.concatenate([noise, noise, np.zeros(16_000)]))
    seconds = [
        replace(recording(path, group="a"), name=f"a{start}", excerpt=Excerpt(start, start + 1))
        for start in (0.0, 1.0, 2.0)
    ]
    found = audit(*seconds)
    assert [(one.kind, one.paths) for one in found.findings] == [
        ("silent", ("a2.0",)),
        ("duplicate", ("a0.0", "a1.0")),
    ]


def test_the_audit_as_json_counts_errors_and_warnings(tmp_path, twins):
    silent = write(tmp_path / "silent.wav", np.zeros(16_000))
    one, two = (recording(path, label) for path, label in zip(twins, "xy", strict=True))
    found = audit(one, two, recording(silent), recording(tmp_path / "missing.wav"))
    document = json.loads(json.dumps(found.to_dict()))
    assert {name: document[name] for name in ("num_files", "num_errors", "num_warnings")} == {
        "num_files": 4,
        "num_errors": 2,
        "num_warnings": 1,
    }
    kinds = [(one["kind"], one["severity"], one["paths"]) for one in document["findings"]]
    assert kinds == [
        ("silent", "warning", ["silent.wav"]),
        ("unreadable", "error", ["missing.wav"]),
        ("duplicate", "error", ["one.flac", "two.wav"]),
    ]
    assert all(one["message"] for one in document["findings"])


@pytest.mark.parametrize(
    ("suffix", "options"),
    [
        ("mp3", {"compression_level": 0.9}),
        ("opus", {"format": "OGG", "subtype": "OPUS", "compression_level": 0.9}),
        ("ogg", {"compression_level": 0.9}),
    ],
)
@pytest.mark.parametrize("gain_db", [-20, 6])
def test_a_copy_through_a_codec_is_found(tmp_path, rng, suffix, options, gain_db):
    envelope = np.repeat(rng.uniform(0.05, 0.3, 40), 2400)
    noise = rng.standard_normal(96_000).clip(-3, 3) * 0.5 * envelope
    write(tmp_path / "a.wav", noise)
    copy = soxr.resample(noise[700:], 16_000, 24_000) * 10 ** (gain_db / 20)
    soundfile.write(tmp_path / f"b.{suffix}", copy, 24_000, **options)
    found = audit(recording(tmp_path / "a.wav", "x"), recording(tmp_path / f"b.{suffix}", "y"))
    (finding,) = of_kind(found, "near_duplicate")
    assert (finding.severity, finding.paths) == ("error", ("a.wav", f"b.{suffix}"))
    assert "from 0.04 s" in finding.message


def test_an_excerpt_is_found_and_other_stretches_of_the_noise_are_not(tmp_path, rng):
    noise = 0.1 * rng.standard_normal(160_000)
    for name, start, stop in (("a", 0, 80_000), ("b", 30_000, 50_000), ("c", 90_000, 150_000)):
        write(tmp_path / f"{name}.wav", noise[start:stop])
    found = audit(*(recording(tmp_path / f"{name}.wav") for name in "abc"))
    (finding,) = found.findings
    assert (finding.kind, finding.paths) == ("excerpt", ("a.wav", "b.wav"))
    assert "from 1.88 s" in finding.message


def test_what_was_heard_is_not_read_again(sound_folder, monkeypatch, tmp_path):
    manifest = read_manifest(sound_folder)
    first = check(manifest, store_root=tmp_path / "store")
    monkeypatch.setattr("earmark.audit.audit.listen", pytest.fail)
    assert check(manifest, store_root=tmp_path / "store") == first


def noise_in(rng, channels=1):
    return 0.1 * rng.standard_normal((16_000, channels)).clip(-3, 3)


def test_an_offset_a_dead_channel_and_clipping_are_warnings(tmp_path, rng):
    one, two, three = (noise_in(rng, channels) for channels in (1, 2, 1))
    two[:, 1] = 0
    three = np.clip(np.convolve(three[:, 0], np.ones(16)), -0.3, 0.3)
    for name, samples in (("a", one + 0.1), ("b", two), ("c", three)):
        write(tmp_path / f"{name}.wav", samples)
    found = audit(*(recording(tmp_path / f"{name}.wav") for name in "abc"))
    assert [(one.kind, one.paths, one.severity) for one in found.findings] == [
        ("dc_offset", ("a.wav",), "warning"),
        ("dead_channel", ("b.wav",), "warning"),
        ("clipped", ("c.wav",), "warning"),
    ]


def test_a_header_that_contradicts_itself_is_named(tmp_path, rng):
    path = write(tmp_path / "a.wav", noise_in(rng))
    content = bytearray(path.read_bytes())
    content[24:28] = (8000).to_bytes(4, "little")
    path.write_bytes(bytes(content))
    soundfile.write(tmp_path / "b.wav", noise_in(rng), 16_000, format="FLAC")
    found = audit(recording(path), recording(tmp_path / "b.wav"))
    assert [one.kind for one in found.findings] == ["header", "header"]
    assert "32000" in found.findings[0].message
    assert "16000" in found.findings[0].message
    assert "FLAC" in found.findings[1].message


def test_the_cause_of_what_is_unreadable_is_one_word(tmp_path, rng):
    cut = write(tmp_path / "cut.wav", noise_in(rng))
    cut.write_bytes(cut.read_bytes()[:10_000])
    (tmp_path / "empty.wav").write_bytes(b"")
    (tmp_path / "text.wav").write_bytes(b"no sound" * 100)
    write(tmp_path / "short.wav", noise_in(rng)[:400])
    nan = noise_in(rng)
    nan[5000] = np.nan
    soundfile.write(tmp_path / "nan.wav", nan, 16_000, subtype="FLOAT")
    names = ("cut", "empty", "nan", "short", "text")
    found = audit(*(recording(tmp_path / f"{name}.wav") for name in names))
    causes = ["truncated", "empty", "not_finite", "short", "undecodable"]
    assert [one.cause for one in found.findings] == causes
    assert {one.kind for one in found.findings} == {"unreadable"}


@pytest.mark.parametrize("tells", [True, False])
def test_a_sample_rate_that_tells_the_label_is_a_shortcut(tmp_path, rng, tells):
    recordings = []
    for number in range(40):
        rate = 16_000 if (number % 2 if tells else number % 4 < 2) else 22_050
        path = tmp_path / f"{number}.wav"
        soundfile.write(path, noise_in(rng), rate)
        recordings.append(recording(path, "xy"[number % 2]))
    found = audit(*recordings)
    assert len(of_kind(found, "shortcut")) == tells
    if tells:
        assert "sample rate by itself of 100%" in of_kind(found, "shortcut")[0].message


def test_a_label_that_a_split_lacks_is_a_warning(tmp_path, write_clip):
    paths = [write_clip(tmp_path / f"{seed}.wav", seed=seed) for seed in range(3)]
    known = (("x", "train"), ("y", "train"), ("x", "test"))
    found = check(data([recording(path, *known) for path, known in zip(paths, known, strict=True)]))
    assert [(one.kind, one.message) for one in found.findings] == [
        ("missing_label", "y is missing from test; move recordings of it there")
    ]


@pytest.mark.parametrize(
    ("groups", "kinds"),
    [
        ({"x": "abc", "y": "def"}, []),
        ({"x": "abc", "y": "ddd"}, ["few_groups"]),
        ({"x": "abc"}, ["missing_label"]),
        ({"x": "aaa"}, ["missing_label", "few_groups"]),
    ],
)
def test_what_training_would_refuse_is_a_warning(tmp_path, write_clip, groups, kinds):
    recordings = [
        recording(
            write_clip(tmp_path / f"{label}{seed}.wav", seed=10 * seed + ord(label)),
            label,
            None,
            group,
        )
        for label, letters in groups.items()
        for seed, group in enumerate(letters)
    ]
    manifest = data(recordings)
    assert [one.kind for one in check(manifest).findings] == kinds
    if kinds:
        with pytest.raises(DataError):
            choose_task(with_splits(manifest, TrainConfig()), TrainConfig())


def test_a_label_that_outnumbers_another_is_noted(tmp_path, write_clip):
    paths = [write_clip(tmp_path / f"{seed}.wav", seed=seed) for seed in range(15)]
    found = check(data([recording(path, "xy"[path.stem in {"0", "1", "2"}]) for path in paths]))
    (note,) = [one for one in found.notes if one.kind == "unbalanced"]
    assert note.message.startswith("labels are unbalanced, 12 recordings of x and 3 of y")


def test_the_page_holds_findings_and_labels_as_text(tmp_path, twins):
    one, two = (recording(path, label) for path, label in zip(twins, ("<x>", "y"), strict=True))
    write_audit(tmp_path / "page.html", audit(one, two), "sounds")
    page = (tmp_path / "page.html").read_text()
    assert "the same sound has different labels: one.flac, two.wav" in page
    assert "<td>&lt;x&gt;</td>" in page


def test_many_near_copies_are_one_finding(tmp_path, rng):
    samples = 0.1 * rng.standard_normal(32_000)
    names = [f"{number}.wav" for number in range(6)]
    for number, name in enumerate(names):
        write(tmp_path / name, samples[100 * number :] * 0.9**number)
    (finding,) = audit(*(recording(tmp_path / name) for name in names)).findings
    assert (finding.kind, finding.paths) == ("near_duplicate", tuple(names))
    assert "pairs, correlation" in finding.message


def test_an_excerpt_lies_in_the_longer_one_whichever_comes_first(tmp_path, rng):
    noise = 0.1 * rng.standard_normal(80_000)
    write(tmp_path / "a.wav", noise[30_000:50_000])
    write(tmp_path / "b.wav", noise)
    (finding,) = audit(*(recording(tmp_path / f"{name}.wav") for name in "ab")).findings
    assert "a.wav lies in b.wav from 1.88 s" in finding.message


def test_findings_are_in_the_order_of_the_data_whatever_was_known(tmp_path, rng):
    noise = 0.1 * rng.standard_normal(80_000)
    for name, sound in (("a", noise[30_000:50_000]), ("b", noise), ("c", np.zeros(16_000))):
        write(tmp_path / f"{name}.wav", sound)
    recordings = [recording(tmp_path / f"{name}.wav") for name in "abc"]
    check(data(recordings[1:]), store_root=tmp_path / "primed")
    found = [check(data(recordings), store_root=tmp_path / one) for one in ("primed", "fresh")]
    assert found[0] == found[1]


def clipped(tmp_path, samples, **options):
    """How many samples are said to be clipped."""
    soundfile.write(tmp_path / "tone.wav", samples, 16_000, **options)
    facts, _ = listen(recording(tmp_path / "tone.wav"))
    return facts.num_clipped


def test_every_sample_of_a_flat_top_is_counted(tmp_path, rng):
    wave = np.tile([0.0, 0.2, 0.5, 0.5, 0.5, 0.2, 0.0, -0.3], 30)
    assert clipped(tmp_path, np.concatenate([wave, 0.1 * noise_in(rng)[:, 0]])) == 90


@pytest.mark.parametrize("frequency_hz", [50, 440])
@pytest.mark.parametrize("subtype", ["PCM_U8", "PCM_16", "FLOAT"])
def test_a_wave_that_coding_rounds_is_not_clipped(tmp_path, frequency_hz, subtype):
    wave = 0.85 * np.sin(2 * np.pi * frequency_hz * np.arange(16_000) / 16_000 + 0.1)
    assert clipped(tmp_path, wave, subtype=subtype) == 0


@pytest.mark.parametrize("subtype", ["PCM_U8", "PCM_16", "FLOAT"])
def test_a_wave_that_is_cut_off_is_clipped_there(tmp_path, subtype):
    wave = 2.0 * np.sin(2 * np.pi * 440 * np.arange(16_000) / 16_000 + 0.1)
    share = 1 - 2 / np.pi * np.arcsin(0.9 / 2.0)
    found = clipped(tmp_path, wave.clip(-0.9, 0.9), subtype=subtype)
    assert found / 16_000 == pytest.approx(share, rel=0.1)


def test_a_square_wave_and_single_samples_over_full_scale_are_not_clipped(tmp_path, rng):
    square = 0.3 * np.sign(np.sin(2 * np.pi * 220 * np.arange(16_000) / 16_000 + 0.1))
    assert clipped(tmp_path, square) == 0
    loud = noise_in(rng)[:, 0]
    loud[::50] = 1.5
    assert clipped(tmp_path, loud, subtype="FLOAT") == 0
    loud[1000:1030] = rng.uniform(1.01, 1.2, 30)
    assert clipped(tmp_path, loud, subtype="FLOAT") in {30, 31, 32}


def test_a_rare_label_does_not_hide_a_shortcut(tmp_path, rng):
    recordings = []
    for number in range(43):
        label = "z" if number >= 40 else "xy"[number % 2]
        path = tmp_path / f"{number}.wav"
        soundfile.write(path, noise_in(rng), {"x": 16_000}.get(label, 22_050))
        recordings.append(recording(path, label))
    assert len(of_kind(audit(*recordings), "shortcut")) == 1
    (note,) = [one for one in audit(*recordings[38:]).notes if one.kind == "shortcut"]
    assert "shortcuts were not looked for" in note.message


def test_two_checks_share_a_store(tmp_path, sound_folder):
    """One that waits for a long file does not hold the other up."""
    first = CheckCache(tmp_path)
    first._written_at = 0.0
    heard = listen(read_manifest(sound_folder).recordings[0])
    first.put("a", *heard)
    first.put("b", *heard)
    with closing(sqlite3.connect(tmp_path / "checks.sqlite", timeout=0.0)) as other:
        other.execute("DELETE FROM heard WHERE key = 'a'")
        other.commit()
    with first:
        assert first.get("a") is None


def test_a_damaged_cache_is_named(tmp_path):
    (tmp_path / "checks.sqlite").write_bytes(b"no database" * 1000)
    with pytest.raises(StoreError, match=r"checks.sqlite: .*; remove it"):
        CheckCache(tmp_path)
