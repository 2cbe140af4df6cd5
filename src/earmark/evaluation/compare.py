"""Two models on the same test clips."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from earmark.data.manifest import Manifest
from earmark.data.recording import Recording
from earmark.errors import DataError, FailedFile
from earmark.evaluation.baselines import SIGNIFICANT
from earmark.evaluation.evaluate import evaluate_checkpoint
from earmark.evaluation.held_out import knows, read_as_trained, read_seen_data
from earmark.evaluation.metrics.significance import PairedDifference, compare_paired
from earmark.evaluation.result import Evaluation
from earmark.models.checkpoint import load_checkpoint
from earmark.models.remote_model import local_model
from earmark.models.run_folder import RunFolder, find_run
from earmark.models.spec import ModelSpec
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
        data: The data.
        unknown_labels: Labels of test clips that only one of them knows, or none.
        num_unknown: Test clips with such a label, which do not count.
    """

    models: tuple[str, str]
    first: Evaluation
    second: Evaluation
    num_left_out: int
    data: str = ""
    unknown_labels: tuple[str, ...] = ()
    num_unknown: int = 0

    @property
    def labels(self) -> tuple[str, ...]:
        """The labels of the clips that were compared, as the second model spells them."""
        targets = {one for clip in self.second.predictions.clips for one in clip.targets}
        return tuple(self.second.labels[one] for one in sorted(targets))

    @property
    def scope(self) -> str:
        """On which clips the models are compared, and which are left out, in one line."""
        left_out = []
        if self.num_unknown:
            unknown = ", ".join(self.unknown_labels)
            left_out.append(f"{self.num_unknown:,} with labels that not both know ({unknown})")
        if self.num_left_out:
            left_out.append(f"{self.num_left_out:,} that not both can be tested on")
        clips = counted(len(self.second.predictions.clips), "test clip")
        return f"Compared on {clips} of {self.data} ({', '.join(self.labels) or 'no labels'})" + (
            f"; left out: {' and '.join(left_out)}" if left_out else ""
        )

    @property
    def verdict(self) -> str:
        """Whether the second model is better than the first, in one line."""
        first, second = self.models
        difference, p_value = -self.paired.difference, self.paired.test.p_value
        if difference == 0:
            return f"{second} is as accurate as {first}"
        better = "better" if difference > 0 else "worse"
        chance = "" if p_value < SIGNIFICANT else ", which may be chance"
        points = f"{100 * abs(difference):.1f} points"
        return f"{second} is {better} than {first} by {points} (McNemar p {p_value:.2g}{chance})"

    def __repr__(self) -> str:
        paired = self.paired
        tests = zip(self.models, (self.first, self.second), strict=True)
        return "\n".join(
            (
                self.scope,
                *(f"{model}: {test.headline}" for model, test in tests),
                self.verdict,
                f"Accuracy {paired}",
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
            "data": self.data,
            "labels": list(self.labels),
            "num_left_out": self.num_left_out,
            "unknown_labels": list(self.unknown_labels),
            "num_unknown": self.num_unknown,
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
    data: Path | str | Manifest | None = None,
    *,
    device: str | Runtime = "auto",
    store: Path | str | None = None,
    settings: Sequence[str] = (),
) -> Comparison:
    """Tests two models on the same clips.

    Their front ends may differ; each computes the features that it needs. Their labels may differ,
    too; clips with a label that one of them does not know do not count.

    Args:
        first: A run folder or a ``.safetensors`` file.
        second: Another one.
        data: The data, with a test split or without splits; by default the test split of the
            second model's run folder.
        device: ``auto``, ``cpu``, ``cuda`` or ``mps``; or a runtime.
        store: Folder of the feature store; the shared one by default.
        settings: Changes to the sections ``evaluate`` and ``predict`` of both models.

    Raises:
        CheckpointError: A model cannot be opened.
        ConfigError: The device is not available, or a setting is wrong.
        DataError: A model cannot be tested on these data, no clip is left for both, or there are
            no data.

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
    given = read_as_trained(_own_data(paths[1], runs[1]) if data is None else data, *runs)
    manifest, unknown = _with_known_labels(given, [one.spec for one in checkpoints], runs)
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
    return Comparison(
        models=(str(first), str(second)),
        first=tests[0].only(shared),
        second=tests[1].only(shared),
        num_left_out=len(left_out),
        data=str(given.given),
        unknown_labels=tuple(sorted({label for one in unknown for label in one.labels})),
        num_unknown=len(unknown),
    )


def _own_data(model: Path, run: RunFolder | None) -> Path:
    """The recordings that a run folder lists."""
    if run is None:
        raise DataError(f"{model}: has no record of its data; name the data to compare on")
    return run.recordings


def _with_known_labels(
    manifest: Manifest, specs: Sequence[ModelSpec], runs: Sequence[RunFolder | None]
) -> tuple[Manifest, list[Recording]]:
    """The recordings of which every model knows the labels, and the other ones to test on."""
    known = [one for one in manifest.recordings if all(knows(spec, one.labels) for spec in specs)]
    if len(known) == len(manifest):
        return manifest, []
    if not known:
        raise DataError(
            f"{manifest.source}: no recording has labels that both models know; compare models "
            "that share some labels"
        )
    names = {one.name for one in known}
    found = [read_seen_data(run.path) for run in runs if run]
    seen = {name for one in found if one for name in (*one.groups, *one.keys)}
    unknown = [
        one
        for one in manifest.recordings
        if one.name not in names
        and (one.split == "test" or not manifest.has_splits)
        and not {one.group, one.name} & seen
    ]
    logger.warning(
        f"left out: {counted(len(unknown), 'test clip')} with labels that not both models know"
    )
    labels = {label for one in known for label in one.labels}
    left = tuple(one for one in manifest.labels if one in labels)
    return replace(manifest, recordings=tuple(known), labels=left), unknown
