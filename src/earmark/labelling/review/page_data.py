"""What the page gets of the queue."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import xxhash

from earmark.inference.result_formats import plain_name
from earmark.labelling.review.queue import Queue, QueueItem
from earmark.labelling.review.states import States


def describe_queue(
    queue: Queue, states: States, items: Sequence[QueueItem] | None = None
) -> dict[str, Any]:
    """The queue and its answers, without sound.

    Args:
        queue: The queue.
        states: The answers.
        items: Those of its clips that the page has; by default all.
    """
    items = queue.items if items is None else items
    shared = _shared_folder(items)
    keys = "".join(one.key for one in queue.items)
    return {
        "id": xxhash.xxh3_64_hexdigest(f"{queue.title}\0{keys}".encode(errors="surrogateescape")),
        "title": plain_name(queue.title),
        "labels": states.labels(queue),
        "is_multi_label": queue.is_multi_label,
        "has_similar": False,
        "changes": 0,
        "clips": [{**describe_clip(one, states), "name": _name(one, shared)} for one in items],
    }


def _shared_folder(items: Sequence[QueueItem]) -> Path | None:
    """The folder that all files lie in, here or elsewhere; it says nothing about a clip."""
    folders = {one.recording.path.parent for one in items}
    first = next(iter(folders), None)
    above = (first, *first.parents) if first else ()
    return next((one for one in above if all(each.is_relative_to(one) for each in folders)), None)


def _name(item: QueueItem, shared: Path | None) -> str:
    path = item.recording.path
    return plain_name((path.relative_to(shared) if shared else path).as_posix())


def describe_clip(item: QueueItem, states: States) -> dict[str, Any]:
    """A clip and its answers, without sound.

    Args:
        item: The clip.
        states: The answers.
    """
    one = item.recording
    return {
        "key": item.key,
        "start": one.excerpt.start,
        "end": one.excerpt.end,
        "label": ";".join(one.labels),
        "split": one.split or "",
        "predicted": item.predicted,
        "probability": item.probability,
        "score": item.score,
        "reason": item.reason,
        **states.describe(item),
    }
