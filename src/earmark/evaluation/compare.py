"""Two models on the same test clips."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from earmark.data.manifest import Manifest
from earmark.errors import DataError, FailedFile
from earmark.evaluation.evaluate import evaluate_checkpoint
from earmark.evaluation.held_out import read_as_trained
from earmark.evaluation.metrics.formats import format_interval
from earmark.evaluation.metrics.significance import PairedDifference, compare_paired
from earmark.evaluation.result import Evaluation
from earmark.models.checkpoint import load_checkpoint
from earmark.models.remote_model import local_model
from earmark.models.run_folder import find_run
from earmark.system.notebook import html_lines, html_table
from earmark.system.numbers import counted
from earmark.system.remote.path import to_path
from earmark.system.runtime import Runtime, running
from earmark.tasks.task import join_labels

logger = logging.getLogger(__name__)


@dataclass(frozen=True, repr=False)
class Comparison:
    """Tests of two models, on the clips that both were tested on.

    Args:
        models: What was given as the first and the second model.
        first: Test of the first model.
        second: Test of the second model.
        num_left_out: Clips that only one of them was tested on, which do not count.
    """

    models: tuple[str, str]
    first: Evaluation
    second: Evaluation
    num_left_out: int

    def __repr__(self) -> str:
        paired = self.paired
        tests = zip(self.models, (self.first, self.second), strict=True)
        return "\n".join(
            (
                *(f"{model}: {test.headline}" for model, test in tests),
                f"Difference {paired.difference:+.1%}, interval "
                f"{format_interval(paired.interval, '+.1%')}, McNemar p {paired.test.p_value:.2g}",
            )
        )

    def _repr_html_(self) -> str:
        columns = ("file", "label", *self.models)
        rows = [
            (one["path"], one["label"], one["first"] or "–", one["second"] or "–")
            for one in self.differing
        ]
        return html_lines(repr(self)) + (html_table(columns, rows) if rows else "")

    @cached_property
    def paired(self) -> PairedDifference:
        """The first model compared with the second."""
        return compare_paired(self.first.correct, self.second.correct, self.first.bootstrap)

    @cached_property
    def differing(self) -> list[dict[str, str | None]]:
        """Clips with different predictions; None where a model abstained."""
        found = []
        for clip, one, other in zip(
            self.first.predictions.clips,
            _predicted(self.first),
            _predicted(self.second),
            strict=True,
        ):
            if one != other:
                label = join_labels(self.first.labels, clip.targets)
                found.append({"path": clip.name, "label": label, "first": one, "second": other})
        return found

    @property
    def skipped(self) -> tuple[FailedFile, ...]:
        """Recordings that failed in either test, each once."""
        return tuple(dict.fromkeys((*self.first.skipped, *self.second.skipped)))

    def to_dict(self) -> dict[str, Any]:
        """The document that ``compare --json`` prints."""
        return {
            "first": self.first.to_dict(),
            "second": self.second.to_dict(),
            **self.paired.to_dict(),
            "num_left_out": self.num_left_out,
            "differing": self.differing,
            "skipped": [one.to_dict() for one in self.skipped],
        }


def _predicted(evaluation: Evaluation) -> list[str | None]:
    """Predicted labels as text, in the same order for all models."""
    return [
        None if reason else ";".join(sorted(evaluation.labels[index] for index in chosen))
        for chosen, reason in zip(evaluation.chosen, evaluation.decisions.abstained, strict=True)
    ]


def compare(
    first: Path | str,
    second: Path | str,
    data: Path | str | Manifest,
    *,
    device: str | Runtime = "auto",
    store: Path | str | None = None,
    settings: Sequence[str] = (),
) -> Comparison:
    """Tests two models on the same clips.

    Their front ends may differ; each computes the features that it needs.

    Args:
        first: A run folder or a ``.safetensors`` file.
        second: Another one.
        data: The data, with a test split or without splits.
        device: ``auto``, ``cpu``, ``cuda`` or ``mps``; or a runtime.
        store: Folder of the feature store; the shared one by default.
        settings: Changes to the sections ``evaluate`` and ``predict`` of both models.

    Raises:
        CheckpointError: A model cannot be opened.
        ConfigError: The device is not available, or a setting is wrong.
        DataError: A model cannot be tested on these data, or no clip is left for both.

    Example:
        >>> import earmark, tempfile
        >>> from earmark.data.demo import demo_data
        >>> config = earmark.load_config(settings=["recipe.name=classic", "train.epochs=1"])
        >>> with demo_data() as data, tempfile.TemporaryDirectory() as folder:
        ...     run = earmark.train(data, f"{folder}/run", config, store=f"{folder}/store").run
        ...     result = compare(run, run / "last.safetensors", data, store=f"{folder}/store")
        >>> result.paired.num_clips
        26
    """
    paths = local_model(to_path(first)), local_model(to_path(second))
    checkpoints = [load_checkpoint(path).adjust(settings) for path in paths]
    runs = [find_run(path) for path in paths]
    manifest = read_as_trained(data, *runs)
    with running(device) as runtime:
        tests = [
            evaluate_checkpoint(
                checkpoint,
                manifest,
                runtime=runtime,
                store_root=Path(store) if store else None,
                run=run.path if run else None,
            )
            for run, checkpoint in zip(runs, checkpoints, strict=True)
        ]
    names = [{clip.name for clip in test.predictions.clips} for test in tests]
    shared = names[0] & names[1]
    if not shared:
        raise DataError(
            f"{manifest.source}: no clip is left that neither model was trained on; use data with "
            "a test split"
        )
    left_out = names[0] ^ names[1]
    if left_out:
        logger.warning(
            f"left out: {counted(len(left_out), 'clip')} on which only one model can be tested"
        )
    both = tests[0].only(shared), tests[1].only(shared)
    return Comparison((str(first), str(second)), *both, len(left_out))
