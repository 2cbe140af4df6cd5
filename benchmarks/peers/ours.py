"""earmark, the model that is named in the variable MODEL, through its Python interface."""

import os
from pathlib import Path

from common import Scorer, score_files

from earmark.inference.classifier import Classifier


def _load() -> Scorer:
    classifier = Classifier.load(os.environ["MODEL"], device="cpu")

    def score(path: Path) -> tuple[float, float]:
        shares = classifier.predict(path).probabilities
        return shares["speech"], shares["music"]

    return score


score_files(_load)
