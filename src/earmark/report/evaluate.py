"""The test of a model as a whole: metrics, error analysis and the report."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from earmark.data.manifest import Manifest
from earmark.evaluation.analysis.analyze import Analysis, analyze
from earmark.evaluation.baselines import read_predictions
from earmark.evaluation.classical_baseline import compare_classical, evaluate_classical
from earmark.evaluation.evaluate import evaluate_model
from earmark.evaluation.held_out import read_as_trained
from earmark.evaluation.loaded_model import LoadedModel
from earmark.evaluation.result import Evaluation
from earmark.models.checkpoint import load_checkpoint
from earmark.models.remote_model import local_model
from earmark.models.run_folder import RunFolder, find_run, weights_file
from earmark.report.document import write_report
from earmark.report.model import HELD_OUT, TEST_SPLIT, Origin
from earmark.system.remote.path import to_path
from earmark.system.runtime import Runtime, running


@dataclass(frozen=True)
class Extras:
    """Optional parts of a test.

    Args:
        robustness: Also predict every clip under degraded sound: telephone, codecs, level, noise
            and short excerpts. It takes a while.
        baseline: A ``predictions.csv`` of another test of the same data, to compare with.
    """

    robustness: bool = False
    baseline: Path | str | None = None


NO_EXTRAS = Extras()


@dataclass(frozen=True, repr=False)
class TestReport:
    """A test with its error analysis and its report.

    Args:
        evaluation: The metrics and what they are computed from.
        analysis: The error analysis; None in all processes but the first.
        report: The HTML report; None if there was no folder to write it to.
    """

    # The name is not that of a test for pytest to run.
    __test__ = False

    evaluation: Evaluation
    analysis: Analysis | None = None
    report: Path | None = None

    def __repr__(self) -> str:
        place = f"Report: {self.report}" if self.report else "No report: no output folder"
        return f"{self.evaluation!r}\n{place}"

    def _repr_html_(self) -> str:
        return self.evaluation._repr_html_()

    @property
    def accuracy(self) -> float:
        """Fraction of the test clips that are predicted correctly."""
        return self.evaluation.accuracy

    def to_dict(self) -> dict[str, Any]:
        """The document that ``evaluate --json`` prints."""
        analysis = self.analysis.to_dict() if self.analysis else {}
        return {**self.evaluation.to_dict(), **analysis}


def evaluate(  # noqa: PLR0913 - model, data and results are three places, each with its options
    model: Path | str,
    data: Path | str | Manifest,
    *,
    output: Path | str | None = None,
    extras: Extras = NO_EXTRAS,
    device: str | Runtime = "auto",
    store: Path | str | None = None,
    settings: Sequence[str] = (),
) -> TestReport:
    """Tests a model on held-out recordings and writes the report.

    These are the test split, or, of data without splits, the recordings that the run has not seen.
    The folder of the report gets ``report.html``, ``model_card.md`` and ``predictions.csv``; and
    ``review.html``, on which one listens to the wrong predictions, if there are any.

    Args:
        model: A run folder or a ``.safetensors`` file.
        data: The data.
        output: Folder of the report; by default that of the run whose best weights are tested.
        extras: Optional parts of the test.
        device: ``auto``, ``cpu``, ``cuda`` or ``mps``; or a runtime.
        store: Folder of the feature store; the shared one by default.
        settings: Changes to the sections ``evaluate`` and ``predict``, such as
            ``evaluate.confidence=0.99``.

    Raises:
        CheckpointError: The model cannot be opened.
        ConfigError: The device is not available, or a setting is wrong.
        DataError: The model cannot be tested on these data, or the baseline is not of them.

    Example:
        >>> import earmark, tempfile
        >>> from earmark.data.demo import demo_data
        >>> config = earmark.load_config(settings=["recipe.name=classic", "train.epochs=1"])
        >>> with demo_data() as data, tempfile.TemporaryDirectory() as folder:
        ...     trained = earmark.train(data, f"{folder}/run", config, store=f"{folder}/store")
        ...     test = evaluate(trained.run, data, store=f"{folder}/store")
        >>> test.report.name, 0 <= test.accuracy <= 1
        ('report.html', True)
    """
    path = local_model(to_path(model))
    # Read before the work, and before the report may replace it.
    stored = read_predictions(Path(extras.baseline)) if extras.baseline else None
    checkpoint = load_checkpoint(path).adjust(settings)
    found = find_run(path)
    manifest = read_as_trained(data, found)
    run = found.path if found else None
    file, folder = _find_folder(path, output, found)
    if path != to_path(model):
        # The copy of a remote model is no place for a report.
        file, folder = to_path(model), Path(output) if output else None
    if output:
        Path(output).mkdir(parents=True, exist_ok=True)
    store_root = Path(store) if store else None
    with running(device) as runtime:
        loaded = LoadedModel.build(checkpoint, runtime)
        evaluation = evaluate_model(loaded, manifest, store_root=store_root, run=run)
        if not runtime.is_main:
            return TestReport(evaluation)
        if stored:
            evaluation = evaluation.with_baseline(stored)
        if loaded.spec.config.evaluate.baseline:
            classical = evaluate_classical(
                evaluation, loaded.spec, run, store_root, runtime.reporter
            )
            recipe = loaded.spec.config.recipe.name
            compared = compare_classical(classical, evaluation, recipe)
            evaluation = replace(evaluation, classical=compared)
        analysis = analyze(
            evaluation, loaded, manifest, store_root=store_root, robustness=extras.robustness
        )
    report = None
    if folder:
        split = TEST_SPLIT if manifest.has_splits else HELD_OUT
        origin = Origin(file, str(manifest.given), split, run, str(manifest.naming))
        report = write_report(folder, evaluation, checkpoint, origin, analysis, manifest)
    return TestReport(evaluation, analysis, report)


def _find_folder(
    model: Path, output: Path | str | None, run: RunFolder | None
) -> tuple[Path, Path | None]:
    """The file of a model, and the folder of its report, if there is one."""
    file = weights_file(model)
    # A run folder holds the report of its best weights; other weights need a folder of their own.
    inside = run.path if run and file == run.best else None
    return file, Path(output) if output else inside
