"""All settings of a training: given ones, on those that the rules choose, on those of the recipe.

Only training and validation recordings are looked at.
"""

import logging
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Any

from earmark.config import Config, with_recipe, with_settings
from earmark.config.layers import complete, flatten
from earmark.data.background import with_background
from earmark.data.labels import name_task
from earmark.data.manifest import Manifest
from earmark.data.splits import with_splits
from earmark.errors import ConfigError
from earmark.features.store import default_root
from earmark.features.windows import crop_frames
from earmark.models.work_folder import WorkFolder
from earmark.system.progress import SILENT, Reporter
from earmark.training.recipes.draft import Choice, Draft
from earmark.training.recipes.rules import choose

if TYPE_CHECKING:
    from earmark.data.fingerprint import DataFingerprint
    from earmark.system.runtime import Runtime

logger = logging.getLogger(__name__)

_GROUPS = {
    "front end": ("features.",),
    "windows": ("train.crop_seconds", "train.max_crops", "predict."),
    "network": ("model.",),
    "augmentation": ("augment.",),
    "training": ("train.",),
}
"""Group of settings to the beginnings of their names; the first that fits counts."""


@dataclass(frozen=True)
class Configured:
    """All settings, and how those came about that nobody gave.

    Args:
        config: All settings; of a training as if all of them were given.
        choices: What the rules chose.
        given: The settings that somebody gave, each ``section.key``.
        fingerprint: Of the recordings that were looked at; None if nothing was chosen from them.
        expected_minutes: About how long the training takes, at most; None if the rules did not
            choose the settings, or do not know.
    """

    config: Config
    choices: tuple[Choice, ...] = ()
    given: tuple[str, ...] = ()
    fingerprint: "DataFingerprint | None" = None
    expected_minutes: float | None = None

    def to_dict(self) -> dict[str, Any]:
        """The choices and their reasons, as in ``choices.json``."""
        return {
            "name": self.config.recipe.name,
            "given": list(self.given),
            "choices": [one.to_dict() for one in self.choices],
        }


def divide(manifest: Manifest, config: Config) -> Manifest:
    """The data as `train` sees them when it configures itself: with splits, validation held out.

    Args:
        manifest: As read.
        config: The given settings.

    Raises:
        DataError: A recording of the background has another label besides.
    """
    train = with_recipe(config).with_train(refit=False).train
    return with_background(with_splits(manifest, train), train)


def configure(
    manifest: Manifest,
    config: Config,
    *,
    store: Path | str | None = None,
    reporter: Reporter = SILENT,
) -> Configured:
    """The settings of a training on some data.

    Where a choice does not fit the given settings, it is left out.

    Args:
        manifest: The data, with splits; test recordings are not looked at.
        config: All settings, of which those that are not given may change.
        store: Folder of the feature store; the shared one by default.
        reporter: Shows progress.

    Raises:
        ConfigError: The given settings do not fit each other.
        DataError: The data have fewer than two labels, or do not fit the task.

    Example:
        >>> from tempfile import TemporaryDirectory
        >>> from earmark.config import load_config
        >>> from earmark.data.demo import demo_data
        >>> from earmark.data.manifest import read_manifest
        >>> config = load_config(settings=["train.crop_seconds=0.5"])
        >>> with demo_data() as data, TemporaryDirectory() as store:
        ...     configured = configure(read_manifest(data), config, store=store)
        >>> configured.config.features.sample_rate, configured.config.train.crop_seconds
        (16000, 0.5)
    """
    given, config = config.given, with_recipe(config)
    seen = tuple(one for one in manifest.recordings if one.split in ("train", "validation"))
    if not (config.recipe.rules and seen):
        return Configured(complete(config), given=tuple(sorted(given)))
    # It needs packages that the base installation does not have.
    from earmark.data.fingerprint import fingerprint_data

    task, root = name_task(manifest, config.train), default_root() if store is None else Path(store)
    fingerprint = fingerprint_data(replace(manifest, recordings=seen), task, root, reporter)
    # Another architecture does not use them, and a setting that is not used is an error.
    unused = () if config.model.name == "audio_cnn" else ("model.blocks", "model.head")
    draft = Draft(config, given.union(unused))
    minutes = choose(fingerprint, draft)
    config, choices = apply_choices(config, draft.choices)
    return Configured(complete(config), choices, tuple(sorted(given)), fingerprint, minutes)


