"""The modules of the page against the package: the same numbers, in Node without a browser."""

import csv
import io
import itertools
import math
import struct
from pathlib import Path

import numpy as np
import soundfile
import soxr

from earmark.config import Config, FeatureConfig, PredictConfig
from earmark.exporters.web.description import describe_for_page
from earmark.features.levels import frame_levels_db
from earmark.features.log_mel import LogMel, round_frames
from earmark.features.windows import cut_middles, stream_windows
from earmark.inference.predictions import Prediction
from earmark.inference.result_formats import result_columns, result_format
from earmark.inference.segmentation.formats import FORMATS, Timeline
from earmark.inference.segmentation.segments import Segment, WindowProbabilities, find_segments
from earmark.models.spec import ModelSpec
from earmark.tasks.decision_rule import DecisionRule
from earmark.tasks.pooling import clip_logits
from earmark.tasks.task import BINARY, MULTI_CLASS, MULTI_LABEL

FRONT_ENDS = (
    {},
    {"sample_rate": 8000, "n_fft": 400, "hop_length": 160, "n_mels": 20, "mel_norm": "none"},
    {"mel_scale": "htk", "power": 1.0, "f_min": 50.0, "f_max": 7000.0, "win_length": 800},
    {"n_fft": 512, "hop_length": 700, "n_mels": 24},
)
WAV_CODINGS = ("PCM_U8", "PCM_16", "PCM_24", "PCM_32", "FLOAT", "DOUBLE", "ULAW", "ALAW")
LABELS = {BINARY: ("a", "b"), MULTI_CLASS: ("a", "b", "c"), MULTI_LABEL: ("a", "b", "c")}


def page_model(task, **predict):
    spec = ModelSpec(
        Config(predict=PredictConfig(**predict)), LABELS[task], 51, task, temperature=1.5
    )
    return spec, describe_for_page(spec, name="m", licence="MIT")


def test_transforms_of_any_size(compute, rng):
    sizes = (1, 2, 8, 12, 30, 49, 400, 441, 1024, 37, 74, 1009)
    parts = [rng.standard_normal((2, size)) for size in sizes]
    answers = compute([("fft", {"re": re.tolist(), "im": im.tolist()}) for re, im in parts])
    for (re, im), (found_re, found_im) in zip(parts, answers, strict=True):
        expected = np.fft.fft(re + 1j * im)
        np.testing.assert_allclose(
            np.array(found_re) + 1j * np.array(found_im), expected, atol=1e-9
        )


def test_resampling_is_that_of_soxr(compute, rng):
    rates = ((44_100, 16_000), (48_000, 16_000), (8000, 16_000), (22_050, 16_000), (16_000, 16_000))
    # Below the transition band, in which the filters differ.
    requests, expected = [], []
    for in_rate, out_rate in rates:
        noise = rng.standard_normal(in_rate).astype(np.float32)
        spectrum = np.fft.rfft(noise)
        spectrum[int(0.42 * min(1, out_rate / in_rate) * in_rate) :] = 0
        noise = (0.2 * np.fft.irfft(spectrum, in_rate)).astype(np.float32)
        args = {"samples": noise.tolist(), "inRate": in_rate, "outRate": out_rate, "size": 1999}
        requests.append(("resample", args))
        stream = soxr.ResampleStream(in_rate, out_rate, 1, dtype="float32")
        expected.append(stream.resample_chunk(noise, last=True))
    for found, wanted in zip(compute(requests), expected, strict=True):
        assert len(found) == len(wanted)
        inner = slice(400, -400)
        np.testing.assert_allclose(found[inner], wanted[inner], atol=2e-4)


