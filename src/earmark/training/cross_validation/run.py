"""Cross-validation: each fold is tested by an ordinary run that was trained on the others."""

import json
import logging
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from earmark.config import Config, as_config
from earmark.data.background import with_background
from earmark.data.content import ContentSet
from earmark.data.folds import check_folds, fold_names, hold_out, with_folds
from earmark.data.labels import log_data, name_task
from earmark.data.manifest import Manifest, read_manifest
from earmark.data.preparation import Prepared, prepare_recordings, usable_clips
from earmark.errors import ConfigError, DataError, TrainingError
from earmark.evaluation.evaluate import require_excerpts
from earmark.evaluation.seen_sound import report_shared_sound
from earmark.features.store import ClipKey, FeatureStore, default_root
from earmark.features.windows import crop_frames
from earmark.models.checkpoint import require_network
from earmark.models.spec import ModelSpec
from earmark.system.files import atomic_write
from earmark.system.numbers import counted
from earmark.system.parallel import default_num_workers
from earmark.system.runtime import Runtime, running, warn_of_emulation
from earmark.tasks.task import Task
from earmark.training.candidates.budget import may_search
from earmark.training.cross_validation.classical import compare_folds
from earmark.training.cross_validation.fold_result import FoldFailure, FoldResult
from earmark.training.cross_validation.folder import FoldFolder, teachers_of_fold
from earmark.training.cross_validation.jobs import FoldJob, read_kept, run_jobs
from earmark.training.cross_validation.result import CrossValidation
from earmark.training.cross_validation.settings import (
    base_settings,
    configure_folds,
    kept_folds,
    log_folds,
    write_folds,
)
from earmark.training.distillation import require_teachers
from earmark.training.fitting import first_training
from earmark.training.recipes.configure import Configured
from earmark.training.start_splits import refuse_start_leaks

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Plan:
    """Folds, seeds and workers of a cross-validation, and where its results are kept.

    Args:
        num_folds: Number of folds to draw; by default those of the data, or 5.
        num_seeds: Number of networks that predict each clip: ``train.seed`` and the seeds after it.
        num_workers: Folds at once; by default one for each processor on a CPU, or else one.
        folder: Where results are kept, so that an interrupted cross-validation resumes; by default
            nowhere.
        keep_models: Whether the run folder of each fold is kept as well.
        overwrite: Start again in a folder that holds another cross-validation.
    """

    num_folds: int | None = None
    num_seeds: int = 1
    num_workers: int | None = None
    folder: Path | None = None
    keep_models: bool = False
    overwrite: bool = False


