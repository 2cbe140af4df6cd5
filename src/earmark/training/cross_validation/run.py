"""Cross-validation: each fold is tested by an ordinary run that was trained without it."""

import json
import logging
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from earmark.config import Config
from earmark.data.content import ContentSet
from earmark.data.folds import check_folds, fold_names, hold_out, with_folds
from earmark.data.labels import log_data, name_task
from earmark.data.manifest import Manifest
from earmark.data.preparation import Prepared, prepare_recordings, usable_clips
from earmark.errors import ConfigError, DataError, TrainingError
from earmark.evaluation.evaluate import require_excerpts
from earmark.features.store import ClipKey, FeatureStore, default_root
from earmark.features.windows import crop_frames
from earmark.models.checkpoint import new_network
from earmark.models.spec import ModelSpec
from earmark.system.files import atomic_write
from earmark.system.parallel import default_num_workers
from earmark.system.runtime import Runtime
from earmark.tasks.task import Task
from earmark.training.cross_validation.folder import FoldFolder, teachers_of_fold
from earmark.training.cross_validation.jobs import FoldJob, run_jobs
from earmark.training.cross_validation.result import CrossValidation, FoldFailure, FoldResult

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Plan:
    """What is cross-validated how often, and where it is kept.

    Args:
        num_folds: Folds to draw; 5 when neither this nor the data say it.
        num_seeds: How many networks judge each clip: seeds ``train.seed`` and those after it.
        num_workers: Folds at once; as many as there are processors on a CPU, or else one.
        folder: Where folds are kept, so that interrupted work goes on; nowhere by default.
        keep_models: Keep the run folder of each fold as well.
        overwrite: Start again in a folder that holds another cross-validation.
    """

    num_folds: int | None = None
    num_seeds: int = 1
    num_workers: int | None = None
    folder: Path | None = None
    keep_models: bool = False
    overwrite: bool = False


def cross_validate(
    manifest: Manifest,
    config: Config,
    plan: Plan,
    *,
    runtime: Runtime,
    store_root: Path | None = None,
) -> CrossValidation:
    """Tests every recording by networks that were trained without its fold.

    Each fold tests once; the next one validates and the others train. The features of all
    recordings are computed first. A fold that fails is named and the others go on.

    Args:
        manifest: The data, as read; their splits are not used, their folds are.
        config: All settings; each fold is trained by `train` and tested by `evaluate` with them.
        plan: What is done how often, and where it is kept.
        runtime: Where to compute. On a CPU every fold has one thread, so that the figures do not
            depend on the number of workers.
        store_root: Folder of the feature store; the shared one when it is not given.

    Raises:
        ConfigError: The plan cannot be carried out.
        DataError: The data cannot be divided, trained or tested on.
        TrainingError: The folder is not free for this, or every fold failed.
    """
    _refuse_misuse(plan, runtime)
    manifest, task = _divide(manifest, config, plan, runtime)
    teachers = [
        one
        for number in range(1, len(fold_names(manifest)) + 1)
        for one in teachers_of_fold(config.train.teachers, number)
    ]
    store = FeatureStore(store_root or default_root(), config.features)
    with _folder(plan) as folder:
        folder.refuse_misuse(config, manifest.folder, overwrite=plan.overwrite)
        prepared = prepare_recordings(manifest.recordings, store, reporter=runtime.reporter)
        manifest = _usable(manifest, task, prepared, runtime)
        table = manifest.to_csv(prepared.keys)
        folder.open(config, table, teachers, overwrite=plan.overwrite)
        # The task is that of all recordings, whatever is left of them in a fold.
        told = config.with_train(task=task.name)
        jobs = _jobs(manifest, told, plan, folder, runtime, store.root)
        results, failures = _run_all(jobs, plan, runtime)
        found = CrossValidation(
            task=task,
            labels=manifest.labels,
            clips={clip.name: clip for clip in usable_clips(manifest, prepared)},
            results=results,
            failures=failures,
            skipped=prepared.skipped,
            confidence=config.evaluate.confidence,
        )
        if plan.folder:
            atomic_write(folder.predictions, found.to_csv())
            atomic_write(folder.result, json.dumps(found.to_dict(), indent=1) + "\n")
    return found


def _refuse_misuse(plan: Plan, runtime: Runtime) -> None:
    if runtime.world_size > 1:
        raise ConfigError("cross-validate runs folds at once by itself; start it without torchrun")
    if plan.folder is None and (plan.keep_models or plan.overwrite):
        option = "--keep-models" if plan.keep_models else "--overwrite"
        raise ConfigError(f"{option}: say where with -o FOLDER")


def _divide(
    manifest: Manifest, config: Config, plan: Plan, runtime: Runtime
) -> tuple[Manifest, Task]:
    """The folds and the task; what cannot be trained or tested is told before any work."""
    manifest = with_folds(manifest, plan.num_folds, config.train.split_seed)
    task = name_task(manifest, config.train)
    check_folds(manifest, task)
    spec = ModelSpec(config, manifest.labels, crop_frames(config), task)
    new_network(spec)
    require_excerpts(spec)
    log_data(manifest, task)
    return manifest, task