def configure_work(
    manifest: Manifest,
    config: Config,
    folder: WorkFolder,
    *,
    runtime: "Runtime",
    store: Path | str | None = None,
    overwrite: bool = False,
) -> Configured:
    """The settings of work in a folder; work that goes on keeps what was chosen when it began.

    So it does not depend on rules that may have changed since.

    Args:
        manifest: As for `configure`.
        config: As for `configure`.
        folder: Of the work.
        runtime: The first process measures, for all.
        store: As for `configure`.
        overwrite: Whether the work starts again.

    Raises:
        TrainingError: The folder lies in the data, or holds files of others.
    """

    def settle() -> Configured:
        folder.refuse_place(config, manifest.folder)
        kept = None if overwrite else keep_choices(config, folder)
        if kept is not None:
            return replace(kept, config=complete(kept.config))
        return configure(manifest, config, store=store, reporter=runtime.reporter)

    return runtime.from_main(settle)


def keep_choices(config: Config, folder: WorkFolder) -> Configured | None:
    """The settings of the work in a folder, as far as they are not given now.

    Args:
        config: All settings, of which those that are not given may change.
        folder: Of the work.

    Returns:
        None where no work has begun, or less is given than then: that is other work.
    """
    document = folder.read_choices() if folder.holds_results else None
    if document is None or not config.given.issuperset(document["given"]):
        return None
    stored = dict(flatten(folder.read_settings()))
    free = {key: value for key, value in stored.items() if key not in document["given"]}
    choices = [Choice(**one) for one in document["choices"]]
    kept = tuple(one for one in choices if one.setting not in config.given)
    try:
        config = with_settings(with_recipe(config), free)
    except ConfigError:
        # What is given now does not fit the rest: it differs from what was given then.
        return None
    return Configured(config, kept, tuple(document["given"]))


def write_choices(configured: Configured, folder: WorkFolder) -> None:
    """Writes to a folder what was given, what was chosen and why, and the fingerprint.

    Args:
        configured: The settings.
        folder: Of the work.
    """
    folder.write_choices(configured.to_dict())
    if configured.fingerprint is not None:
        folder.write_fingerprint(configured.fingerprint.to_dict())


def log_choices(configured: Configured) -> None:
    """Logs what was chosen, a line for each group of settings.

    Args:
        configured: The settings.
    """
    if not configured.choices:
        return
    logger.info(
        f"recipe {configured.config.recipe.name}; change a choice with --set SECTION.KEY=VALUE:"
    )
    for line in describe(configured.choices):
        logger.info(f"  {line}")


def describe(choices: Sequence[Choice]) -> list[str]:
    """A line for each group of choices.

    Args:
        choices: What was chosen.

    Example:
        >>> describe([Choice("features.n_mels", 64, "Enough."), Choice("model.head", "pool", "")])
        ['front end: n_mels 64 (Enough)', 'network: head pool']
    """
    lines = []
    for group in _GROUPS:
        found = [one for one in choices if _group(one) == group]
        parts = []
        # Settings with one reason together.
        for reason, same in groupby(found, key=lambda one: one.reason):
            why = f" ({reason.rstrip('.')})" if reason else ""
            parts.append(f"{', '.join(map(str, same))}{why}")
        if parts:
            lines.append(f"{group}: {'; '.join(parts)}")
    return lines


def _group(choice: Choice) -> str:
    found = (
        group
        for group, starts in _GROUPS.items()
        if any(choice.setting.startswith(start) for start in starts)
    )
    return next(found, "training")


def apply_choices(config: Config, choices: Sequence[Choice]) -> tuple[Config, tuple[Choice, ...]]:
    """The settings with the choices that fit what is given: all, or else those of a group that do.

    Args:
        config: All settings, of which those that are given stand.
        choices: In order.

    Returns:
        The settings and the choices that are in them.
    """
    applied = _try(config, choices)
    if applied is not None:
        return applied, tuple(choices)
    kept: list[Choice] = []
    # What is given may leave nothing of the windows by itself, which is an error of its own.
    base_fits = _blocks_fit(config)
    for group in _GROUPS:
        found = [one for one in choices if _group(one) == group]
        # Settings of a group belong together: one alone is tried only if not all of them fit.
        parts = [found] if _try(config, found, fits=base_fits) else [[one] for one in found]
        for part in parts:
            applied = _try(config, part, fits=base_fits)
            if applied is not None:
                config = applied
                kept += part
            else:
                logger.info(f"note: {part[0].setting} is not chosen: it does not fit the others")
    return config, tuple(kept)


def _try(config: Config, choices: Iterable[Choice], *, fits: bool = True) -> Config | None:
    """The settings with some choices; None if they do not fit what is given, or the blocks."""
    try:
        chosen = with_settings(config, {one.setting: one.value for one in choices})
    except ConfigError:
        return None
    return chosen if _blocks_fit(chosen) or not fits else None


def _blocks_fit(config: Config) -> bool:
    """Whether the blocks of the network leave something of its windows."""
    size = (config.features.n_mels, crop_frames(config))
    for block in config.model.blocks if config.model.name == "audio_cnn" else ():
        size = block.output_size(size)
    return 0 not in size
