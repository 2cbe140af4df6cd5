"""Predicts files on the workers of an executor, with the results of this process."""

import pickle
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Executor
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

from earmark.errors import ConfigError, FailedFile
from earmark.inference.classifier import Classifier, open_network
from earmark.inference.predictions import Prediction
from earmark.inference.several import Results, predict_with_all
from earmark.models.run_folder import weights_file
from earmark.system.executors import Work, chunks_of_files, run_chunks

CHUNK_BYTES = 1 << 26
"""Files of a task: at most about ten seconds of work."""


class _SentModel(NamedTuple):
    """A model as it goes to workers.

    Args:
        name: Its path here, for messages.
        suffix: Of its file.
        content: Of its file.
        device: As for `load_model`.
        settings: As for `load_model`.
    """

    name: str
    suffix: str
    content: bytes
    device: str
    settings: tuple[str, ...]


class _Opened(NamedTuple):
    classifiers: Sequence[Classifier]
    segments: bool


def predict_on(
    executor: Executor,
    classifiers: Sequence[Classifier],
    paths: Iterable[Path],
    *,
    segments: bool = False,
) -> Iterator[Results]:
    """Predicts files on the workers of an executor.

    Workers read the files themselves, by the same absolute paths, and need the same version of
    earmark. Each gets the models once, and predicts with one thread for decoding.

    Args:
        executor: Any `concurrent.futures.Executor`.
        classifiers: The models, from `load_model`.
        paths: The files.
        segments: As for `Classifier.predict_many`.

    Yields:
        For each file, in order, what each model predicts or why it failed: the same as in this
        process, if the processors of the workers round alike.

    Raises:
        ConfigError: A model was not opened by `load_model`, or the workers cannot run earmark.
        CheckpointError: A worker cannot open a model.
    """
    content = pickle.dumps(([_send(one) for one in classifiers], segments))
    work = Work(_open, _predict, content)
    folder = Path.cwd()
    # Of an absolute path, the folder is left out.
    files = (_File(folder / path, path) for path in paths)
    chunks = chunks_of_files(files, lambda file: file.sent, CHUNK_BYTES)
    for file, results in run_chunks(executor, work, chunks):
        yield tuple(_rename(one, file.sent, file.name) for one in results)


class _File(NamedTuple):
    """A file by its absolute path, and as it was named."""

    sent: Path
    name: Path


def _send(classifier: Classifier) -> _SentModel:
    origin = classifier.origin
    if origin is None:
        raise ConfigError("executor: takes models that load_model has opened, or their paths")
    file = weights_file(origin.path)
    return _SentModel(
        str(origin.path), file.suffix, file.read_bytes(), origin.device, origin.settings
    )


def _rename(result: Prediction | FailedFile, sent: Path, name: Path) -> Prediction | FailedFile:
    if sent == name:
        return result
    if isinstance(result, FailedFile):
        return replace(result, path=name, error=result.error.replace(str(sent), str(name)))
    return replace(result, path=name)


def _open(content: bytes) -> _Opened:
    """Runs in the worker, once."""
    models, segments = pickle.loads(content)
    return _Opened([_open_model(one) for one in models], segments)


def _open_model(model: _SentModel) -> Classifier:
    if model.suffix.lower() == ".onnx":
        from earmark.inference.onnx_backend import read_onnx

        spec, backend = read_onnx(model.content, model.name, num_threads=1)
    else:
        with TemporaryDirectory(prefix="earmark-") as folder:
            path = Path(folder, f"model{model.suffix}")
            path.write_bytes(model.content)
            spec, backend = open_network(path, model.device)
    return Classifier(spec.adjust(model.settings), backend, model.name)


def _predict(opened: _Opened, files: Sequence[_File]) -> list[Results]:
    """Runs in the worker."""
    classifiers, segments = opened
    paths = [one.sent for one in files]
    if len(classifiers) > 1:
        return list(predict_with_all(classifiers, paths, segments=segments, num_workers=1))
    results = classifiers[0].predict_many(paths, segments=segments, isolated=True, num_workers=1)
    return [(one,) for one in results]
