"""Features of a data set, with the front end that a training on it will have."""

import logging
from concurrent.futures import Executor
from pathlib import Path

from earmark.config import Config, as_config, with_recipe
from earmark.config.layers import complete
from earmark.data.manifest import Manifest, read_manifest
from earmark.data.preparation import Prepared, prepare_recordings
from earmark.errors import DataError
from earmark.features.band import find_band
from earmark.features.store import FeatureStore
from earmark.system.progress import SILENT, Reporter
from earmark.system.shards import Shard
from earmark.training.recipes.configure import configure, describe, divide

logger = logging.getLogger(__name__)


def prepare(  # noqa: PLR0913 - data, work and store are three places, each with its options
    data: Path | str | Manifest,
    config: Config | Path | str | None = None,
    *,
    store: Path | str | None = None,
    num_workers: int | None = None,
    verify: bool = False,
    shard: Shard | str | None = None,
    executor: Executor | None = None,
    reporter: Reporter = SILENT,
) -> Prepared:
    """Computes the features of a data set, as far as they are not stored yet.

    Settings of the front end that are not given are those that `train` would choose for the data.

    Args:
        data: What `read_manifest` takes.
        config: All settings, or a TOML file of them; the defaults when not given.
        store: Folder of the feature store; the shared one when not given.
        num_workers: Processes; as many as there are processors when not given.
        verify: As for `prepare_recordings`.
        shard: Only the files of this one of several shards, such as ``2/8``. Settings are chosen
            for all of the data.
        executor: As for `prepare_recordings`.
        reporter: Shows a progress bar.

    Raises:
        ConfigError: A setting or the shard is invalid.
        DataError: The data set cannot be read.

    Example:
        >>> from tempfile import TemporaryDirectory
        >>> from earmark.data.demo import demo_data
        >>> with demo_data() as folder, TemporaryDirectory() as store:
        ...     prepare(folder, store=store).num_computed
        130
    """
    manifest = read_manifest(data)
    features = _choose(manifest, as_config(config), store, reporter).features
    opened = FeatureStore(store, features)
    if band := find_band([one.path for one in manifest.recordings], features):
        logger.info(f"note: {band}")
    recordings = manifest.recordings
    if shard is not None:
        part = Shard.parse(shard) if isinstance(shard, str) else shard
        recordings = tuple(one for one in recordings if part.holds(one.file_name))
    return prepare_recordings(
        *(recordings, opened),
        num_workers=num_workers,
        verify=verify,
        executor=executor,
        reporter=reporter,
    )


def _choose(
    manifest: Manifest, config: Config, store: Path | str | None, reporter: Reporter
) -> Config:
    """The settings of a training; those of the recipe alone for data that cannot be trained on."""
    try:
        divided = divide(manifest, config)
        configured = configure(divided, config, store=store, reporter=reporter)
    except DataError as error:
        logger.info(f"note: nothing is chosen from these data: {error}")
        return complete(with_recipe(config))
    chosen = [one for one in configured.choices if one.setting.startswith("features.")]
    for line in describe(chosen):
        logger.info(f"recipe {config.recipe.name}: {line}")
    return configured.config