def cross_validate(
    data: Path | str | Manifest,
    plan: Plan | int | None = None,
    config: Config | Path | str | None = None,
    *,
    device: str | Runtime = "auto",
    store: Path | str | None = None,
) -> CrossValidation:
    """Tests every recording by networks that were trained without its fold.

    Each fold is the test split once; the next one validates and the others train. Features of all
    recordings are computed first. A fold that fails is reported, and the others continue.

    Args:
        data: A folder or a manifest; its folds are used, its splits are not.
        plan: Folds, seeds and workers, or the number of folds alone; by default that of `Plan`.
        config: All settings, or a TOML file of them.
        device: Where to compute. On a CPU every fold has one thread, so that the results do not
            depend on the number of workers.
        store: Folder of the feature store; the shared one by default.

    Raises:
        ConfigError: A setting or the plan is wrong, or a teacher is missing.
        DataError: The data cannot be divided, trained or tested on.
        TrainingError: The folder is not free for this, or every fold failed.

    Example:
        >>> import earmark, tempfile
        >>> from earmark.data.demo import demo_data
        >>> config = earmark.load_config(settings=["recipe.name=classic", "train.epochs=1"])
        >>> with demo_data() as data, tempfile.TemporaryDirectory() as store:
        ...     result = cross_validate(data, Plan(3, num_workers=1), config, store=store)
        >>> len(result.results)
        3
    """
    plan, config = _as_plan(plan), as_config(config)
    with running(device) as runtime, _folder(plan) as folder:
        _refuse_misuse(plan, runtime)
        base = base_settings(config, folder, overwrite=plan.overwrite)
        config = base.config
        manifest, task = _divide(read_manifest(data), config, plan)
        teachers = _all_teachers(manifest, config)
        folder.refuse_misuse(base.config, manifest.folder, overwrite=plan.overwrite)
        root = default_root() if store is None else Path(store)
        folds = (hold_out(manifest, one) for one in fold_names(manifest))
        refuse_start_leaks(first_training(config), manifest, folds, root, runtime.reporter)
        # The task of all recordings, whatever labels a fold holds.
        config = config.with_train(task=task.name)
        settings = configure_folds(
            manifest, config, folder, runtime=runtime, store=root, overwrite=plan.overwrite
        )
        _require_networks(manifest, task, settings.values())
        log_data(manifest, task, next(iter(settings.values())).config.features)
        log_folds(settings)
        warn_of_emulation(config.train.precision, runtime.device)
        prepared = _prepare(manifest, settings.values(), root, runtime)
        manifest = _usable(manifest, task, prepared)
        report_shared_sound(manifest, prepared.keys, root, runtime.reporter)
        table = manifest.to_csv(prepared.keys, folder.path)
        with folder.locked():
            if not plan.overwrite:
                # Another process may have begun meanwhile, whose settings stand.
                folder.refuse_misuse(base.config, manifest.folder, overwrite=False)
            settings = kept_folds(settings, folder, overwrite=plan.overwrite)
            folder.open(base.config, table, teachers, overwrite=plan.overwrite)
            write_folds(folder, base, settings)
            folder.begin(range(config.train.seed, config.train.seed + plan.num_seeds))
        configs = {
            fold: config if may_search(config) else one.config for fold, one in settings.items()
        }
        jobs = _jobs(manifest, configs, plan, folder, runtime, root)
        results, failures = _run_all(jobs, plan, runtime)
        found = CrossValidation(
            task=task,
            labels=manifest.labels,
            clips={clip.name: clip for clip in usable_clips(manifest, prepared)},
            results=results,
            failures=failures,
            skipped=prepared.skipped,
            confidence=config.evaluate.confidence,
            background=config.train.background_label,
        )
        if config.evaluate.baseline:
            found = replace(found, classical=compare_folds(found, config))
        if plan.folder:
            atomic_write(folder.predictions, found.to_csv())
            atomic_write(folder.result, json.dumps(found.to_dict(), indent=1) + "\n")
    return found


def _as_plan(plan: Plan | int | None) -> Plan:
    if plan is None or isinstance(plan, Plan):
        return plan or Plan()
    return Plan(num_folds=plan)


def _refuse_misuse(plan: Plan, runtime: Runtime) -> None:
    for name in ("num_folds", "num_seeds", "num_workers"):
        number = getattr(plan, name)
        if number is not None and not (isinstance(number, int) and number >= 1):
            raise ConfigError(f"{name} = {number!r}: give a whole number of at least 1")
    if runtime.world_size > 1:
        raise ConfigError("cross-validate starts its own workers; run it without torchrun")
    if plan.folder is None and (plan.keep_models or plan.overwrite):
        option = "--keep-models" if plan.keep_models else "--overwrite"
        raise ConfigError(f"{option}: needs a folder; add -o FOLDER")


def _divide(manifest: Manifest, config: Config, plan: Plan) -> tuple[Manifest, Task]:
    """Draws the folds and finds the task; folds that cannot be trained on or tested fail here."""
    manifest = with_background(manifest, config.train)
    manifest = with_folds(manifest, plan.num_folds, config.train.split_seed)
    task = name_task(manifest, config.train)
    check_folds(manifest, task)
    return manifest, task


def _require_networks(manifest: Manifest, task: Task, settings: Iterable[Configured]) -> None:
    """Settings that make no network, or test no excerpts, fail before features are computed."""
    for config in {one.config.to_toml(): one.config for one in settings}.values():
        spec = ModelSpec(config, manifest.labels, crop_frames(config), task)
        require_network(spec)
        require_excerpts(spec)


