"""pyAudioAnalysis, its nearest-neighbour model for speech and music."""

from pathlib import Path

import pyAudioAnalysis
from common import Judge, judge_files
from pyAudioAnalysis.audioTrainTest import file_classification

MODEL = Path(pyAudioAnalysis.__file__).parent / "data/models/knnSM"


def _load() -> Judge:
    def judge(path: Path) -> tuple[float, float]:
        _, shares, names = file_classification(str(path), str(MODEL), "knn")
        by_name = dict(zip(names, shares, strict=True))
        return float(by_name["speech"]), float(by_name["music"])

    return judge


judge_files(_load)
