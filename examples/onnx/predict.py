"""Runs a model that `earmark export` wrote, with onnxruntime, numpy and soundfile only.

    python predict.py model.onnx a.wav b.flac

Each file gives a line of JSON with its label and probabilities. The graph has the front end, the
windows and the calibration inside, so what is left is to read the sound and to decide.
"""

import json
import math
import sys
from typing import Any

import numpy as np
import onnxruntime
import soundfile

MIN_SECONDS = 0.1


def main(model: str, *paths: str) -> None:
    """Predicts files with a model."""
    session = onnxruntime.InferenceSession(model, providers=["CPUExecutionProvider"])
    if [one.name for one in session.get_inputs()] != ["waveform"]:
        sys.exit(f"{model}: takes windows of log-mel frames; export it without --input")
    texts = session.get_modelmeta().custom_metadata_map
    # All else is text.
    keys = ("labels", "thresholds", "sample_rate", "min_probability", "silence_db", "max_novelty")
    facts = {key: json.loads(texts[key]) for key in (*keys, "silence_label", "background_label")}
    facts |= {"task": texts["task"], "features": json.loads(texts["earmark"])["config"]["features"]}
    for path in paths:
        print(json.dumps({"path": path, **predict(session, facts, path)}))


def predict(session: onnxruntime.InferenceSession, facts: dict, path: str) -> dict:
    """The label and the probabilities of a file."""
    rate, settings = facts["sample_rate"], facts["features"]
    samples = read(path, rate, settings.get("channel"))
    if len(samples) < MIN_SECONDS * rate:
        sys.exit(f"{path}: shorter than {MIN_SECONDS} s")
    (_, length) = session.get_inputs()[0].shape
    # A name stands for any length.
    if isinstance(length, int) and length != len(samples):
        sys.exit(f"{path}: {len(samples)} samples at {rate} Hz, and the model takes {length}")
    names = [one.name for one in session.get_outputs()]
    values: Any = session.run(names, {"waveform": samples[None]})
    found = dict(zip(names, values, strict=True))
    novelty = float(found["clip_novelty"][0]) if "clip_novelty" in found else None
    return decide(facts, found["probabilities"][0], level_db(samples, settings), novelty)


def read(path: str, rate: int, channel: int | None) -> np.ndarray:
    """Mono samples in [-1, 1] at the rate of the model."""
    sound, own_rate = soundfile.read(path, dtype="float32", always_2d=True)
    mono = sound.mean(axis=1) if channel is None else sound[:, channel - 1]
    return resample(mono, own_rate, rate) if own_rate != rate else mono


def resample(samples: np.ndarray, own_rate: int, rate: int) -> np.ndarray:
    """Removes the frequencies that the other rate cannot hold, in the spectrum of the whole sound.

    It takes memory for all of it. For long files use a package, such as soxr.
    """
    length = round(len(samples) * rate / own_rate)
    spectrum = np.fft.rfft(samples.astype(np.float64))
    return (np.fft.irfft(spectrum, length) * (length / len(samples))).astype(np.float32)


def level_db(samples: np.ndarray, settings: dict) -> float:
    """Level of the loudest frame in dB of full scale, by which the model knows silence."""
    size, hop = settings["win_length"], settings["hop_length"]
    padded = np.pad(samples.astype(np.float64), size // 2)
    hann = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(size) / size)
    frames = np.lib.stride_tricks.sliding_window_view(padded, size)[::hop]
    mean_square = ((frames * hann) ** 2).sum(axis=1).max() / (hann**2).sum()
    return 10 * math.log10(max(mean_square, 1e-20))


def decide(facts: dict, probabilities: np.ndarray, level_db: float, novelty: float | None) -> dict:
    """The label, or why there is none."""
    labels = facts["labels"]
    is_silent = level_db < facts["silence_db"]
    if is_silent and facts["silence_label"] is not None:
        probabilities = np.array([float(label == facts["silence_label"]) for label in labels])
    chosen = choose(facts, probabilities)
    probability = dict(zip(labels, map(float, probabilities), strict=True))
    kept = [label for label in chosen if probability[label] >= facts["min_probability"]]
    max_novelty, reason = facts["max_novelty"], None
    if is_silent and facts["silence_label"] is None:
        reason = "silence"
    elif not is_silent and None not in (novelty, max_novelty) and novelty > max_novelty:
        reason = "unlike_training"
    elif chosen and not kept:
        reason = "unsure"
    elif facts["background_label"] in kept:
        reason = "background"
    found = {"label": None if reason else ";".join(kept), "probabilities": probability}
    return {**found, "abstained": reason} if reason else found


def choose(facts: dict, probabilities: np.ndarray) -> list[str]:
    """The labels that the probabilities reach."""
    labels, thresholds = facts["labels"], facts["thresholds"]
    if facts["task"] == "binary":
        return [labels[int(probabilities[1] >= thresholds[0])]]
    if facts["task"] == "multi_class":
        return [labels[int(probabilities.argmax())]]
    rows = zip(labels, probabilities, thresholds, strict=True)
    return [label for label, probability, threshold in rows if probability >= threshold]


if __name__ == "__main__":
    main(*sys.argv[1:])
