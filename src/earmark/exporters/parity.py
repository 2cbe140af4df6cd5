"""How closely an exported graph predicts what its original predicts."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from earmark.audio.reading import load_audio
from earmark.data.demo import demo_data
from earmark.exporters.onnx_graph import CLIP_NOVELTY, PROBABILITIES
from earmark.features.log_mel import extract_blocks
from earmark.features.vectors import make_front_end
from earmark.inference.classifier import Classifier
from earmark.inference.onnx_backend import WAVEFORM
from earmark.system.shapes import Float32
from earmark.tasks.task import Rows

TOLERANCE = 1e-4
"""Limit of the difference of any probability, and of the relative difference of any novelty."""
PARITY_SECONDS = (0.1, 0.35, 0.98, 1.0, 1.03, 2.5, 10.0, 61.7)
LONG_SECONDS = 600.0
FIXED_PAIRS = 4
"""Pairs of sounds for a graph that takes one length only."""

Batch = Float32[np.ndarray, "batch samples"]
Outputs = tuple[Rows, np.ndarray | None]
"""Probabilities and, if the model scores it, novelty of each sound."""


@dataclass(frozen=True)
class Parity:
    """How closely the outputs of a graph match those of the original.

    Args:
        num_sounds: Number of sounds that were compared.
        largest_difference: Largest absolute difference of a probability, and relative difference
            of a novelty, for the same frames. For a graph that takes waveforms the reference has a
            front end in float64, as the graph.
        largest_difference_from_predict: The same for a graph that takes waveforms against
            `predict`, whose front end is in float32: about one frame value in a thousand is rounded
            to another float16 number.
    """

    num_sounds: int
    largest_difference: float
    largest_difference_from_predict: float


def compare_outputs(reference: Classifier, exported: Classifier, session: Any = None) -> Parity:
    """Compares the predictions of sounds.

    Args:
        reference: The original.
        exported: With the network of the exported graph.
        session: Of ONNX Runtime with the whole exported graph, if it takes waveforms.
    """
    fixed_samples = None
    if session is not None:
        (given,) = session.get_inputs()
        fixed_samples = given.shape[1] if isinstance(given.shape[1], int) else None
    differences, from_predict, num_sounds = [0.0], [0.0], 0
    for sounds in parity_sounds(reference.sample_rate, fixed_samples):
        num_sounds += len(sounds)
        predicted = _predict(reference, sounds)
        differences.append(output_difference(_predict(exported, sounds), predicted))
        if session is not None and fixed_samples in (None, sounds.shape[1]):
            whole = _run(session, sounds, one_by_one=fixed_samples is not None)
            differences.append(output_difference(whole, predict_exactly(reference, sounds)))
            from_predict.append(np.abs(whole[0] - predicted[0]).max())
    # Unlike max(), numpy's keeps NaN.
    return Parity(num_sounds, float(np.max(differences)), float(np.max(from_predict)))


def output_difference(found: Outputs, expected: Outputs) -> float:
    """The largest difference of a probability, and relative difference of a novelty.

    Args:
        found: Of an exported model.
        expected: Of the original.
    """
    differences = [np.abs(found[0] - expected[0]).max()]
    if expected[1] is not None:
        # Without the score, the exported model differs.
        novelty = np.full_like(expected[1], np.nan) if found[1] is None else found[1]
        # Far out, rounding errors grow with the score.
        differences.append((np.abs(novelty - expected[1]) / (1.0 + np.abs(expected[1]))).max())
    # Unlike max(), numpy's keeps NaN.
    return float(np.max(differences))


def _predict(classifier: Classifier, sounds: Batch) -> Outputs:
    found = [classifier.predict(one) for one in sounds]
    novelty = [one.novelty for one in found if one.novelty is not None]
    rows = np.array([list(one.probabilities.values()) for one in found])
    return rows, np.array(novelty) if novelty else None


def _run(session: Any, sounds: Batch, *, one_by_one: bool) -> Outputs:
    """The outputs of a graph that takes waveforms."""
    names = [one.name for one in session.get_outputs()]
    batches = [sound[None] for sound in sounds] if one_by_one else [sounds]
    values = [session.run(names, {WAVEFORM: batch}) for batch in batches]
    found = dict(zip(names, map(np.concatenate, zip(*values, strict=True)), strict=True))
    return found[PROBABILITIES].astype(np.float64), found.get(CLIP_NOVELTY)


def predict_exactly(classifier: Classifier, sounds: Batch) -> Outputs:
    """With a front end in float64, rounded as in the graph."""
    front_end = make_front_end(classifier.spec.config.features)
    clips = [extract_blocks([one.astype(np.float64)], front_end).frames for one in sounds]
    found = [classifier.predict_frames(frames) for frames in clips]
    novelty = [one.novelty for one in found if one.novelty is not None]
    rows = np.concatenate([one.probabilities for one in found])
    return rows, np.concatenate(novelty) if novelty else None


def parity_sounds(sample_rate: int, fixed_samples: int | None) -> Iterator[Batch]:
    """Pairs of noise and a real recording of the same length; then a long recording.

    Args:
        sample_rate: Of the sounds.
        fixed_samples: Length of more pairs; None for none.
    """
    rng = np.random.default_rng(0)
    with demo_data() as folder:
        paths = sorted(folder.rglob("*.flac"))
        clips = [load_audio(path, sample_rate).samples for path in paths]
    rng.shuffle(clips)
    real = np.concatenate(clips)
    lengths = [round(seconds * sample_rate) for seconds in PARITY_SECONDS]
    if fixed_samples is not None:
        lengths += [fixed_samples] * FIXED_PAIRS
    for length in lengths:
        level_db = rng.uniform(-70, -10)
        noise = 10 ** (level_db / 20) * rng.standard_normal(length)
        first = rng.integers(0, max(1, len(real) - length))
        excerpt = np.resize(real[first:], length)
        yield np.stack([noise, excerpt]).astype(np.float32)
    yield np.resize(real, round(LONG_SECONDS * sample_rate))[None]
