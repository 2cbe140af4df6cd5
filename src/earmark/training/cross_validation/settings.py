"""The settings of each fold, chosen from what its network is trained and validated on."""

import logging
import tomllib
from collections.abc import Mapping
from pathlib import Path

from earmark.config import Config, with_recipe
from earmark.config.loading import config_from_dict
from earmark.data.folds import fold_names, hold_out
from earmark.data.manifest import Manifest
from earmark.system.files import atomic_write, read_text
from earmark.system.runtime import Runtime
from earmark.training.cross_validation.folder import FoldFolder
from earmark.training.recipes.configure import (
    Configured,
    configure,
    describe,
    keep_choices,
    log_choices,
    write_choices,
)
from earmark.training.recipes.toml import annotate

logger = logging.getLogger(__name__)


def base_settings(config: Config, folder: FoldFolder, *, overwrite: bool) -> Configured:
    """The settings of a cross-validation before the rules choose some for each fold.

    Args:
        config: All settings, of which those that are not given may change.
        folder: Of the cross-validation; one that goes on keeps its settings.
        overwrite: Whether it starts again.
    """
    kept = None if overwrite else keep_choices(config, folder)
    if kept is not None:
        return kept
    return Configured(with_recipe(config), given=tuple(sorted(config.given)))


def configure_folds(
    manifest: Manifest,
    config: Config,
    folder: FoldFolder,
    *,
    runtime: Runtime,
    store: Path,
    overwrite: bool,
) -> dict[str, Configured]:
    """The settings of each fold; the recordings of the fold itself are not looked at.

    Args:
        manifest: All recordings, with their folds.
        config: All settings, of which those that are not given may be chosen.
        folder: Of the cross-validation; folds of one that goes on keep their settings.
        runtime: Shows progress.
        store: Folder of the feature store.
        overwrite: Whether it starts again.
    """
    settings = {}
    for number, fold in enumerate(fold_names(manifest), start=1):
        kept = None if overwrite else _kept(folder, number)
        part = hold_out(manifest, fold)
        settings[fold] = kept or configure(part, config, store=store, reporter=runtime.reporter)
    return settings


def kept_folds(
    settings: Mapping[str, Configured], folder: FoldFolder, *, overwrite: bool
) -> dict[str, Configured]:
    """The settings of folds, those of another process that has begun meanwhile first.

    Args:
        settings: Fold to its settings.
        folder: Of the cross-validation.
        overwrite: Whether it starts again.
    """
    if overwrite:
        return dict(settings)
    numbered = enumerate(settings.items(), start=1)
    return {fold: _kept(folder, number) or chosen for number, (fold, chosen) in numbered}


def _kept(folder: FoldFolder, number: int) -> Configured | None:
    """The settings that a fold has begun with, if it has."""
    file = folder.settings(number)
    if not (folder.holds_results and file.exists()):
        return None
    return Configured(config_from_dict(tomllib.loads(read_text(file)), source=str(file)))


def log_folds(settings: Mapping[str, Configured]) -> None:
    """Logs what was chosen; the folds that have the same settings together.

    Args:
        settings: Fold to its settings.
    """
    same: dict[tuple[str, ...], list[str]] = {}
    for fold, configured in settings.items():
        same.setdefault(tuple(describe(configured.choices)), []).append(fold)
    for folds in same.values():
        if len(same) > 1:
            noun = "fold" if len(folds) == 1 else "folds"
            logger.info(f"with {noun} {', '.join(folds)} held out")
        log_choices(settings[folds[0]])


def write_folds(folder: FoldFolder, base: Configured, settings: Mapping[str, Configured]) -> None:
    """Writes the settings of each fold, with the reasons for what was chosen.

    Args:
        folder: Of the cross-validation.
        base: The settings before the rules.
        settings: Fold to its settings.
    """
    write_choices(base, folder)
    for number, configured in enumerate(settings.values(), start=1):
        if not (folder.holds_results and folder.settings(number).exists()):
            atomic_write(folder.settings(number), annotate(configured))
