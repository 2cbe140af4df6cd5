"""Export to ONNX: a graph is written only if its outputs match those of the original."""

import logging
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, get_args

import numpy as np
import onnx

from earmark.audio.reading import load_audio
from earmark.data.demo import demo_data
from earmark.errors import ConfigError, ExportError
from earmark.exporters.onnx_graph import CLIP_NOVELTY, OPSET, PROBABILITIES, build_graph
from earmark.exporters.original import (
    LICENCE,
    WEIGHTS_DIGEST,
    Original,
    open_original,
    read_metadata,
)
from earmark.exporters.targets import ExportOptions, GraphInput
from earmark.features.log_mel import LogMel, extract_blocks
from earmark.inference.classifier import Classifier
from earmark.inference.onnx_backend import LOG_MEL, WAVEFORM, read_onnx, start_session
from earmark.system.files import atomic_write
from earmark.system.shapes import Float32
from earmark.tasks.task import Rows

logger = logging.getLogger(__name__)

TOLERANCE = 1e-4
"""Limit of the difference of any probability, and of the relative difference of any novelty."""
PARITY_SECONDS = (0.1, 0.35, 0.98, 1.0, 1.03, 2.5, 10.0, 61.7)
LONG_SECONDS = 600.0
INPUTS: dict[GraphInput, str] = {"waveform": WAVEFORM, "log-mel": LOG_MEL}

Batch = Float32[np.ndarray, "batch samples"]
_Outputs = tuple[Rows, np.ndarray | None]
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


@dataclass(frozen=True, repr=False)
class Exported:
    """An exported model.

    Args:
        path: The file.
        takes: Input of the graph, ``waveform`` or ``log-mel``.
        opset: Version of the ONNX operators.
        num_bytes: Size of the file.
        parity: The comparison with the original.

    Example:
        >>> Exported(Path("a.onnx"), "waveform", 18, 70_000, Parity(17, 2e-6, 1e-4))
        a.onnx: 70,000 bytes, takes waveform, opset 18; differs by up to 2.0e-06
    """

    path: Path
    takes: GraphInput
    opset: int
    num_bytes: int
    parity: Parity

    def to_dict(self) -> dict[str, Any]:
        """The document that ``export --json`` prints."""
        return {
            "path": str(self.path),
            "takes": self.takes,
            "opset": self.opset,
            "num_bytes": self.num_bytes,
            **asdict(self.parity),
        }

    def __repr__(self) -> str:
        return (
            f"{self.path}: {self.num_bytes:,} bytes, takes {self.takes}, opset {self.opset}; "
            f"differs by up to {self.parity.largest_difference:.1e}"
        )


def export_onnx(model: Path | str, output: Path, options: ExportOptions) -> Exported:
    """Exports a model to one ``.onnx`` file.

    Before it is written, the outputs are compared with those of the original on noise and real
    recordings from 0.1 s to 10 minutes. An earlier export of the same weights with the same input
    is replaced.

    Args:
        model: As for `earmark.exporters.targets.export`.
        output: The ``.onnx`` file to write.
        options: ``takes`` sets the input of the graph, see
            `earmark.exporters.onnx_graph.build_graph`.

    Raises:
        CheckpointError: The model cannot be opened.
        ConfigError: The name of the output does not end in ``.onnx``, or another file has it; or
            the input is unknown.
        ExportError: A probability differs by more than `TOLERANCE`; nothing is written.
    """
    path, takes = output, options.get("takes", "waveform")
    if path.suffix.lower() != ".onnx":
        raise ConfigError(f"{path}: the name of an exported model must end in .onnx")
    if takes not in get_args(GraphInput):
        raise ConfigError(f"input {takes}: unknown; choose {' or '.join(get_args(GraphInput))}")
    original = open_original(model)
    if not options.get("overwrite"):
        _refuse_other_file(path, original, takes)
    logger.info("exporting, and comparing the outputs with those of the original")
    licence = options.get("licence") or original.licence
    origin = {LICENCE: licence, WEIGHTS_DIGEST: original.weights_digest}
    graph = build_graph(original.network(), original.reference.spec, takes, origin)
    content = graph.SerializeToString()
    exported = Classifier(*read_onnx(content, str(path)))
    session = start_session(content, str(path)) if takes == "waveform" else None
    parity = _compare(original.reference, exported, session)
    # Not ">", which is false for NaN.
    if not parity.largest_difference <= TOLERANCE:
        raise ExportError(
            f"{path}: not written: exported outputs differ from the original's by up to "
            f"{parity.largest_difference:.2g} (limit {TOLERANCE:g}); report it"
        )
    atomic_write(path, content)
    return Exported(path, takes, OPSET, len(content), parity)


