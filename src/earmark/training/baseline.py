"""The classical baseline beside the validation metrics of a training."""

from dataclasses import replace
from pathlib import Path

from earmark.evaluation.classical_baseline import validate_classical
from earmark.models.checkpoint import load_checkpoint
from earmark.models.run_folder import RunFolder
from earmark.system.runtime import Runtime
from earmark.training.result import TrainingResult


def with_baseline(
    result: TrainingResult, runtime: Runtime, store: Path | str | None
) -> TrainingResult:
    """The result of a training with the classical baseline, if it is wanted and can be compared.

    Args:
        result: As it is.
        runtime: Only its first process fits the baseline.
        store: Folder of the feature store; the shared one by default.
    """
    if result.validation is None or not runtime.is_main:
        return result
    # After a refit the network has trained on the validation clips.
    run = RunFolder((result.held_out or result).run)
    spec = load_checkpoint(run.best).spec
    if not spec.config.evaluate.baseline:
        return result
    root = Path(store) if store else None
    classical = validate_classical(run, spec, result.validation, root, runtime.reporter)
    return replace(result, classical=classical)
