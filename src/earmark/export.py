"""Export to ONNX: a graph that is written only when it says what PyTorch says."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float, Float32

from earmark import audio
from earmark.checkpoint import load_checkpoint
from earmark.errors import ExportError
from earmark.files import write_whole
from earmark.onnx_graph import OPSET, GraphInput, build_graph
from earmark.onnx_model import WAVEFORM, read_onnx, start_session
from earmark.prediction import Classifier
from earmark.runtime import pick_device
from earmark.shipped import demo_data
from earmark.torch_model import window_logits

TOLERANCE = 1e-4
"""Largest difference of any probability that is let pass."""
PARITY_SECONDS = (0.1, 0.35, 0.98, 1.0, 1.03, 2.5, 10.0, 61.7)
LONG_SECONDS = 600.0

Judge = Callable[[Float32[np.ndarray, "batch samples"]], Float[np.ndarray, "batch labels"]]


@dataclass(frozen=True)
class Exported:
    """What was written, and how near it comes.

    Args:
        path: The file.
        takes: ``waveform`` or ``log-mel``.
        opset: Version of the operators.
        num_bytes: Size of the file.
        num_sounds: How many sounds were judged by both.
        largest_difference: Of their probabilities from PyTorch's.
    """

    path: Path
    takes: GraphInput
    opset: int
    num_bytes: int
    num_sounds: int
    largest_difference: float

    def to_dict(self) -> dict[str, Any]:
        """What ``export --json`` prints."""
        return {**asdict(self), "path": str(self.path)}


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
    card, network = checkpoint.card, checkpoint.build()
    content = build_graph(network, card, takes, licence).SerializeToString()
    reference = Classifier(card, window_logits(network, pick_device("cpu")))
    judges = [_as_judge(Classifier(*read_onnx(content, str(path))))]
    if takes == "waveform":
        session = start_session(content, str(path))
        judges.append(lambda sounds: session.run(None, {WAVEFORM: sounds})[0])
    largest, num_sounds = _compare(judges, _as_judge(reference), reference.sample_rate)
    # Not ">", which is false for what is not a number.
    if not largest <= TOLERANCE:
        raise ExportError(
            f"{path}: not written: its probabilities differ by up to {largest:.2g} from those of "
            f"PyTorch, and {TOLERANCE:g} is let pass; report it"
        )
    write_whole(path, content)
    return Exported(path, takes, OPSET, len(content), num_sounds, largest)


def _as_judge(classifier: Classifier) -> Judge:
    return lambda sounds: np.array(
        [list(classifier.predict(sound).probabilities.values()) for sound in sounds]
    )


def _compare(judges: Sequence[Judge], reference: Judge, sample_rate: int) -> tuple[float, int]:
    """The largest difference from the reference, and the number of sounds."""
    largest, num_sounds = 0.0, 0
    for sounds in _parity_sounds(sample_rate):
        num_sounds += len(sounds)
        expected = reference(sounds)
        differences = [np.abs(judge(sounds) - expected).max() for judge in judges]
        # Unlike max(), it does not lose what is not a number.
        largest = float(np.max([largest, *differences]))
    return largest, num_sounds


def _parity_sounds(sample_rate: int) -> Iterator[Float32[np.ndarray, "batch samples"]]:
    """Pairs of noise and real sound of one length, and a long real one."""
    rng = np.random.default_rng(0)
    with demo_data() as folder:
        paths = sorted(folder.rglob("*.flac"))
        clips = [audio.load(path, sample_rate).samples for path in paths]
    rng.shuffle(clips)
    real = np.concatenate(clips)
    for seconds in PARITY_SECONDS:
        length = round(seconds * sample_rate)
        level_db = rng.uniform(-70, -10)
        noise = 10 ** (level_db / 20) * rng.standard_normal(length)
        first = rng.integers(0, len(real) - length)
        yield np.stack([noise, real[first : first + length]]).astype(np.float32)
    yield np.resize(real, round(LONG_SECONDS * sample_rate))[None]