def test_frames_and_levels_are_those_of_the_front_end(compute, rng):
    samples = (0.1 * rng.standard_normal(9000)).astype(np.float32)
    samples[3000:5000] = 0
    configs = [FeatureConfig(**one) for one in FRONT_ENDS]
    answers = compute(
        [
            ("logMel", {"samples": samples.tolist(), "features": one.model_dump(), "size": size})
            for one in configs
            for size in (700, 9000)
        ]
    )
    for index, found in enumerate(answers):
        config = configs[index // 2]
        groups = LogMel(config).stream([samples.astype(np.float64)])
        frames = np.concatenate(list(round_frames(groups)))
        assert len(found["levels"]) == len(frames)
        values = np.array(found["values"]).reshape(frames.shape)
        # Rounding to 16 bits may go the other way for a few.
        np.testing.assert_allclose(values, frames.astype(np.float64), atol=0.07)
        assert (values == frames).mean() > 0.999
        np.testing.assert_allclose(found["levels"], frame_levels_db(frames, config), atol=0.01)


def test_windows_are_cut_alike(compute):
    cases = list(itertools.product((1, 4, 7, 20, 23), (4, 5), (2, 5, 9), (3, 100)))
    names = ("numFrames", "length", "step", "size")
    fixed = {"mels": 2, "fraction": 0.35}
    requests = [dict(zip(names, case, strict=True)) | fixed for case in cases]
    answers = compute([("windows", one) for one in requests])
    for (num_frames, length, step, size), found in zip(cases, answers, strict=True):
        frames = np.arange(2.0 * num_frames).reshape(-1, 2)
        groups = [frames[at : at + size] for at in range(0, num_frames, size)]
        parts = list(stream_windows(groups, length, step))
        spans = [(one[0], one[-1]) for spans, _ in parts for one in spans]
        windows = np.concatenate([windows for _, windows in parts])
        assert [(one["start"], one["end"]) for one in found] == spans
        assert [one["data"] for one in found] == windows.reshape(len(windows), -1).tolist()
        middles = cut_middles(windows, 0.35).reshape(len(windows), -1).tolist()
        assert [one["middle"] for one in found] == middles


def test_decisions_are_those_of_the_rule(compute, rng):
    cases, requests = [], []
    for task, silence, background in itertools.product(LABELS, (None, 1), (None, 0)):
        if task is MULTI_LABEL and background is not None:
            continue
        for minimum in (0.0, 0.8):
            rule = DecisionRule(
                *(task, task.default_thresholds(len(LABELS[task])), 1.5),
                min_probability=minimum,
                silence_db=-60.0,
                silence_label=silence,
                background=background,
                max_novelty=2.0,
            )
            model = {
                **{"task": task.name, "thresholds": rule.thresholds, "temperature": 1.5},
                **{"min_probability": minimum, "silence_db": -60.0, "silence_label": silence},
                **{"background": background, "max_novelty": 2.0},
            }
            for _ in range(8):
                logits = 3 * rng.standard_normal(task.num_outputs(len(LABELS[task])))
                level, novelty = float(rng.choice([-80, -20])), float(rng.choice([0.0, 3.0]))
                cases.append((rule, logits, level, novelty))
                args = {"logits": logits.tolist(), "levelDb": level, "novelty": novelty}
                requests.append(("decide", {"model": model, **args}))
    for (rule, logits, level, novelty), found in zip(cases, compute(requests), strict=True):
        expected = rule.decide(logits[None], np.array([level]), np.array([novelty]))
        np.testing.assert_allclose(found["probabilities"], expected.probabilities[0], atol=1e-12)
        assert found["chosen"] == expected.chosen[0].tolist()
        assert found["abstained"] == expected.abstained[0]


def test_pooling_is_that_of_clips(compute, rng):
    cases = list(itertools.product(LABELS, ("mean", "max", "attention")))
    rows = [3 * rng.standard_normal((9, t.num_outputs(len(LABELS[t])))) for t, _ in cases]
    answers = compute(
        [
            ("pool", {"model": {"task": task.name, "pooling": pooling}, "rows": one.tolist()})
            for (task, pooling), one in zip(cases, rows, strict=True)
        ]
    )
    for (task, pooling), one, found in zip(cases, rows, answers, strict=True):
        expected = clip_logits(one, np.zeros(9, int), task=task, pooling=pooling)
        np.testing.assert_allclose(found, expected[0], atol=1e-9)


def _random_windows(task, rng, count):
    """Windows of a time line with a few changes, noise and gaps."""
    labels = len(LABELS[task])
    starts = np.cumsum(rng.uniform(0.09, 0.11, count))
    logits = np.repeat(rng.normal(0, 2, (1 + count // 12, labels)), 12, axis=0)[:count]
    logits = logits + rng.normal(0, 1, (count, labels))
    output = logits[:, :1] if task is BINARY else logits
    rows = task.probabilities(output).astype(np.float32)
    middles = task.probabilities(output + rng.normal(0, 1, output.shape)).astype(np.float32)
    absent = rng.uniform(size=count) < 0.1
    rows[absent] = middles[absent] = np.nan
    return WindowProbabilities(starts, starts + 1.0, rows, middles)


def test_segments_are_those_of_the_time_line(compute, rng):
    cases, requests = [], []
    for task, smoothing in itertools.product(LABELS, ("viterbi", "median", "none")):
        for count, minimum in ((1, 2.0), (40, 0.8), (150, 2.0)):
            spec, model = page_model(task, smoothing=smoothing, min_segment_seconds=minimum)
            windows = _random_windows(task, rng, count)
            duration = float(windows.ends[-1]) + 0.05
            rows = [
                [None if math.isnan(row[0]) else row.tolist() for row in table]
                for table in (windows.probabilities, windows.middles)
            ]
            listed = [
                {"start": start, "end": end, "row": row, "middle": middle}
                for start, end, row, middle in zip(
                    windows.starts.tolist(), windows.ends.tolist(), *rows, strict=True
                )
            ]
            requests.append(("segments", {"model": model, "windows": listed, "duration": duration}))
            cases.append((spec, windows, duration))
    some = 0
    for (spec, windows, duration), found in zip(cases, compute(requests), strict=True):
        expected = find_segments(
            windows,
            duration,
            spec.labels,
            task=spec.task,
            thresholds=spec.rule.lane_thresholds,
            config=spec.config.predict,
        )
        names = [(one["start"], one["end"], one["label"]) for one in found]
        assert names == [(one.start, one.end, one.label) for one in expected]
        found_means = [one["probability"] for one in found]
        np.testing.assert_allclose(found_means, [one.probability for one in expected], atol=1e-6)
        some += len(found)
    assert some > 50


def test_samples_of_wav_files(compute, rng, tmp_path):
    sound = 0.3 * rng.standard_normal((66_000, 2)).clip(-3, 3)
    paths = [tmp_path / f"{one}.wav" for one in WAV_CODINGS]
    for path in paths:
        soundfile.write(path, sound, 22_050, path.stem)
    for path, found in zip(paths, compute([("wav", {"path": str(p)}) for p in paths]), strict=True):
        expected, rate = soundfile.read(path, dtype="float32")
        assert (found["rate"], found["seconds"]) == (rate, len(expected) / rate)
        np.testing.assert_array_equal(np.array(found["channels"], np.float32).T, expected)


def test_damaged_headers_of_wav_files(compute):
    """Each is an error for the user, not one of the language."""
    whole = struct.pack("<4sI4s4sI", b"RIFF", 40, b"WAVE", b"fmt ", 16)
    headers = {
        "no channels": whole + struct.pack("<HHIIHH", 1, 0, 16_000, 0, 2, 16),
        "no rate": whole + struct.pack("<HHIIHH", 1, 1, 0, 0, 2, 16),
        "short format": whole[:16] + struct.pack("<IHH", 4, 1, 1),
        "short extension": whole + struct.pack("<HHIIHH", 0xFFFE, 1, 16_000, 32_000, 2, 16),
        "cut": whole + b"\1\0",
    }
    data = b"data" + struct.pack("<I", 4) + b"\0\0\0\0"
    files = [one if name == "cut" else one + data for name, one in headers.items()]
    good = whole + struct.pack("<HHIIHH", 1, 1, 16_000, 32_000, 2, 16) + b"data"
    # Less sound than is declared, and a recorder that did not know how much comes.
    files.append(good + struct.pack("<I", 64_000) + bytes(50_000))
    streamed = good + struct.pack("<I", 0x7FFFFFFF) + bytes(50_000)
    *found, last = compute([("damagedWav", {"bytes": list(one)}) for one in [*files, streamed]])
    assert found == ["SoundError"] * len(files)
    assert last["seconds"] == 25_000 / 16_000


def test_downloads_are_those_of_the_command(compute, tmp_path):
    segments = (Segment(0.0, 2.5, 'a, "b"', 0.98765), Segment(2.5, 1e5, "c", 1.0))
    labels = ('a, "b"', "c")
    predictions = [
        Prediction(Path("x/1.wav"), ("c",), dict(zip(labels, (1.5e-7, 0.5), strict=True)), 30.0),
        Prediction(
            *(Path("2,3.wav"), (), dict(zip(labels, (0.25, 2e-5), strict=True)), 0.4),
            abstained="silence",
            segments=segments,
            novelty=1.25,
        ),
    ]
    tracks = [
        {
            "path": str(one.path),
            "message": "",
            "result": {**one.to_dict(), "labels": one.labels, "abstained": one.abstained},
        }
        for one in predictions
    ]
    failed = {"path": "bad.wav", "message": "no sound, at all", "result": None}
    timeline = Timeline.from_prediction(predictions[1])
    track = {**tracks[1], "model": {"task": "multi_class", "labels": labels}}
    names = ("csv", "audacity")
    table, *texts = compute(
        [
            ("results", {"tracks": [*tracks, failed], "labels": labels}),
            *(("format", {"name": name, "track": track}) for name in names),
        ]
    )
    assert texts == [FORMATS[name].render(timeline) for name in names]
    form = result_format(Path("results.csv"))
    rows = [one.to_dict() for one in predictions]
    rows.append({"path": "bad.wav", "error": "no sound, at all"})
    with (tmp_path / "results.csv").open("wb") as file:
        form.write(file, [form.to_row(one, labels) for one in rows], labels)
    assert table == (tmp_path / "results.csv").read_bytes().decode()
    assert next(csv.reader(io.StringIO(table))) == list(result_columns(labels))
