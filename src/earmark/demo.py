"""The whole flow on the small data set inside the package."""

import logging
from dataclasses import dataclass, replace
from pathlib import Path

from earmark.audit.audit import check
from earmark.audit.findings import Audit
from earmark.config import Config
from earmark.data.demo import demo_data
from earmark.data.manifest import Manifest, read_manifest
from earmark.data.preparation import prepare
from earmark.errors import FailedFile
from earmark.inference.classifier import load_model
from earmark.inference.predictions import Prediction
from earmark.report.evaluate import TestReport, evaluate
from earmark.system.runtime import Runtime
from earmark.training.train import train

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Demonstration:
    """The results of the steps: of the audit, of the test, and the predictions of single files."""

    audit: Audit
    test: TestReport
    predictions: tuple[Prediction | FailedFile, ...]


def demonstrate(
    run: Path,
    config: Config,
    *,
    runtime: Runtime,
    store: Path | None = None,
    overwrite: bool = False,
) -> Demonstration | None:
    """Checks the data, prepares features, trains, tests and predicts.

    Args:
        run: The run folder; an interrupted run in it is resumed, a finished one tested again.
        config: All settings.
        runtime: Where to compute.
        store: Folder of the feature store; the shared one by default.
        overwrite: Start again in a folder that holds another run.

    Returns:
        The results; None in all processes but the first.
    """
    with demo_data() as folder:
        data = read_manifest(folder)
        audit = _check_and_prepare(data, config, runtime, store) if runtime.is_main else None
        logger.info("3. train: epochs until the validation loss stops falling")
        train(data, run, config, device=runtime, store=store, overwrite=overwrite)
        logger.info("4. evaluate: once, on speakers and pieces that are not in the training data")
        # The report names the data by their source, and that of the package is a folder of no use.
        named = replace(data, source=Path("the data inside earmark"))
        test = evaluate(run, named, output=run, device=runtime, store=store)
        if audit is None:
            return None
        logger.info("5. predict: labels for single files")
        classifier = load_model(run, device=runtime.device.type)
        names = [clip.name for clip in test.evaluation.predictions.clips]
        files = [folder / name for name in names[:2] + names[-2:]]
        return Demonstration(audit, test, tuple(classifier.predict_many(files)))


def _check_and_prepare(
    data: Manifest, config: Config, runtime: Runtime, store: Path | None
) -> Audit:
    logger.info("1. check: faulty files, duplicates, leaks between splits, shortcuts")
    audit = check(data, store=store, reporter=runtime.reporter)
    logger.info(f"   {audit.num_files} files, {len(audit.findings)} findings")
    logger.info("2. prepare: log-mel features into the store")
    prepared = prepare(data, config, store=store, reporter=runtime.reporter)
    logger.info(f"   {len(prepared.keys)} clips stored, {prepared.num_computed} of them new")
    return audit
