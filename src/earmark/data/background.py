"""Recordings of the background: what a model is trained against and never predicts."""

from dataclasses import replace

from earmark.config import TrainConfig
from earmark.data.manifest import Manifest
from earmark.errors import DataError
from earmark.tasks.task import MULTI_LABEL, find_task


def with_background(manifest: Manifest, config: TrainConfig) -> Manifest:
    """The data with the background as the network is trained on it.

    The background is the first label of the vocabulary, so that the only logit of a binary task is
    that of the other label. In a multi-label task its recordings have no label instead.

    Args:
        manifest: As read. Data without the label are returned as they are.
        config: The name of the label, and the task.

    Raises:
        DataError: A recording has another label besides.

    Example:
        >>> from pathlib import Path
        >>> from earmark.data.recording import Recording
        >>> names = "Dog", "_background_"
        >>> data = tuple(Recording(Path(one), one, (one,), group=one) for one in names)
        >>> with_background(Manifest(Path("a.csv"), data, names), TrainConfig()).labels
        ('_background_', 'Dog')
    """
    background = config.background_label
    if background not in manifest.labels:
        return manifest
    for one in manifest.recordings:
        if background in one.labels and len(one.labels) > 1:
            others = " and ".join(label for label in one.labels if label != background)
            raise DataError(
                f"{manifest.source}: {one.name} has the label {others} and is {background!r}, "
                "which stands for none of the labels; remove one of them"
            )
    others = tuple(label for label in manifest.labels if label != background)
    if not _is_multi_label(manifest, config):
        return replace(manifest, labels=(background, *others))
    recordings = tuple(
        replace(one, labels=()) if background in one.labels else one for one in manifest.recordings
    )
    return replace(manifest, recordings=recordings, labels=others)


def _is_multi_label(manifest: Manifest, config: TrainConfig) -> bool:
    if config.task != "auto":
        return config.task == MULTI_LABEL.name
    labels = (one.labels for one in manifest.recordings)
    return find_task(labels, len(manifest.labels)) is MULTI_LABEL
