"""silero-vad, which knows of speech only: its mean probability over a file, against one half."""

import wave
from pathlib import Path

import numpy as np
import torch
from common import Scorer, score_files
from silero_vad import load_silero_vad

SAMPLE_RATE = 16_000


def _load() -> Scorer:
    model = load_silero_vad(onnx=True)

    def score(path: Path) -> tuple[float, float]:
        with wave.open(str(path)) as file:
            samples = np.frombuffer(file.readframes(file.getnframes()), np.int16) / np.float32(
                2**15
            )
        model.reset_states()
        speech = model.audio_forward(torch.from_numpy(samples)[None], sr=SAMPLE_RATE)
        share = float(np.mean(speech.numpy()))
        return share, 1.0 - share

    return score


score_files(_load)
