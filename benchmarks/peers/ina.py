"""inaSpeechSegmenter, its network for speech and music; the mean of its logarithms over a file.

Its energy gate and its Viterbi smoothing, which serve time lines, are left out: they would only
take windows away from it here.
"""

import os
from pathlib import Path

os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"

import numpy as np
from common import Scorer, score_files
from inaSpeechSegmenter import Segmenter
from inaSpeechSegmenter.features import media2feats
from inaSpeechSegmenter.segmenter import _get_patches


def _load() -> Scorer:
    segmenter = Segmenter(vad_engine="sm", detect_gender=False)
    network = segmenter.vad.nn

    def score(path: Path) -> tuple[float, float]:
        mel, _, _ = media2feats(str(path), None, None, None, "ffmpeg")
        patches, is_finite = _get_patches(mel[:, :21].copy(), 68, 2)
        if not is_finite.any():
            return 0.0, 0.0
        # Called, not `predict`, which costs as much as the network for a short file.
        shares = network(patches[is_finite].astype(np.float32), training=False).numpy()
        speech, music = np.log(np.maximum(shares, 1e-9)).mean(axis=0)
        return float(speech), float(music)

    return score


score_files(_load)
