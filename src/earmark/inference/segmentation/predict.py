"""From a model and recordings to their time lines."""

import functools
from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path

from earmark.errors import AudioError, FailedFile
from earmark.features.log_mel import LogMel
from earmark.inference.classifier import Classifier
from earmark.inference.predictions import Prediction
from earmark.inference.segmentation.formats import Timeline
from earmark.inference.segmentation.overview import make_overview
from earmark.system.parallel import map_in_order
from earmark.tasks.task import MULTI_LABEL


def predict_segments(classifier: Classifier, path: Path) -> Prediction:
    """Judges a file as a whole, and when what is heard in it.

    The file is decoded twice, because the windows of the time line are other ones. Memory holds a
    few bytes a window, and none of the sound.

    Args:
        classifier: The model.
        path: Any sound file.

    Raises:
        AudioError: The file cannot be judged.
    """
    return replace(classifier.predict(path), segments=classifier.segments(path))


def predict_many_segments(
    classifier: Classifier, paths: Iterable[Path]
) -> Iterator[Prediction | FailedFile]:
    """Judges files in order, several at once; one that fails is named and the others go on."""
    work = functools.partial(predict_segments, classifier)
    for path, prediction in map_in_order(work, paths):
        try:
            yield prediction.result()
        except AudioError as error:
            yield FailedFile(path, str(error))


def make_timeline(classifier: Classifier, prediction: Prediction) -> Timeline:
    """The segments of a prediction with the lanes that they lie in."""
    lanes = classifier.labels if classifier.spec.task is MULTI_LABEL else ()
    return Timeline(prediction.path, prediction.duration_seconds, prediction.segments or (), lanes)


def draw_prediction(classifier: Classifier, prediction: Prediction, kind: str) -> bytes | str:
    """A picture of a recording and its segments; the recording is decoded once more.

    Args:
        classifier: The model.
        prediction: With segments.
        kind: ``png`` or ``svg``.

    Raises:
        AudioError: The recording cannot be decoded any more.
    """
    # What draws takes as long to import as PyTorch, and most time lines are not drawn.
    from earmark.figures import to_png, to_svg
    from earmark.inference.segmentation.plot import draw_timeline

    log_mel = LogMel(classifier.spec.config.features)
    overview = make_overview(prediction.path, log_mel, prediction.duration_seconds)
    lanes = make_timeline(classifier, prediction).by_lane()
    figure = draw_timeline(overview, lanes, classifier.labels)
    return to_png(figure) if kind == "png" else to_svg(figure)
