"""Export to ONNX: a graph that is written only when it says what PyTorch says."""

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from earmark.audio.reading import load_audio
from earmark.data.demo import demo_data
from earmark.errors import ExportError
from earmark.exporters.onnx_graph import OPSET, GraphInput, build_graph
from earmark.features.log_mel import LogMel, extract_blocks
from earmark.inference.classifier import Classifier
from earmark.inference.onnx_backend import WAVEFORM, read_onnx, start_session
from earmark.inference.torch_backend import TorchBackend
from earmark.models.checkpoint import load_checkpoint
from earmark.system.files import atomic_write
from earmark.system.runtime import pick_device
from earmark.system.shapes import Float32
from earmark.tasks.task import Rows

TOLERANCE = 1e-4
"""Largest difference of any probability that is let pass."""
PARITY_SECONDS = (0.1, 0.35, 0.98, 1.0, 1.03, 2.5, 10.0, 61.7)
LONG_SECONDS = 600.0

Batch = Float32[np.ndarray, "batch samples"]


@dataclass(frozen=True)
class Parity:
    """How near a graph comes to PyTorch.

    Args:
        num_sounds: How many sounds were judged by both.
        largest_difference: Of the probabilities from PyTorch's, on the same frames; for a graph
            that takes waveforms, on those of a front end in float64 as well.
        largest_difference_from_predict: Of the probabilities of a graph that takes waveforms from
            those of `predict`, whose front end is in float32. Frames are rounded to float16, and a
            value in a thousand lies where that may go either way.
    """

    num_sounds: int
    largest_difference: float
    largest_difference_from_predict: float


@dataclass(frozen=True)
class Exported:
    """What was written, and how near it comes.

    Args:
        path: The file.
        takes: ``waveform`` or ``log-mel``.
        opset: Version of the operators.
        num_bytes: Size of the file.
        parity: What the comparison gave.
    """

    path: Path
    takes: GraphInput
    opset: int
    num_bytes: int
    parity: Parity

    def to_dict(self) -> dict[str, Any]:
        """What ``export --json`` prints."""
        return {
            "path": str(self.path),
            "takes": self.takes,
            "opset": self.opset,
            "num_bytes": self.num_bytes,
            **asdict(self.parity),
        }


def export(
    model: Path, path: Path, *, takes: GraphInput = "waveform", licence: str = "not stated"
) -> Exported:
    """Writes a model as an ``.onnx`` file that needs neither PyTorch nor earmark.

    Noise and real recordings from 0.1 s to 10 minutes are judged by the graph, by earmark with the
    graph, and by earmark with PyTorch.

    Args:
        model: A run folder or a ``.safetensors`` file.
        path: The file to write.
        takes: What the graph takes; see `build_graph`.
        licence: Under which the weights may be used, for the metadata.

    Raises:
        CheckpointError: The model cannot be opened.
        ExportError: A probability differs by more than `TOLERANCE`; nothing is written.
    """
    checkpoint = load_checkpoint(model)
    spec, network = checkpoint.spec, checkpoint.build()
    content = build_graph(network, spec, takes, licence).SerializeToString()
    reference = Classifier(spec, TorchBackend(network, pick_device("cpu")))
    opened = Classifier(*read_onnx(content, str(path)))
    session = start_session(content, str(path)) if takes == "waveform" else None
    parity = _compare(reference, opened, session)
    # Not ">", which is false for what is not a number.
    if not parity.largest_difference <= TOLERANCE:
        raise ExportError(
            f"{path}: not written: its probabilities differ by up to "
            f"{parity.largest_difference:.2g} from those of PyTorch, and {TOLERANCE:g} is let "
            "pass; report it"
        )
    atomic_write(path, content)
    return Exported(path, takes, OPSET, len(content), parity)


def _compare(reference: Classifier, opened: Classifier, session: Any) -> Parity:
    """Judges sounds in all ways; a session is that of a graph that takes waveforms."""
    inner, outer, from_predict, num_sounds = [0.0], [0.0], [0.0], 0
    for sounds in _parity_sounds(reference.sample_rate):
        num_sounds += len(sounds)
        predicted = _predict(reference, sounds)
        inner.append(np.abs(_predict(opened, sounds) - predicted).max())
        if session is not None:
            (whole,) = session.run(None, {WAVEFORM: sounds})
            outer.append(np.abs(whole - _predict_exactly(reference, sounds)).max())
            from_predict.append(np.abs(whole - predicted).max())
    # Unlike max(), numpy's does not lose what is not a number.
    return Parity(num_sounds, float(np.max([*inner, *outer])), float(np.max(from_predict)))


def _predict(classifier: Classifier, sounds: Batch) -> Rows:
    return np.array([list(classifier.predict(one).probabilities.values()) for one in sounds])


def _predict_exactly(classifier: Classifier, sounds: Batch) -> Rows:
    """With a front end in float64, as the graph has it, and rounded as there."""
    log_mel = LogMel(classifier.spec.config.features)
    clips = [extract_blocks([one.astype(np.float64)], log_mel).frames for one in sounds]
    return np.array([classifier.predict_frames(frames).probabilities[0] for frames in clips])


def _parity_sounds(sample_rate: int) -> Iterator[Batch]:
    """Pairs of noise and real sound of one length, and a long real one."""
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
