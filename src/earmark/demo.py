"""The whole flow on the small data set inside the package."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.resources import as_file, files
from pathlib import Path

from earmark.check import Audit, check
from earmark.checkpoint import load_checkpoint
from earmark.config import Config
from earmark.evaluation import Evaluation, evaluate
from earmark.manifest import read_manifest
from earmark.prediction import Classifier, Failure, Prediction
from earmark.preparation import prepare
from earmark.report import write_report
from earmark.runtime import Runtime
from earmark.store import FeatureStore, default_root
from earmark.training import train


@dataclass(frozen=True)
class Demonstration:
    """What each step of the demonstration gave."""

    audit: Audit
    evaluation: Evaluation
    predictions: tuple[Prediction | Failure, ...]
    report: Path


@contextmanager
def demo_data() -> Iterator[Path]:
    """The folder of the demonstration's data: 130 clips of speech and music with their licences."""
    with as_file(files("earmark") / "demo_data") as folder:
        yield folder


def demonstrate(
    run: Path, config: Config, *, runtime: Runtime, store_root: Path | None = None
) -> Demonstration:
    """Checks the data, prepares features, trains, tests and predicts.

    Args:
        run: The run folder; a run that is there goes on, or is tested again.
        config: All settings.
        runtime: Where to compute.
        store_root: Folder of the feature store; the shared one when it is not given.
    """
    say = runtime.reporter.info
    with demo_data() as data:
        say("1. check: is the data sound?")
        manifest = read_manifest(data)
        audit = check(manifest, reporter=runtime.reporter)
        say(f"   {audit.num_files} files, {len(audit.findings)} findings")
        say("2. prepare: log-mel features into the store")
        store = FeatureStore(store_root or default_root(), config.features)
        prepared = prepare(manifest.recordings, store, reporter=runtime.reporter)
        say(f"   {len(prepared.keys)} clips stored, {prepared.num_computed} of them new")
        say("3. train: epochs until validation stops improving")
        train(manifest, run, config, runtime=runtime, store_root=store_root)
        say("4. evaluate: once, on clips of speakers and pieces that were never heard")
        checkpoint = load_checkpoint(run)
        evaluation = evaluate(checkpoint, manifest, runtime=runtime, store_root=store_root, run=run)
        report = write_report(run, evaluation, checkpoint)
        say("5. predict: a label for single files")
        classifier = Classifier.load(run, device=runtime.device.type)
        names = [clip.name for clip in evaluation.predictions.clips]
        predictions = tuple(classifier.predict_many(data / name for name in names[:2] + names[-2:]))
    return Demonstration(audit, evaluation, predictions, report)
