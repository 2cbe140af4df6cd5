"""A queue of short clips, and a review of it."""

import itertools
from collections.abc import Callable
from pathlib import Path

import pytest

from earmark.labelling.review.answers import Answer
from earmark.labelling.review.queue import Queue
from earmark.labelling.review.review import Review
from earmark.labelling.review.sources import QueueOptions, read_queue

HEADER = "path,label,start,end,predicted,probability,score,reason,split"
ROWS = (
    "a.wav,dog,,,cat,0.9,0.8,predicted wrongly,train",
    "b.wav,cat,,,cat,0.7,0.1,,train",
    "long.wav,cat,1,2,dog,0.6,,novel,test",
    "long.wav,dog,3,4,,,,,test",
)


@pytest.fixture
def queue_file(tmp_path: Path, write_clip: Callable[..., Path]) -> Path:
    """A queue of two files, and of two excerpts of a third."""
    for number, (name, seconds) in enumerate({"a": 1.0, "b": 1.0, "long": 6.0}.items()):
        write_clip(tmp_path / f"{name}.wav", seconds, seed=number)
    path = tmp_path / "queue.csv"
    path.write_text("\n".join((HEADER, *ROWS)) + "\n")
    return path


@pytest.fixture
def queue(queue_file: Path) -> Queue:
    return read_queue(queue_file)


@pytest.fixture
def open_review(tmp_path: Path, queue: Queue):
    """Opens a review of the queue, or of another one, that writes ``labels.csv``."""
    opened = []

    def start(given: Queue = queue) -> Review:
        opened.append(Review(given, tmp_path / "labels.csv"))
        return opened[-1]

    yield start
    for one in opened:
        one.close()


@pytest.fixture
def answer() -> Callable[..., Answer]:
    """An answer to a clip of a queue, by its number there."""
    numbers = itertools.count()

    def make(queue: Queue, number: int, *labels: str, revision: int = 0, **more: object) -> Answer:
        return Answer(
            **{
                "id": f"answer-{next(numbers):04}",
                "clip": queue.items[number].key,
                "revision": revision,
                "verdict": "labelled",
                "labels": labels,
                **more,
            }
        )

    return make


@pytest.fixture
def read_multi(queue_file: Path) -> Callable[[], Queue]:
    """The queue with several labels a clip."""
    return lambda: read_queue(queue_file, QueueOptions(is_multi_label=True))
