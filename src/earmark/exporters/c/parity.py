"""How closely the generated code predicts what the original predicts."""

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from earmark.errors import ExportError
from earmark.exporters.c.toolchain import compile_check, run_tool
from earmark.exporters.parity import TOLERANCE, Parity, output_difference, parity_sounds
from earmark.features.log_mel import LogMel, extract_blocks
from earmark.inference.classifier import Classifier
from earmark.inference.predictions import Prediction
from earmark.system.shapes import Float16, Float32

MOST_SECONDS = 100.0
"""Longer sounds are left out."""
MAX_CHANGED = 0.01
"""Largest fraction of the values of frames that are rounded to another float16 number."""
MAX_MEAN_CHANGE_DB = 0.002


@dataclass(frozen=True)
class CodeParity(Parity):
    """How closely the outputs of generated code match those of the original.

    ``largest_difference`` is for the same frames, those that the code has computed;
    ``largest_difference_from_predict`` is for the same samples.

    Args:
        changed_frames: Fraction of the values of the frames that differ from those of a front end
            in float64, because float32 rounds them to another float16 number.
        changed_decisions: Sounds with another label or reason than in `predict`.
    """

    changed_frames: float = 0.0
    changed_decisions: int = 0


def compare_code(folder: Path, name: str, reference: Classifier) -> CodeParity:
    """Compiles the code and compares its predictions of noise and real recordings.

    Args:
        folder: Where header and source are.
        name: Of the model.
        reference: The original.

    Raises:
        ConfigError: There is no compiler.
        ExportError: It does not compile, or its outputs or frames differ.
    """
    program = compile_check(folder, name)
    sounds = [
        sound
        for batch in parity_sounds(reference.sample_rate, None)
        for sound in batch
        if len(sound) <= MOST_SECONDS * reference.sample_rate
    ]
    found = [_run(program, sound, reference) for sound in sounds]
    compared = [_compare(one, sound, reference) for one, sound in zip(found, sounds, strict=True)]
    differences, from_predict, changes, mean_changes, others = np.array(compared, float).T
    parity = CodeParity(
        len(sounds),
        float(differences.max()),
        float(from_predict.max()),
        float(changes.max()),
        int(others.sum()),
    )
    # Not ">", which is false for NaN.
    if not parity.largest_difference <= TOLERANCE:
        raise ExportError(
            f"{folder}: not written: the code's outputs differ from the original's by up to "
            f"{parity.largest_difference:.2g} (limit {TOLERANCE:g}); report it"
        )
    if not (parity.changed_frames <= MAX_CHANGED and mean_changes.max() <= MAX_MEAN_CHANGE_DB):
        raise ExportError(
            f"{folder}: not written: {parity.changed_frames:.2%} of the code's frame values differ "
            f"from the original's, by {mean_changes.max():.2g} dB in the mean; report it"
        )
    return parity


@dataclass(frozen=True)
class _Found:
    """What the code has computed of a sound."""

    probabilities: Float32[np.ndarray, " labels"]
    novelty: float
    chosen: tuple[bool, ...]
    abstained: str
    frames: Float16[np.ndarray, "frames mels"]


def _run(program: Path, sound: Float32[np.ndarray, " samples"], reference: Classifier) -> _Found:
    path = program.parent / "sound.f32"
    path.write_bytes(sound.astype(np.float32).tobytes())
    (line,) = run_tool([str(program), path.name], program.parent).splitlines()
    found = json.loads(line)
    frames = np.fromfile(program.parent / "sound.f32.frames", np.float16)
    return _Found(
        np.array(found["probabilities"], np.float32),
        float(found["novelty"]),
        tuple(map(bool, found["chosen"])),
        found["abstained"],
        frames.reshape(-1, reference.spec.config.features.n_mels),
    )


def _compare(
    found: _Found, sound: Float32[np.ndarray, " samples"], reference: Classifier
) -> tuple[float, float, float, float, bool]:
    """The differences of one sound: see `CodeParity`; and the mean change of a frame, in dB."""
    log_mel = LogMel(reference.spec.config.features)
    exact = extract_blocks([sound.astype(np.float64)], log_mel).frames
    if exact.shape != found.frames.shape:
        return float("nan"), float("nan"), 1.0, float("inf"), True
    gaps = np.abs(exact.astype(np.float32) - found.frames.astype(np.float32))
    same_frames = reference.predict_frames(found.frames)
    predicted = reference.predict(sound)
    outputs = (
        found.probabilities[None].astype(np.float64),
        None if same_frames.novelty is None else np.array([found.novelty]),
    )
    expected = (same_frames.probabilities, same_frames.novelty)
    rows = np.array(list(predicted.probabilities.values()))
    return (
        output_difference(outputs, expected),
        float(np.abs(found.probabilities - rows).max()),
        float((gaps > 0).mean()),
        float(gaps.mean()),
        _decides_otherwise(found, predicted, reference.labels),
    )


def _decides_otherwise(found: _Found, predicted: Prediction, labels: tuple[str, ...]) -> bool:
    chosen = tuple(label in predicted.labels for label in labels)
    return (found.chosen, found.abstained) != (chosen, predicted.abstained or "decided")
