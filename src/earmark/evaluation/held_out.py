"""What a model may be tested on: nothing that it was trained or validated on."""

import logging
from collections import Counter
from dataclasses import dataclass, replace
from pathlib import Path

from earmark.data.content import Clip, ContentSet
from earmark.data.labels import require_labels
from earmark.data.manifest import Manifest
from earmark.data.preparation import Prepared, usable_clips
from earmark.errors import DataError
from earmark.features.store import ClipKey
from earmark.models.checkpoint import ModelSpec
from earmark.models.run_folder import RunFolder
from earmark.system.runtime import Runtime

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Seen:
    """What a run knows of its training and validation.

    Args:
        content: Content of what it was trained and validated on.
        groups: Their groups.
        commonest: The labels that most of its training recordings have.
    """

    content: ContentSet
    groups: frozenset[str]
    commonest: tuple[str, ...]


def read_seen(run: Path | None) -> Seen | None:
    """What the run folder of a model knows; None without one."""
    if run is None:
        return None
    rows = [row for row in RunFolder(run).read_recordings() if row["split"] != "test"]
    # A recording that is its own group says nothing about others of the same name.
    groups = frozenset(row["group"] for row in rows if row["group"] != row["name"])
    counts = Counter(row["label"] for row in rows if row["split"] == "train")
    # Of equally common ones the first in the alphabet, so that the order of rows does not matter.
    commonest = min(counts, key=lambda labels: (-counts[labels], labels), default="")
    labels = tuple(commonest.split(";")) if commonest else ()
    return Seen(ContentSet(ClipKey.parse(row["key"]) for row in rows if row["key"]), groups, labels)


def check_labels(manifest: Manifest, spec: ModelSpec) -> None:
    """Checks that the model can be right about every recording.

    Raises:
        DataError: A recording's labels do not fit the task, or the model does not know one.
    """
    require_labels(manifest, spec.task)
    unknown = sorted(set(manifest.labels) - set(spec.labels))
    if unknown:
        raise DataError(
            f"{manifest.source}: label {unknown[0]!r} is unknown to the model, which tells "
            f"{' from '.join(spec.labels)}"
        )


def test_part(
    manifest: Manifest, seen: Seen | None, labels: tuple[str, ...], runtime: Runtime
) -> Manifest:
    """The recordings that may be tested on, as far as the manifest tells.

    Raises:
        DataError: There is no test split, nor a run that knows what it has not seen.
    """
    groups = seen.groups if seen else frozenset()
    if manifest.has_splits:
        tested = manifest.split("test")
        if not tested:
            raise DataError(f"{manifest.source}: no test split; add one or give other data")
        shared = sorted({one.group for one in tested} & groups)
        if shared:
            logger.warning(
                f"{len(shared)} groups of the test split have the names of groups that were "
                f"trained on ({', '.join(shared[:3])}); if they are the same, the figures flatter"
            )
    elif seen is None:
        raise DataError(
            f"{manifest.source}: has no splits, and this model does not know what it was trained "
            "on; give its run folder, or data with a test split"
        )
    else:
        tested = tuple(one for one in manifest.recordings if one.group not in groups)
    recordings = tuple(replace(one, split="test") for one in tested)
    return replace(manifest, recordings=recordings, labels=labels)


def unseen_clips(
    part: Manifest, prepared: Prepared, seen: Seen | None, *, was_split: bool
) -> list[Clip]:
    """The clips that may be tested on, by their content.

    Raises:
        DataError: Clips of a test split were trained on, or none is left.
    """
    clips = usable_clips(part, prepared, "test")
    known = dict.fromkeys(clip for clip in clips if seen and clip.key in seen.content)
    if known and was_split:
        listed = ", ".join(clip.name for clip in list(known)[:3])
        raise DataError(
            f"{part.source}: {len(known)} test clips have the same content as clips of the "
            f"training or validation split: {listed}; take them out of one of the two"
        )
    left = [clip for clip in clips if clip not in known]
    if not left:
        raise DataError(
            f"{part.source}: no clip is left to test on; give recordings of groups that took no "
            "part in training"
        )
    return left
