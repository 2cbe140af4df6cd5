"""Models on the vectors of an embedder: their windows are where the embedder's windows are."""

import numpy as np
import pytest

from earmark.config import Config
from earmark.features.embedder import EmbedderRequest, inspect_embedder
from earmark.inference.backend import Output
from earmark.inference.classifier import Classifier
from earmark.models.spec import ModelSpec
from earmark.training.recipes.vectors import with_embedder

RATE = 8000


class Means:
    """A backend whose embedding is the mean of the vectors of a window."""

    def __call__(self, windows):
        return self.run(windows).logits

    def run(self, windows):
        means = windows.mean(axis=2)
        return Output(means[:, :1], means)


@pytest.fixture
def open_model(tmp_path, write_embedder):
    """A function that gives a classifier of windows of some vectors."""

    def make(window_frames=1):
        path = tmp_path / "e.onnx"
        if not path.exists():
            write_embedder(path, ["batch", RATE], sample_rate=RATE)
        config = with_embedder(Config(), inspect_embedder(EmbedderRequest(path)))
        return Classifier(ModelSpec(config, ("a", "b"), window_frames=window_frames), Means())

    return make


@pytest.mark.parametrize(
    ("window_frames", "seconds", "expected"),
    [
        (1, 0.5, [(0.0, 0.5)]),
        (1, 2.0, [(0.0, 1.0), (1.0, 2.0)]),
        (1, 2.25, [(0.0, 1.0), (1.0, 2.0), (1.25, 2.25)]),
        (2, 2.25, [(0.0, 2.0), (1.0, 2.25)]),
        (2, 1.5, [(0.0, 1.5)]),
    ],
)
def test_the_last_window_ends_with_the_sound_and_is_whole(
    window_frames, seconds, expected, open_model, rng
):
    classifier = open_model(window_frames)
    sound = rng.normal(0, 0.1, round(seconds * RATE)).astype(np.float32)
    live = classifier.stream(np.array_split(sound, 7))
    assert [(one.start_seconds, one.end_seconds) for one in live] == expected
    found = classifier.embed(sound)
    assert list(zip(found.start_seconds, found.end_seconds, strict=True)) == expected
    segments = classifier.predict(sound, segments=True).segments
    assert (segments[0].start, segments[-1].end) == (0.0, seconds)


def test_a_window_that_a_table_names_has_its_vector(open_model, tmp_path, rng):
    import soundfile

    classifier, path = open_model(), tmp_path / "a.wav"
    soundfile.write(path, rng.normal(0, 0.1, round(2.25 * RATE)), RATE, subtype="FLOAT")
    table = classifier.embed(path)
    for start, vector in zip(table.start_seconds, table.vectors, strict=True):
        one = classifier.embedder().embed_window(path, float(start))
        np.testing.assert_allclose(one.vectors, vector[None], rtol=1e-3)