def _usable(manifest: Manifest, task: Task, prepared: Prepared, runtime: Runtime) -> Manifest:
    """The recordings that have features, when they can still be divided, trained and tested on."""
    # Once is enough: no fold has to find out again that a recording cannot be used.
    usable = tuple(one for one in manifest.recordings if one.name in prepared.keys)
    left = replace(manifest, recordings=usable)
    if prepared.skipped:
        lost = [fold for fold in fold_names(manifest) if fold not in fold_names(left)]
        if lost:
            raise DataError(
                f"{manifest.source}: no recording of fold {lost[0]} can be used; mend its files, "
                "or leave the fold out"
            )
        check_folds(left, task)
    _refuse_same_sound(left, prepared.keys)
    return left


@contextmanager
def _folder(plan: Plan) -> Iterator[FoldFolder]:
    if plan.folder is not None:
        yield FoldFolder(plan.folder)
        return
    with tempfile.TemporaryDirectory(prefix="earmark-") as path:
        yield FoldFolder(Path(path))


def _refuse_same_sound(manifest: Manifest, keys: Mapping[str, ClipKey]) -> None:
    shared = []
    for fold in fold_names(manifest):
        others = ContentSet(keys[one.name] for one in manifest.recordings if one.fold != fold)
        inside = (one.name for one in manifest.recordings if one.fold == fold)
        shared += [name for name in inside if keys[name] in others]
    if shared:
        raise DataError(
            f"{manifest.source}: {len(shared)} recordings have the same content as others in "
            f"another fold: {', '.join(shared[:4])}; keep one of each, or give them one group"
        )


def _jobs(
    manifest: Manifest,
    config: Config,
    plan: Plan,
    folder: FoldFolder,
    runtime: Runtime,
    store_root: Path,
) -> list[FoldJob]:
    """Every fold of the first seed, then those of the next."""
    parts = {fold: hold_out(manifest, fold) for fold in fold_names(manifest)}
    return [
        FoldJob(
            seed=seed,
            fold=fold,
            number=number,
            manifest=part,
            config=config.with_train(
                seed=seed, teachers=teachers_of_fold(config.train.teachers, number)
            ),
            folder=folder,
            keep_models=plan.keep_models,
            device=str(runtime.device),
            store_root=store_root,
        )
        for seed in range(config.train.seed, config.train.seed + plan.num_seeds)
        for number, (fold, part) in enumerate(parts.items(), start=1)
    ]


def _run_all(
    jobs: Sequence[FoldJob], plan: Plan, runtime: Runtime
) -> tuple[tuple[FoldResult, ...], tuple[FoldFailure, ...]]:
    """The outcomes in the order of the jobs, whichever ends first."""
    reporter = runtime.reporter
    kept = [result for job in jobs if (result := _read_kept(job))]
    outcomes: dict[tuple[int, str], FoldResult | FoldFailure] = {
        (one.seed, one.fold): one for one in kept
    }
    if kept:
        logger.info(f"going on: {len(kept)} of {len(jobs)} folds are done")
    waiting = [job for job in jobs if (job.seed, job.fold) not in outcomes]
    num_workers = plan.num_workers or (default_num_workers() if runtime.device.type == "cpu" else 1)
    with reporter.track("folds", len(jobs)) as progress:
        progress.advance(len(kept))
        for outcome in run_jobs(waiting, min(num_workers, len(waiting))):
            outcomes[outcome.seed, outcome.fold] = outcome
            _tell(outcome, runtime)
            progress.advance()
    in_order = [outcomes[job.seed, job.fold] for job in jobs]
    results = tuple(one for one in in_order if isinstance(one, FoldResult))
    failures = tuple(one for one in in_order if isinstance(one, FoldFailure))
    if not results:
        raise TrainingError(
            f"every fold failed; seed {failures[0].seed}, fold {failures[0].fold}: "
            f"{failures[0].error}"
        )
    return results, failures


def _tell(outcome: FoldResult | FoldFailure, runtime: Runtime) -> None:
    where = f"seed {outcome.seed}  fold {outcome.fold}"
    if isinstance(outcome, FoldFailure):
        logger.warning(f"{where}: {outcome.error}")
    else:
        logger.info(
            f"{where}  {outcome.num_correct} of {len(outcome.clips)} right  "
            f"{len(outcome.log)} epochs  {outcome.elapsed_seconds:.1f} s"
        )


def _read_kept(job: FoldJob) -> FoldResult | None:
    """What an earlier command found out; nothing if the model is wanted and was not kept."""
    table = job.folder.read_fold(job.seed, job.number)
    if table is None or (
        job.keep_models and not job.folder.run(job.seed, job.number).best.exists()
    ):
        return None
    return FoldResult.from_dict(table)
