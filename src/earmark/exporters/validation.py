"""Recordings for an export that changes a model: to calibrate with, and to measure the cost on."""

import logging
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from earmark.data.content import Clip
from earmark.data.manifest import Manifest
from earmark.data.preparation import prepare_recordings, usable_clips
from earmark.data.splits import with_splits
from earmark.errors import ConfigError, DataError
from earmark.evaluation.held_out import match_labels, read_as_trained
from earmark.features.levels import peak_level_db
from earmark.features.store import FeatureStore, default_root
from earmark.features.windows import WindowCutter
from earmark.models.pretrained import find_model
from earmark.models.run_folder import find_run
from earmark.models.spec import ModelSpec
from earmark.system.shapes import Float32, Float64
from earmark.tasks.task import multi_hot

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class ExportClips:
    """Clips with features, none of them from the test split.

    Args:
        training: Clips to calibrate with; the validation clips where there are no others.
        validation: Clips to measure on.
        store: Where their features are.
        spec: Of the model.
    """

    training: tuple[Clip, ...]
    validation: tuple[Clip, ...]
    store: FeatureStore
    spec: ModelSpec

    def sample_windows(self, number: int) -> Float32[np.ndarray, "windows mels frames"]:
        """Windows of training clips, at most so many of any; the same each time."""
        order = np.random.default_rng(0).permutation(len(self.training))
        chosen: list[np.ndarray] = []
        # Few of each clip, so that they come from many.
        most = max(1, number // len(self.training))
        for index in order:
            if len(chosen) >= number:
                break
            windows = self.windows(self.training[index])
            chosen.extend(windows[:: max(1, len(windows) // most)])
        return np.stack(chosen[:number])

    def windows(self, clip: Clip) -> Float32[np.ndarray, "windows mels frames"]:
        """All windows of a clip, as predictions cut them."""
        cutter = WindowCutter(self.spec.window_frames, self.spec.step_frames())
        return np.stack([*cutter.add(self.store[clip.key])[1], *cutter.finish()[1]])

    def validation_windows(self) -> Iterator[Float32[np.ndarray, "windows mels frames"]]:
        """The windows of each validation clip."""
        return map(self.windows, self.validation)

    @property
    def levels_db(self) -> Float64[np.ndarray, " clips"]:
        """Level of the loudest frame of each validation clip."""
        return np.array(
            [peak_level_db(self.store[one.key], self.store.config) for one in self.validation]
        )

    @property
    def targets(self) -> Float64[np.ndarray, "clips labels"]:
        """Target rows of the validation clips."""
        return multi_hot([one.targets for one in self.validation], len(self.spec.labels))


def read_clips(
    model: Path | str,
    spec: ModelSpec,
    data: Path | str | Manifest | None = None,
    store_root: Path | None = None,
) -> ExportClips:
    """Reads training and validation recordings, and computes the features that are not stored.

    Args:
        model: As for `earmark.exporters.targets.export`.
        spec: Its specification.
        data: Recordings; by default those of the run folder of the model.
        store_root: Folder of the feature store; the shared one by default.

    Raises:
        ConfigError: No data are given and there is no run folder.
        DataError: The data cannot be read, or have no validation recordings.
    """
    run = find_run(find_model(model))
    if data is None:
        if run is None:
            raise ConfigError(
                f"--quantize: {model} has no record of validation recordings; give some with --data"
            )
        held = run.held_out if run.is_refit and run.held_out.recordings.is_file() else run
        data = held.recordings
        if spec.config.train.trains_on_validation:
            logger.info(
                "note: the model was trained on the validation recordings too, so the accuracies "
                "are optimistic; their difference is less so"
            )
    manifest = _divide(read_as_trained(data, run), spec)
    store = FeatureStore(store_root or default_root(), spec.config.features)
    prepared = prepare_recordings(manifest.recordings, store)
    validation = usable_clips(manifest, prepared, "validation")
    if not validation:
        raise DataError(
            f"{manifest.source}: no usable validation recordings; give others with --data"
        )
    training = usable_clips(manifest, prepared, "train") or validation
    return ExportClips(tuple(training), tuple(validation), store, spec)


def _divide(manifest: Manifest, spec: ModelSpec) -> Manifest:
    """Training and validation recordings, with the labels of the model."""
    config = spec.config.with_train(refit=False, hold_out_validation=True).train
    divided = with_splits(match_labels(manifest, spec), config)
    kept = tuple(one for one in divided.recordings if one.split != "test")
    return replace(divided, recordings=kept, labels=spec.labels)
