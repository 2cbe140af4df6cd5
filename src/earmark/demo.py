"""The whole flow on the small data set inside the package."""

import logging
from dataclasses import dataclass, replace
from pathlib import Path

from earmark.audit.audit import check
from earmark.audit.findings import Audit
from earmark.config import Config
from earmark.data.demo import demo_data
from earmark.data.manifest import Manifest, read_manifest
from earmark.data.preparation import prepare_once
from earmark.errors import FailedFile
from earmark.evaluation.result import Evaluation
from earmark.features.store import FeatureStore, default_root
from earmark.inference.classifier import Classifier
from earmark.inference.predictions import Prediction
from earmark.report.evaluate import evaluate
from earmark.system.runtime import Runtime
from earmark.training.train import train

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Demonstration:
    """What each step of the demonstration gave."""

    audit: Audit
    evaluation: Evaluation
    predictions: tuple[Prediction | FailedFile, ...]
    report: Path


def demonstrate(
    run: Path,
    config: Config,
    *,
    runtime: Runtime,
    store_root: Path | None = None,
    overwrite: bool = False,
) -> Demonstration | None:
    """Checks the data, prepares features, trains, tests and predicts.

    Args:
        run: The run folder; a run that is there goes on, or is tested again.
        config: All settings.
        runtime: Where to compute.
        store_root: Folder of the feature store; the shared one when it is not given.
        overwrite: Start again in a folder that holds another run.

    Returns:
        What the first process found; None in the others.
    """
    with demo_data() as data:
        manifest = read_manifest(data)
        audit = _check(manifest, runtime, store_root) if runtime.is_main else None
        logger.info("2. prepare: log-mel features into the store")
        store = FeatureStore(store_root or default_root(), config.features)
        prepared = prepare_once(manifest.recordings, store, runtime)
        logger.info(f"   {len(prepared.keys)} clips stored, {prepared.num_computed} of them new")
        logger.info("3. train: epochs until validation stops improving")
        train(manifest, run, config, device=runtime, store=store_root, overwrite=overwrite)
        logger.info("4. evaluate: once, on clips of speakers and pieces that were never heard")
        # The name that the report gives to the data.
        named = replace(manifest, source=Path("the data inside earmark"))
        tested = evaluate(run, named, output=run, device=runtime, store=store_root)
        if audit is None or tested.report is None:
            return None
        predictions = _predict(run, data, tested.evaluation, runtime)
    return Demonstration(audit, tested.evaluation, predictions, tested.report)


def _check(manifest: Manifest, runtime: Runtime, store_root: Path | None) -> Audit:
    logger.info("1. check: is the data sound?")
    audit = check(manifest, store=store_root, reporter=runtime.reporter)
    logger.info(f"   {audit.num_files} files, {len(audit.findings)} findings")
    return audit


def _predict(
    run: Path, data: Path, evaluation: Evaluation, runtime: Runtime
) -> tuple[Prediction | FailedFile, ...]:
    """A few of the tested clips, as new files."""
    logger.info("5. predict: a label for single files")
    classifier = Classifier.load(run, device=runtime.device.type)
    names = [clip.name for clip in evaluation.predictions.clips]
    return tuple(classifier.predict_many(data / name for name in names[:2] + names[-2:]))
