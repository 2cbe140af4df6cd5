"""The whole workflow on the small data set inside the package."""

import logging
from dataclasses import dataclass, replace
from pathlib import Path

from earmark.audit.audit import check
from earmark.audit.findings import Audit
from earmark.config import Config
from earmark.data.demo import demo_data
from earmark.data.manifest import Manifest, read_manifest
from earmark.errors import FailedFile
from earmark.evaluation.result import Evaluation
from earmark.inference.predict import predict
from earmark.inference.predictions import Prediction
from earmark.report.evaluate import evaluate
from earmark.system.numbers import counted
from earmark.system.runtime import Runtime
from earmark.training.recipes.prepare import prepare
from earmark.training.train import train

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Demonstration:
    """The results of the demonstration.

    Args:
        audit: The audit of the data.
        evaluation: The test of the model.
        predictions: Predictions for a few of the tested clips.
        report: The HTML report of the test.
    """

    audit: Audit
    evaluation: Evaluation
    predictions: tuple[Prediction | FailedFile, ...]
    report: Path


def demonstrate(
    run: Path,
    config: Config,
    *,
    runtime: Runtime,
    store: Path | None = None,
    overwrite: bool = False,
) -> Demonstration | None:
    """Checks the data, computes features, trains a model, tests it and predicts with it.

    Args:
        run: The run folder. An interrupted run is resumed; a finished one is tested again.
        config: All settings.
        runtime: Where to compute.
        store: Folder of the feature store; the shared one by default.
        overwrite: Start again in a folder that holds another run.

    Returns:
        The results in the first process; None in the others.
    """
    with demo_data() as data:
        # The report names the data by their source.
        manifest = replace(read_manifest(data), source=Path("earmark's demo data"))
        audit = None
        if runtime.is_main:
            audit = _check(manifest, runtime, store)
            _prepare(manifest, config, runtime, store)
        logger.info("3. train: choose settings from the data, and train a network")
        train(manifest, run, config, device=runtime, store=store, overwrite=overwrite)
        logger.info("4. evaluate: test the model once, on unseen speakers and pieces of music")
        test = evaluate(run, manifest, output=run, device=runtime, store=store)
        if audit is None or test.report is None:
            return None
        logger.info("5. predict: label single files with the model")
        names = [clip.name for clip in test.evaluation.predictions.clips]
        files = [data / name for name in names[:2] + names[-2:]]
        predictions = predict(run, files, device=runtime.device.type)
    return Demonstration(audit, test.evaluation, tuple(predictions), test.report)


def _check(manifest: Manifest, runtime: Runtime, store: Path | None) -> Audit:
    logger.info("1. check: audit the data")
    audit = check(manifest, store=store, reporter=runtime.reporter)
    logger.info(f"   {audit.headline}")
    return audit


def _prepare(manifest: Manifest, config: Config, runtime: Runtime, store: Path | None) -> None:
    logger.info("2. prepare: compute log-mel features")
    prepared = prepare(manifest, config, store=store, reporter=runtime.reporter)
    logger.info(
        f"   {counted(len(prepared.keys), 'clip')} in the store, {prepared.num_computed:,} new"
    )
