"""Two models on the same test clips."""

import logging
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from earmark.data.manifest import Manifest
from earmark.errors import DataError, FailedFile
from earmark.evaluation.evaluate import evaluate
from earmark.evaluation.metrics.significance import PairedDifference, compare_paired
from earmark.evaluation.result import Evaluation, join_labels
from earmark.models.checkpoint import Checkpoint
from earmark.system.runtime import Runtime

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Contender:
    """A model that is compared.

    Args:
        checkpoint: The model.
        run: Its run folder, which knows what was trained on.
    """

    checkpoint: Checkpoint
    run: Path | None = None


@dataclass(frozen=True)
class Comparison:
    """Tests of two models, on the clips that both were tested on.

    Args:
        first: Test of the first model.
        second: Test of the second.
        num_left_out: Clips that only one of them was tested on, which do not count.
    """

    first: Evaluation
    second: Evaluation
    num_left_out: int

    @cached_property
    def paired(self) -> PairedDifference:
        """The first model against the second."""
        return compare_paired(self.first.right, self.second.right, self.first.draws)

    @cached_property
    def differing(self) -> list[dict[str, str | None]]:
        """Clips that were not given the same labels; None where a model has no decision."""
        found = []
        for clip, one, other in zip(
            self.first.predictions.clips, _answers(self.first), _answers(self.second), strict=True
        ):
            if one != other:
                label = join_labels(self.first.labels, clip.targets)
                found.append({"path": clip.name, "label": label, "first": one, "second": other})
        return found

    @property
    def skipped(self) -> tuple[FailedFile, ...]:
        """Recordings that one or both could not judge, each once."""
        return tuple(dict.fromkeys((*self.first.skipped, *self.second.skipped)))

    def to_dict(self) -> dict[str, Any]:
        """What ``compare --json`` prints."""
        return {
            "first": self.first.to_dict(),
            "second": self.second.to_dict(),
            **self.paired.to_dict(),
            "num_left_out": self.num_left_out,
            "differing": self.differing,
            "skipped": [one.to_dict() for one in self.skipped],
        }


def _answers(evaluation: Evaluation) -> list[str | None]:
    """Labels as text, in one order whatever the model's own."""
    return [
        None if reason else ";".join(sorted(evaluation.labels[index] for index in chosen))
        for chosen, reason in zip(evaluation.chosen, evaluation.decisions.abstained, strict=True)
    ]


def compare(
    first: Contender,
    second: Contender,
    manifest: Manifest,
    *,
    runtime: Runtime,
    store_root: Path | None = None,
) -> Comparison:
    """Tests two models on the same data; each computes the features that it needs.

    Args:
        first: The one model.
        second: The other, whose front end and labels may differ.
        manifest: The data, as read.
        runtime: Where to compute.
        store_root: Folder of the feature store; the shared one when it is not given.

    Raises:
        DataError: One of them cannot be tested on these data, or no clip is left for both.
    """
    tests = [
        evaluate(one.checkpoint, manifest, runtime=runtime, store_root=store_root, run=one.run)
        for one in (first, second)
    ]
    names = [{clip.name for clip in test.predictions.clips} for test in tests]
    shared = names[0] & names[1]
    if not shared:
        raise DataError(
            f"{manifest.source}: no clip is left that neither model was trained on; give data with "
            "a test split"
        )
    left_out = names[0] ^ names[1]
    if left_out:
        logger.warning(f"{len(left_out)} clips that only one model may be tested on")
    return Comparison(tests[0].only(shared), tests[1].only(shared), len(left_out))