def _refuse_other_file(path: Path, original: Original, takes: GraphInput) -> None:
    """Refuses to replace anything but an export of the same weights with the same input."""
    if not path.exists():
        return
    try:
        file = onnx.load(path, load_external_data=False)
    except Exception as error:  # noqa: BLE001 - whatever it is, it stays
        reason = getattr(error, "strerror", None) or "is not an ONNX file"
        raise _other_file(path, f"exists and {reason}") from None
    if read_metadata(file).get(WEIGHTS_DIGEST) != original.weights_digest:
        raise _other_file(path, "exists and is not an export of this model")
    (found,) = (one.name for one in file.graph.input)
    if found != INPUTS[takes]:
        raise _other_file(path, f"exists and takes another input, {found}")


def _other_file(path: Path, why: str) -> ConfigError:
    return ConfigError(f"{path}: {why}; choose another name, or replace it with --overwrite")


def _compare(reference: Classifier, exported: Classifier, session: Any) -> Parity:
    """Predicts sounds with both; the session is that of a graph that takes waveforms, or None."""
    differences, from_predict, num_sounds = [0.0], [0.0], 0
    for sounds in _parity_sounds(reference.sample_rate):
        num_sounds += len(sounds)
        predicted = _predict(reference, sounds)
        differences.append(_difference(_predict(exported, sounds), predicted))
        if session is not None:
            whole = _run(session, sounds)
            differences.append(_difference(whole, _predict_exactly(reference, sounds)))
            from_predict.append(np.abs(whole[0] - predicted[0]).max())
    # Unlike max(), numpy's keeps NaN.
    return Parity(num_sounds, float(np.max(differences)), float(np.max(from_predict)))


def _difference(found: _Outputs, expected: _Outputs) -> float:
    differences = [np.abs(found[0] - expected[0]).max()]
    if expected[1] is not None:
        # Without the score, the exported model differs.
        novelty = np.full_like(expected[1], np.nan) if found[1] is None else found[1]
        # Far out, rounding errors grow with the score.
        differences.append((np.abs(novelty - expected[1]) / (1.0 + np.abs(expected[1]))).max())
    # Unlike max(), numpy's keeps NaN.
    return float(np.max(differences))


def _predict(classifier: Classifier, sounds: Batch) -> _Outputs:
    found = [classifier.predict(one) for one in sounds]
    novelty = [one.novelty for one in found if one.novelty is not None]
    rows = np.array([list(one.probabilities.values()) for one in found])
    return rows, np.array(novelty) if novelty else None


def _run(session: Any, sounds: Batch) -> _Outputs:
    """The outputs of a graph that takes waveforms."""
    names = [one.name for one in session.get_outputs()]
    found = dict(zip(names, session.run(names, {WAVEFORM: sounds}), strict=True))
    return found[PROBABILITIES].astype(np.float64), found.get(CLIP_NOVELTY)


def _predict_exactly(classifier: Classifier, sounds: Batch) -> _Outputs:
    """With a front end in float64, rounded as in the graph."""
    log_mel = LogMel(classifier.spec.config.features)
    clips = [extract_blocks([one.astype(np.float64)], log_mel).frames for one in sounds]
    found = [classifier.predict_frames(frames) for frames in clips]
    novelty = [one.novelty for one in found if one.novelty is not None]
    rows = np.concatenate([one.probabilities for one in found])
    return rows, np.concatenate(novelty) if novelty else None


def _parity_sounds(sample_rate: int) -> Iterator[Batch]:
    """Pairs of noise and a real recording of the same length; then a long recording."""
    rng = np.random.default_rng(0)
    with demo_data() as folder:
        paths = sorted(folder.rglob("*.flac"))
        clips = [load_audio(path, sample_rate).samples for path in paths]
    rng.shuffle(clips)
    real = np.concatenate(clips)
    for seconds in PARITY_SECONDS:
        length = round(seconds * sample_rate)
        level_db = rng.uniform(-70, -10)
        noise = 10 ** (level_db / 20) * rng.standard_normal(length)
        first = rng.integers(0, len(real) - length)
        yield np.stack([noise, real[first : first + length]]).astype(np.float32)
    yield np.resize(real, round(LONG_SECONDS * sample_rate))[None]
