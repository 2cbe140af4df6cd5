"""The verb `predict`: a model and any sounds to their labels."""

from collections.abc import Iterable, Sequence
from concurrent.futures import Executor
from pathlib import Path
from typing import overload

from earmark.errors import ConfigError, FailedFile
from earmark.inference.classifier import Classifier, load_model
from earmark.inference.engine import predict_on
from earmark.inference.inputs import find_sounds
from earmark.inference.predictions import Prediction
from earmark.inference.several import Results, predict_with_all
from earmark.system.remote.path import to_path

Model = Classifier | Path | str


@overload
def predict(
    model: Model,
    sounds: Path | str | Iterable[Path | str],
    *,
    segments: bool = False,
    device: str = "auto",
    settings: Sequence[str] = (),
    executor: Executor | None = None,
) -> list[Prediction | FailedFile]: ...


@overload
def predict(
    model: Sequence[Model],
    sounds: Path | str | Iterable[Path | str],
    *,
    segments: bool = False,
    device: str = "auto",
    settings: Sequence[str] = (),
    executor: Executor | None = None,
) -> list[Results]: ...


def predict(
    model: Model | Sequence[Model],
    sounds: Path | str | Iterable[Path | str],
    *,
    segments: bool = False,
    device: str = "auto",
    settings: Sequence[str] = (),
    executor: Executor | None = None,
) -> list[Prediction | FailedFile] | list[Results]:
    """Predicts the labels of sound files; those that fail are reported among the results.

    Args:
        model: As for `load_model`, or what that returned. Of several models, each file is decoded
            once for all of them.
        sounds: A file, a folder, a pattern such as ``recordings/**/*.wav``, or several of them.
        segments: Whether to find out when each label is heard, too.
        device: As for `load_model`.
        settings: As for `load_model`.
        executor: Where to predict, in chunks of files, with the same results: any
            `concurrent.futures.Executor`, also of Dask or MPI. By default in this process.

    Returns:
        A `Prediction` or a `FailedFile` for each file, in order; of several models, a tuple of
        them, one for each model.

    Raises:
        CheckpointError: The model cannot be opened.
        ConfigError: A device or settings are given with a model that is open already; the device
            is not available, or a setting is invalid; or there is no model.

    Example:
        >>> from earmark.data.demo import demo_data
        >>> with demo_data() as folder:
        ...     [result] = predict("speech-music", sorted(folder.rglob("*.flac"))[0])
        >>> result.label
        'music'
    """
    named = [sounds] if isinstance(sounds, Path | str) else sounds
    paths = find_sounds(map(to_path, named))
    if isinstance(model, Classifier | Path | str):
        opened = _open(model, device, settings)
        if executor is not None:
            return [one for (one,) in predict_on(executor, [opened], paths, segments=segments)]
        return list(opened.predict_many(paths, segments=segments))
    if not model:
        raise ConfigError("no model: give one or more")
    classifiers = [_open(one, device, settings) for one in model]
    if executor is not None:
        return list(predict_on(executor, classifiers, paths, segments=segments))
    return list(predict_with_all(classifiers, paths, segments=segments))


def _open(model: Model, device: str, settings: Sequence[str]) -> Classifier:
    if not isinstance(model, Classifier):
        return load_model(model, device=device, settings=settings)
    if device != "auto" or settings:
        raise ConfigError("device and settings: give them to load_model; this model is open")
    return model
