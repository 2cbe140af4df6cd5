"""earmark, the model that is named in the variable MODEL, through its Python interface."""

import os
from pathlib import Path

from common import Judge, judge_files

from earmark.inference.classifier import Classifier


def _load() -> Judge:
    classifier = Classifier.load(os.environ["MODEL"], device="cpu")

    def judge(path: Path) -> tuple[float, float]:
        shares = classifier.predict(path).probabilities
        return shares["speech"], shares["music"]

    return judge


judge_files(_load)
