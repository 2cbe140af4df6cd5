"""pyAudioAnalysis, its support vector machine for speech and music."""

from pathlib import Path

import pyAudioAnalysis
from common import Scorer, score_files
from pyAudioAnalysis.audioTrainTest import file_classification

MODEL = Path(pyAudioAnalysis.__file__).parent / "data/models/svm_rbf_sm"


def _load() -> Scorer:
    def score(path: Path) -> tuple[float, float]:
        _, shares, names = file_classification(str(path), str(MODEL), "svm_rbf")
        by_name = dict(zip(names, shares, strict=True))
        return float(by_name["speech"]), float(by_name["music"])

    return score


score_files(_load)
