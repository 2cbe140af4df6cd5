"""Several models on the same files: each file is decoded once."""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from earmark.errors import AudioError, CheckpointError, FailedFile
from earmark.features.front_ends import Part, front_ends_job, front_ends_pool
from earmark.features.log_mel import Features
from earmark.inference.classifier import Classifier
from earmark.inference.predictions import Prediction
from earmark.inference.watching import Watch, ignore

Results = tuple[Prediction | FailedFile, ...]
"""Of a file, one for each model."""


def predict_with_all(
    classifiers: Sequence[Classifier],
    paths: Iterable[Path | str],
    *,
    segments: bool = False,
    num_workers: int | None = None,
    watch: Watch = ignore,
) -> Iterator[Results]:
    """Predicts files with several models; see `Classifier.predict_many`.

    Each file is decoded once, in a worker process, and models with the same front end share its
    features.

    Args:
        classifiers: The models.
        paths: As for `Classifier.predict_many`.
        segments: As for `Classifier.predict_many`.
        num_workers: As for `Classifier.predict_many`.
        watch: As for `Classifier.predict_many`.

    Yields:
        For each file, in order, what each model predicts or why it failed.
    """
    configs = list(dict.fromkeys(one.spec.config.features for one in classifiers))
    numbers = [configs.index(one.spec.config.features) for one in classifiers]

    def predict(path: Path, parts: Iterator[list[Part]]) -> Results:
        members = [_Member(path, one, segments=segments) for one in classifiers]
        seconds = 0.0
        try:
            for part in (one for group in parts for one in group):
                for member, number in zip(members, numbers, strict=True):
                    if number == part.front_end:
                        member.add(part.features)
                if part.front_end == 0 and isinstance(part.features, Features):
                    watch(part.features.duration_seconds - seconds)
                    seconds = part.features.duration_seconds
        except AudioError as error:
            return (FailedFile(path, str(error), error.fault),) * len(members)
        return tuple(one.finish() for one in members)

    with front_ends_pool(configs) as pool:
        for _, results in pool.map_in_order(predict, map(Path, paths), front_ends_job, num_workers):
            yield results.result()


class _Member:
    """One model and one file; what its network or its embedder cannot do fails for it alone."""

    def __init__(self, path: Path, classifier: Classifier, *, segments: bool) -> None:
        self._path = path
        self._predictor = classifier.file_predictor(segments=segments)
        self._failure: FailedFile | None = None

    def add(self, features: Features | CheckpointError) -> None:
        """Takes the next part, unless the network or the front end has failed."""
        if self._failure is None:
            with self._failing():
                if isinstance(features, CheckpointError):
                    raise features
                self._predictor.add(features)

    def finish(self) -> Prediction | FailedFile:
        """The prediction, or the failure."""
        if self._failure is None:
            with self._failing():
                return self._predictor.finish(self._path)
        assert self._failure is not None
        return self._failure

    @contextmanager
    def _failing(self) -> Iterator[None]:
        try:
            yield
        except CheckpointError as error:
            self._failure = FailedFile(self._path, f"{self._path}: {error}", "not_finite")
