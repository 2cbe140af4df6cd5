"""Duplicates, near-duplicates and excerpts, and their severity."""

from dataclasses import replace

import numpy as np
import pytest
import soundfile
import soxr

from earmark.audio.reading import Excerpt


@pytest.mark.parametrize(
    ("first", "second", "severity", "reason"),
    [
        ({"label": "x"}, {"label": "y"}, "error", "different labels"),
        ({"split": "train"}, {"split": "test"}, "error", "different splits"),
        ({"group": "g"}, {"group": "h"}, "error", "different groups"),
        ({"group": "g"}, {"group": "g"}, "warning", "2 identical"),
        ({"split": "test"}, {"split": "test"}, "warning", "2 identical"),
        ({"split": "train"}, {"split": "train"}, "error", "different groups"),
        (
            {"split": "train", "group": "g"},
            {"split": "test", "group": "g"},
            "error",
            "different splits",
        ),
        (
            {"label": "x", "split": "train"},
            {"label": "y", "split": "test"},
            "error",
            "different labels",
        ),
    ],
)
def test_duplicates_are_found_whatever_their_format(
    twins, first, second, severity, reason, recording, audit
):
    one, two = (
        recording(path, **known) for path, known in zip(twins, (first, second), strict=True)
    )
    (finding,) = audit(one, two).findings
    assert (finding.kind, finding.severity) == ("duplicate", severity)
    assert finding.paths == ("one.flac", "two.wav")
    assert reason in finding.message


def test_duplicates_in_groups_that_no_split_will_separate_are_a_warning(
    tmp_path, write_clip, recording, audit
):
    paths = [write_clip(tmp_path / f"{name}.wav", seed=name == "c") for name in "abc"]
    splits = ("train", "train", "validation")
    (finding,) = audit(
        *(recording(path, split=split) for path, split in zip(paths, splits, strict=True))
    ).findings
    assert (finding.severity, finding.paths) == ("warning", ("a.wav", "b.wav"))


def test_overlapping_excerpts_of_a_file_are_not_duplicates(tmp_path, write_clip, recording, audit):
    path = write_clip(tmp_path / "a.wav", 3.0, kind="noise")
    excerpts = [
        replace(recording(path, group="a"), name=f"a{start}", excerpt=Excerpt(start, start + 2))
        for start in (0.0, 1.0)
    ]
    assert audit(*excerpts).findings == ()


def test_all_duplicates_are_in_one_finding(tmp_path, write_clip, recording, audit):
    paths = [write_clip(tmp_path / f"{name}.wav", seed=3) for name in "abc"]
    paths.append(write_clip(tmp_path / "d.wav", seed=4))
    (finding,) = audit(*(recording(path, group="g") for path in paths)).findings
    assert finding.paths == ("a.wav", "b.wav", "c.wav")


def test_a_near_duplicate_is_not_a_duplicate(tmp_path, rng, write, recording, audit):
    samples = 0.1 * rng.standard_normal(16_000)
    longer = np.append(samples, 0.5)
    paths = [write(tmp_path / "a.wav", samples), write(tmp_path / "b.wav", longer)]
    (finding,) = audit(*map(recording, paths)).findings
    assert (finding.kind, finding.severity, finding.paths) == (
        "near_duplicate",
        "error",
        ("a.wav", "b.wav"),
    )


def test_the_sign_of_zeros_does_not_matter(tmp_path, rng, recording, audit):
    samples = 0.1 * rng.standard_normal(16_000).astype(np.float32)
    samples[::100] = 0.0
    for name, zero in (("a", 0.0), ("b", -0.0)):
        signed = np.where(samples == 0, np.float32(zero), samples)
        soundfile.write(tmp_path / f"{name}.wav", signed, 16_000, subtype="FLOAT")
    (finding,) = audit(*(recording(tmp_path / f"{name}.wav") for name in "ab")).findings
    assert finding.kind == "duplicate"


def test_a_near_duplicate_of_duplicates_names_all_of_them(tmp_path, rng, write, recording, audit):
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


@pytest.mark.parametrize(
    ("suffix", "options"),
    [
        ("mp3", {"compression_level": 0.9}),
        ("opus", {"format": "OGG", "subtype": "OPUS", "compression_level": 0.9}),
        ("ogg", {"compression_level": 0.9}),
    ],
)
@pytest.mark.parametrize("gain_db", [-20, 6])
def test_a_copy_through_a_codec_is_found(
    tmp_path, rng, suffix, options, gain_db, write, recording, audit
):
    envelope = np.repeat(rng.uniform(0.05, 0.3, 40), 2400)
    noise = rng.standard_normal(96_000).clip(-3, 3) * 0.5 * envelope
    write(tmp_path / "a.wav", noise)
    copy = soxr.resample(noise[700:], 16_000, 24_000) * 10 ** (gain_db / 20)
    soundfile.write(tmp_path / f"b.{suffix}", copy, 24_000, **options)
    found = audit(recording(tmp_path / "a.wav", "x"), recording(tmp_path / f"b.{suffix}", "y"))
    (finding,) = [one for one in found.findings if one.kind == "near_duplicate"]
    assert (finding.severity, finding.paths) == ("error", ("a.wav", f"b.{suffix}"))
    assert "0.04 s" in finding.message


def test_an_excerpt_is_found_and_other_parts_of_the_noise_are_not(
    tmp_path, rng, write, recording, audit
):
    noise = 0.1 * rng.standard_normal(160_000)
    for name, start, stop in (("a", 0, 80_000), ("b", 30_000, 50_000), ("c", 90_000, 150_000)):
        write(tmp_path / f"{name}.wav", noise[start:stop])
    found = audit(*(recording(tmp_path / f"{name}.wav") for name in "abc"))
    (finding,) = found.findings
    assert (finding.kind, finding.paths) == ("excerpt", ("a.wav", "b.wav"))
    assert "1.88 s" in finding.message


def test_a_cluster_of_near_duplicates_is_one_finding(tmp_path, rng, write, recording, audit):
    samples = 0.1 * rng.standard_normal(32_000)
    names = [f"{number}.wav" for number in range(6)]
    for number, name in enumerate(names):
        write(tmp_path / name, samples[100 * number :] * 0.9**number)
    (finding,) = audit(*(recording(tmp_path / name) for name in names)).findings
    assert (finding.kind, finding.paths) == ("near_duplicate", tuple(names))


def test_the_shorter_recording_is_the_excerpt(tmp_path, rng, write, recording, audit):
    noise = 0.1 * rng.standard_normal(80_000)
    write(tmp_path / "a.wav", noise[30_000:50_000])
    write(tmp_path / "b.wav", noise)
    (finding,) = audit(*(recording(tmp_path / f"{name}.wav") for name in "ab")).findings
    assert finding.kind == "excerpt"
    assert "a.wav starts at 1.88 s of b.wav" in finding.message
