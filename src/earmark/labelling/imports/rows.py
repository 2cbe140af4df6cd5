"""Excerpts as the recordings of a manifest."""

from collections.abc import Sequence
from pathlib import Path

from earmark.audio.source import WHOLE, Excerpt
from earmark.data.recording import Recording
from earmark.data.tables.columns import HIGH_HZ, LOW_HZ
from earmark.labelling.imports.annotations import Annotation
from earmark.labelling.imports.excerpts import (
    ExcerptOptions,
    Excerpts,
    LabelledExcerpt,
    make_excerpts,
)
from earmark.labelling.imports.placing import Checked
from earmark.system.files import path_from


def excerpt_rows(
    path: Path, checked: Checked, seconds: float, options: ExcerptOptions
) -> tuple[list[Recording], Excerpts]:
    """The labelled excerpts of a recording, or the recording itself if its labels have no times.

    Args:
        path: The recording.
        checked: Its annotations.
        seconds: Its length.
        options: How annotations become excerpts.

    Returns:
        The rows, and the excerpts with what was left out.
    """
    if checked.is_whole:
        labels = tuple(sorted({one.label for one in checked.annotations}))
        whole = LabelledExcerpt(0.0, seconds, labels, checked.annotations)
        return [_row(path, whole, WHOLE, checked)], Excerpts([whole])
    excerpts = make_excerpts(checked.annotations, seconds, options)
    rows = [_row(path, one, Excerpt(one.start, one.end), checked) for one in excerpts.excerpts]
    return rows, excerpts


def _row(path: Path, one: LabelledExcerpt, excerpt: Excerpt, checked: Checked) -> Recording:
    name, facts = path_from(Path(), path), checked.facts
    return Recording(
        path=path,
        name=name + (f" {excerpt}" if excerpt != WHOLE else ""),
        labels=one.labels,
        group=facts.get("group", name),
        split=facts.get("split"),
        fold=facts.get("fold"),
        excerpt=excerpt,
        extra=_extra(one.annotations),
    )


def _extra(annotations: Sequence[Annotation]) -> dict[str, str]:
    """The frequency limits of all annotations together, and the probability of a single one."""
    lows = [one.limits[0] for one in annotations if one.limits[0] is not None]
    highs = [one.limits[1] for one in annotations if one.limits[1] is not None]
    found = {}
    if annotations and len(lows) == len(highs) == len(annotations):
        found = {LOW_HZ: f"{min(lows):.10g}", HIGH_HZ: f"{max(highs):.10g}"}
    if len(annotations) == 1 and annotations[0].probability is not None:
        found["probability"] = str(annotations[0].probability)
    return found
