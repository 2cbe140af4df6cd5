"""What stands behind the figures of a test: its parts, single clips, and worse sound."""

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
from earmark.evaluation.result import Evaluation
from earmark.features.store import FeatureStore, default_root
from earmark.models.checkpoint import Checkpoint
from earmark.system.runtime import Runtime

LISTED_CLIPS = 20


@dataclass(frozen=True)
class Examination:
    """What stands behind a test.

    Args:
        slices: Parts of the test clips, the surely worst first.
        ranked: Every clip, the one with the largest loss first.
        worst: Examples of clips with the largest loss.
        surest: Examples of clips that were surely right.
        robustness: Figures under worse sound, where they were asked for.
    """

    slices: tuple[Slice, ...]
    ranked: tuple[RankedClip, ...]
    worst: tuple[Example, ...]
    surest: tuple[Example, ...]
    robustness: Robustness | None = None

    def to_dict(self) -> dict[str, Any]:
        """What ``evaluate --json`` prints beside the figures."""
        return {
            "slices": [one.to_dict() for one in self.slices],
            "worst_clips": [one.to_dict() for one in self.ranked[:LISTED_CLIPS]],
            **({"robustness": self.robustness.to_dict()} if self.robustness else {}),
        }


def examine(
    evaluation: Evaluation,
    checkpoint: Checkpoint,
    manifest: Manifest,
    *,
    runtime: Runtime,
    store_root: Path | None = None,
    robustness: bool = False,
) -> Examination:
    """Looks behind a test; one process does it alone.

    Args:
        evaluation: The test.
        checkpoint: The model that was tested.
        manifest: The data, as read.
        runtime: Where to compute.
        store_root: Folder of the feature store; the shared one when it is not given.
        robustness: Also judge every clip again under worse sound, which takes a while.
    """
    recordings = {one.name: one for one in manifest.recordings}
    config = checkpoint.spec.config
    store = FeatureStore(store_root or default_root(), config.features)
    predictions = evaluation.predictions
    columns = describe_clips(predictions.clips, recordings, store)
    ranked = rank_clips(evaluation)
    worst, surest = choose_examples(ranked)
    maker = ExampleMaker(checkpoint, store, recordings, runtime)
    with runtime.reporter.track("examples", len(worst) + len(surest)) as task:

        def make(one: RankedClip) -> Example:
            task.advance(note=one.name)
            return maker.make(one, predictions)

        examples = [tuple(map(make, chosen)) for chosen in (worst, surest)]
    found = None
    if robustness:
        found = measure_robustness(checkpoint, predictions, recordings, runtime)
    return Examination(
        slices=slice_clips(evaluation, columns),
        ranked=tuple(ranked),
        worst=examples[0],
        surest=examples[1],
        robustness=found,
    )
