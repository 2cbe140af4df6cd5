"""From a folder of recordings to a tested classifier, and a label for a new file.

    python quickstart.py RECORDINGS NEW_FILE

RECORDINGS has a folder of sound files for each label.
"""

import argparse
import logging
from pathlib import Path

import earmark


def main() -> None:
    """Trains, tests and predicts."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("recordings", type=Path, help="folder of labelled sound")
    parser.add_argument("sound", type=Path, help="a file to predict")
    parser.add_argument("--run", type=Path, default=Path("run"), help="folder of the model")
    parser.add_argument("--epochs", type=int, default=100)
    args = parser.parse_args()
    # What earmark logs, such as a line an epoch, is shown if somebody asks for it.
    logging.basicConfig(level=logging.INFO, format="%(message)s")

    # A configuration is optional: the defaults train a small CNN in a minute.
    config = earmark.load_config(settings=[f"train.epochs={args.epochs}"])
    test = earmark.train(args.recordings, args.run, config).evaluate()
    print(f"accuracy {test.accuracy:.1%}, report {test.report}")

    # The model of the run, and the one for speech and music that is inside the package.
    for model in (args.run, "speech-music"):
        prediction = earmark.load_model(model).predict(args.sound)
        print(f"{args.sound.name}: {prediction.label} {prediction.probabilities}")


if __name__ == "__main__":
    main()
