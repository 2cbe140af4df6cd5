"""How often a multi-label model keeps silent where it should: on sounds with none of its labels.

``python benchmarks/neither.py path/to/run SOUNDS...``

A sound is predicted whole, and counts as heard where any label reaches its threshold.
"""

import argparse
from collections import Counter, defaultdict
from pathlib import Path

from earmark.inference.classifier import Classifier, FailedFile
from earmark.inference.inputs import find_sounds
from machine import describe_machine


def main() -> None:
    """Prints a row a folder of sounds: how many, and how often each label was heard."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("model", type=Path)
    parser.add_argument("sounds", type=Path, nargs="+")
    arguments = parser.parse_args()
    classifier = Classifier.load(arguments.model, device="cpu")
    heard: dict[str, Counter[str]] = defaultdict(Counter)
    for prediction in classifier.predict_many(find_sounds(arguments.sounds)):
        if not isinstance(prediction, FailedFile):
            row = heard[prediction.path.parent.name]
            row.update(["all", *(prediction.labels or ["none"])])
    print(describe_machine("torch", "numpy"))
    columns = ("all", "none", *classifier.labels)
    print(f"\n| sounds | {' | '.join(columns)} |")
    print("|---|" + "---|" * len(columns))
    for name, row in sorted(heard.items()):
        print(f"| {name} | {' | '.join(str(row[column]) for column in columns)} |")


if __name__ == "__main__":
    main()