def _prepare(
    manifest: Manifest, settings: Iterable[Configured], root: Path, runtime: Runtime
) -> Prepared:
    """The features of all recordings, for the front end of every fold."""
    front_ends = dict.fromkeys(one.config.features for one in settings)
    each = [
        prepare_recordings(
            manifest.recordings, FeatureStore(root, features), reporter=runtime.reporter
        )
        for features in front_ends
    ]
    skipped = {str(failed.path): failed for one in each for failed in one.skipped}
    keys = {name: key for name, key in each[0].keys.items() if name not in skipped}
    return Prepared(keys, tuple(skipped.values()), sum(one.num_computed for one in each), root)


def _all_teachers(manifest: Manifest, config: Config) -> list[str]:
    """The teachers of all folds, which must exist before any features are computed."""
    numbers = range(1, len(fold_names(manifest)) + 1)
    teachers = [
        one for number in numbers for one in teachers_of_fold(config.train.teachers, number)
    ]
    require_teachers(teachers)
    return teachers


def _usable(manifest: Manifest, task: Task, prepared: Prepared) -> Manifest:
    """The recordings that have features, if every fold can still be trained on and tested."""
    usable = tuple(one for one in manifest.recordings if one.name in prepared.keys)
    left = replace(manifest, recordings=usable)
    if prepared.skipped:
        lost = [fold for fold in fold_names(manifest) if fold not in fold_names(left)]
        if lost:
            raise DataError(
                f"{manifest.source}: no recording of fold {lost[0]} can be used; fix its files, "
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
    configs: Mapping[str, Config],
    plan: Plan,
    folder: FoldFolder,
    runtime: Runtime,
    store: Path,
) -> list[FoldJob]:
    """Every fold of the first seed, then those of the next."""
    parts = {fold: hold_out(manifest, fold) for fold in configs}
    first = next(iter(configs.values()))
    train, fits_baseline = first.train, first.evaluate.baseline
    return [
        FoldJob(
            seed=seed,
            fold=fold,
            number=number,
            manifest=part,
            config=configs[fold].with_train(
                seed=seed, teachers=teachers_of_fold(train.teachers, number)
            ),
            folder=folder,
            keep_models=plan.keep_models,
            fits_baseline=fits_baseline and seed == train.seed,
            device=str(runtime.device),
            store=store,
        )
        for seed in range(train.seed, train.seed + plan.num_seeds)
        for number, (fold, part) in enumerate(parts.items(), start=1)
    ]


def _run_all(
    jobs: Sequence[FoldJob], plan: Plan, runtime: Runtime
) -> tuple[tuple[FoldResult, ...], tuple[FoldFailure, ...]]:
    """The outcomes in the order of the jobs."""
    reporter = runtime.reporter
    kept = [result for job in jobs if (result := read_kept(job))]
    outcomes: dict[tuple[int, str], FoldResult | FoldFailure] = {
        (one.seed, one.fold): one for one in kept
    }
    if kept:
        logger.info(f"resuming: {len(kept)} of {len(jobs)} folds are done")
    waiting = [job for job in jobs if (job.seed, job.fold) not in outcomes]
    num_workers = plan.num_workers or (default_num_workers() if runtime.device.type == "cpu" else 1)
    with reporter.track("folds", len(jobs)) as progress:
        progress.advance(len(kept))
        for outcome in run_jobs(waiting, min(num_workers, len(waiting))):
            outcomes[outcome.seed, outcome.fold] = outcome
            _log(outcome)
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


def _log(outcome: FoldResult | FoldFailure) -> None:
    where = f"seed {outcome.seed}  fold {outcome.fold}"
    if isinstance(outcome, FoldFailure):
        logger.warning(f"{where}: {outcome.error}")
    else:
        logger.info(
            f"{where}  {outcome.num_correct} of {len(outcome.clips)} correct  "
            f"{counted(len(outcome.log), 'epoch')}  {outcome.elapsed_seconds:.1f} s"
        )
