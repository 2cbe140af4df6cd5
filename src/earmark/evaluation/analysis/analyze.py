"""Error analysis of a test: slices, single clips, and robustness."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from earmark.data.manifest import Manifest
from earmark.evaluation.analysis.examples import (
    Example,
    ExampleMaker,
    RankedClip,
    choose_examples,
    rank_clips,
)
from earmark.evaluation.analysis.robustness import Robustness, measure_robustness
from earmark.evaluation.analysis.slices import Slice, describe_clips, slice_clips
from earmark.evaluation.loaded_model import LoadedModel
from earmark.evaluation.result import Evaluation
from earmark.features.store import FeatureStore, default_root

LISTED_CLIPS = 20


@dataclass(frozen=True)
class Analysis:
    """Error analysis of a test.

    Args:
        slices: Slices of the test clips, those with the lowest upper bound first.
        ranked: Every clip, by decreasing loss.
        worst: Examples of clips with the largest loss.
        most_confident: Examples of clips that are predicted correctly with the most confidence.
        robustness: Metrics on degraded sound, if requested.
    """

    slices: tuple[Slice, ...]
    ranked: tuple[RankedClip, ...]
    worst: tuple[Example, ...]
    most_confident: tuple[Example, ...]
    robustness: Robustness | None = None

    def to_dict(self) -> dict[str, Any]:
        """What ``evaluate --json`` prints in addition to the metrics."""
        return {
            "slices": [one.to_dict() for one in self.slices],
            "worst_clips": [one.to_dict() for one in self.ranked[:LISTED_CLIPS]],
            **({"robustness": self.robustness.to_dict()} if self.robustness else {}),
        }


def analyze(
    evaluation: Evaluation,
    model: LoadedModel,
    manifest: Manifest,
    *,
    store_root: Path | None = None,
    robustness: bool = False,
) -> Analysis:
    """Analyses the errors of a test, in one process.

    Args:
        evaluation: The test.
        model: The network that was tested.
        manifest: The data.
        store_root: Folder of the feature store; the shared one by default.
        robustness: Also predict every clip under degraded sound, which takes a while.
    """
    recordings = {one.name: one for one in manifest.recordings}
    store = FeatureStore(store_root or default_root(), model.spec.config.features)
    predictions = evaluation.predictions
    columns = describe_clips(predictions.clips, recordings, store)
    ranked = rank_clips(evaluation)
    worst, most_confident = choose_examples(ranked)
    if store.config.embedder is not None:
        # Vectors have no picture, and no bands that a prediction could depend on.
        worst, most_confident = (), ()
    maker = ExampleMaker(model, store, recordings)
    num_examples = len(worst) + len(most_confident)
    with model.runtime.reporter.track("examples", num_examples) as progress:

        def make(clip: RankedClip) -> Example:
            progress.advance(note=clip.name)
            return maker.make(clip, predictions)

        examples = [tuple(map(make, chosen)) for chosen in (worst, most_confident)]
    return Analysis(
        slices=slice_clips(evaluation, columns),
        ranked=tuple(ranked),
        worst=examples[0],
        most_confident=examples[1],
        robustness=measure_robustness(model, predictions, recordings) if robustness else None,
    )
