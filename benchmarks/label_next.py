"""Which strategy of `earmark suggest` teaches most with the fewest labels?

Learning curves: starts with a few labelled clips of each label, adds those that a strategy
suggests, round by round, and measures the accuracy on a fold of which nothing is in the pool. A
clip has the mean vector of its windows, from a model that was trained on other data and stays as it
is; what is trained anew in each round is a logistic regression on these vectors. So the curves say
which clips are worth a label for such a head, not how good a network is that is trained from the
start.
"""

import argparse
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler
from threadpoolctl import threadpool_limits

from earmark.config import Config
from earmark.data.manifest import read_manifest
from earmark.errors import FailedFile
from earmark.inference.classifier import load_model
from earmark.labelling.candidates import Candidates
from earmark.labelling.suggest import STRATEGIES, Strategy, suggest
from earmark.models.spec import ModelSpec
from earmark.tasks.novelty import fit_novelty
from earmark.tasks.task import MULTI_CLASS
from machine import describe_machine


@dataclass(frozen=True)
class Clips:
    """Vectors of clips with their labels and folds."""

    paths: list[Path]
    vectors: np.ndarray
    targets: np.ndarray
    folds: np.ndarray
    labels: tuple[str, ...]


def main() -> None:
    """Prints a table of curves for each data set."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path, nargs="+", help="Manifests with folds.")
    parser.add_argument("--model", default="speech-music", help="Gives the vectors.")
    parser.add_argument("--start", type=int, default=2, help="Clips of each label at the start.")
    parser.add_argument("--add", type=int, default=10, help="Clips that a round adds.")
    parser.add_argument("--rounds", type=int, default=8)
    parser.add_argument("--seeds", type=int, default=5)
    arguments = parser.parse_args()
    print(describe_machine("scikit-learn"))
    for data in arguments.data:
        clips = embed_clips(data, arguments.model)
        # The matrices are small: threads would only wait for one another.
        with threadpool_limits(1):
            curves = {
                by: np.array([curve(clips, by, seed, arguments) for seed in range(arguments.seeds)])
                for by in STRATEGIES
            }
        print(f"\n### {data.stem}\n")
        print_curves(curves, len(clips.labels) * arguments.start, arguments.add)


def embed_clips(data: Path, model: str) -> Clips:
    """The mean vector of each recording."""
    manifest = read_manifest(data)
    recordings = [one for one in manifest.recordings if one.fold]
    embedder = load_model(model).embedder()
    rows, kept = [], []
    files = embedder.embed_many(one.path for one in recordings)
    for one, found in zip(recordings, files, strict=True):
        if not isinstance(found, FailedFile):
            rows.append(found.embeddings.vectors.mean(axis=0))
            kept.append(one)
    return Clips(
        [one.path for one in kept],
        np.stack(rows),
        np.array([manifest.targets(one)[0] for one in kept]),
        np.array([str(one.fold) for one in kept]),
        manifest.labels,
    )


def curve(clips: Clips, by: Strategy, seed: int, arguments: argparse.Namespace) -> list[float]:
    """Accuracy on the fold of a seed after each round."""
    folds = sorted(set(clips.folds))
    is_test = clips.folds == folds[seed % len(folds)]
    pool = np.flatnonzero(~is_test)
    labelled = first_clips(clips, pool, arguments.start, seed)
    accuracies = []
    for number in range(arguments.rounds + 1):
        head = make_pipeline(StandardScaler(), LogisticRegression(max_iter=1000))
        head.fit(clips.vectors[labelled], clips.targets[labelled])
        accuracies.append(head.score(clips.vectors[is_test], clips.targets[is_test]))
        candidates = as_candidates(clips, pool, head, labelled)
        parts = {clips.paths[one]: [(0.0, 1.0)] for one in labelled}
        found = suggest(candidates, arguments.add, by, labelled=parts, seed=1000 * seed + number)
        places = {path: number for number, path in enumerate(clips.paths)}
        labelled = [*labelled, *(places[one.path] for one in found)]
    return accuracies


def first_clips(clips: Clips, pool: np.ndarray, count: int, seed: int) -> list[int]:
    """Random clips of each label, the same ones for every strategy."""
    rng = np.random.default_rng(seed)
    of_label = (pool[clips.targets[pool] == label] for label in range(len(clips.labels)))
    return [int(one) for clip in of_label for one in rng.choice(clip, count, replace=False)]


def as_candidates(
    clips: Clips, pool: np.ndarray, head: Pipeline, labelled: Sequence[int]
) -> Candidates:
    """The pool as the model of this round sees it."""
    vectors = clips.vectors[pool]
    probabilities = head.predict_proba(vectors).astype(np.float32)
    logits = head.decision_function(vectors)
    one_hot = np.eye(len(clips.labels))[clips.targets[labelled]]
    novelty = fit_novelty(
        clips.vectors[labelled].astype(np.float64),
        head.decision_function(clips.vectors[labelled]),
        one_hot,
        MULTI_CLASS,
    ).score(vectors, logits)
    zeros = np.zeros(len(pool))
    return Candidates(
        spec=replace(ModelSpec(Config(), clips.labels, 51), task=MULTI_CLASS),
        paths=tuple(clips.paths[one] for one in pool),
        files=np.arange(len(pool)),
        starts=zeros,
        ends=zeros + 1.0,
        vectors=vectors,
        probabilities=probabilities,
        chosen=probabilities == probabilities.max(axis=1, keepdims=True),
        novelty=novelty.astype(np.float32),
    )


def print_curves(curves: dict[Strategy, np.ndarray], first: int, add: int) -> None:
    """Mean and deviation over the seeds, and the difference from random, seed by seed."""
    print(f"| labelled clips | {' | '.join(curves)} |")
    print(f"|---|{'---|' * len(curves)}")
    for number in range(curves["random"].shape[1]):
        cells = (
            f"{one[:, number].mean():.1%} ± {one[:, number].std(ddof=1):.1%}"
            for one in curves.values()
        )
        print(f"| {first + add * number} | {' | '.join(cells)} |")
    gains = {by: (one - curves["random"])[:, 1:].mean(axis=1) for by, one in curves.items()}
    cells = (
        f"{one.mean():+.1%} ({int((one > 0).sum())} of {len(one)} seeds better)"
        if by != "random"
        else ""
        for by, one in gains.items()
    )
    print(f"| mean gain over random | {' | '.join(cells)} |", flush=True)


if __name__ == "__main__":
    main()
