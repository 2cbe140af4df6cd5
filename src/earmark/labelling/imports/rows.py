"""Excerpts as the recordings of a manifest."""

from pathlib import Path

from earmark.audio.source import WHOLE, Excerpt
from earmark.data.recording import Recording
from earmark.data.tables.columns import HIGH_HZ, LOW_HZ
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
        extra=_extra(one),
    )


def _extra(one: LabelledExcerpt) -> dict[str, str]:
    """The frequency limits of all annotations together, and probabilities.

    An annotation that is an excerpt may get labels of others that lie in it; its own are then kept
    in the column ``annotation``.
    """
    annotations = sorted(one.own or one.annotations, key=lambda each: each.label)
    lows = [each.limits[0] for each in annotations if each.limits[0] is not None]
    highs = [each.limits[1] for each in annotations if each.limits[1] is not None]
    found = {}
    if annotations and len(lows) == len(highs) == len(annotations):
        found = {LOW_HZ: f"{min(lows):.10g}", HIGH_HZ: f"{max(highs):.10g}"}
    probabilities = [each.probability for each in annotations if each.probability is not None]
    if len(probabilities) == len(annotations) and (one.own or len(annotations) == 1):
        found["probability"] = ";".join(map(str, probabilities))
    own = tuple(each.label for each in annotations)
    if one.own and own != one.labels:
        found["annotation"] = ";".join(own)
    return found
