"""What is wrong with single recordings, and with how they differ."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from earmark.check.findings import Finding
from earmark.check.listening import SILENT_PEAK, Facts
from earmark.manifest import SPLITS, Manifest, Recording

DC_OFFSET = 0.02
CLIPPED_SAMPLES = 20


def signal_findings(recording: Recording, facts: Facts) -> Iterator[Finding]:
    """Faults that can be heard in one recording or read in its header."""
    names, path = (recording.name,), recording.path
    if facts.peak < SILENT_PEAK:
        level = f"its peak is {_decibels(facts.peak)} dB" if facts.peak else "every sample is zero"
        message = f"{path}: silent, {level}; take it out or record it again"
        yield Finding("silent", "warning", names, message)
    if facts.num_clipped >= CLIPPED_SAMPLES:
        message = (
            f"{path}: clipped, {facts.num_clipped} samples lie in flat tops or over full scale; "
            "record it at a lower level or leave it out"
        )
        yield Finding("clipped", "warning", names, message)
    if facts.dc_offset > DC_OFFSET:
        message = f"{path}: its mean is {facts.dc_offset:.3f}, not 0; take the offset out"
        yield Finding("dc_offset", "warning", names, message)
    if facts.dead_channel is not None:
        message = (
            f"{path}: channel {facts.dead_channel + 1} of {facts.channels} is silent; keep the "
            "others only"
        )
        yield Finding("dead_channel", "warning", names, message)
    if facts.complaint:
        message = f"{path}: its header lies: it {facts.complaint}; write the file anew"
        yield Finding("header", "warning", names, message)


def rate_notes(heard: Sequence[tuple[Recording, Facts]]) -> Iterator[Finding]:
    """A note when recordings differ in their sample rate."""
    counts = Counter(facts.sample_rate for _, facts in heard)
    if len(counts) > 1:
        listed = ", ".join(f"{count} at {rate} Hz" for rate, count in counts.most_common())
        common = counts.most_common(1)[0][0]
        paths = tuple(one.name for one, facts in heard if facts.sample_rate != common)
        message = f"sample rates differ: {listed}; all are resampled, bandwidth may still tell"
        yield Finding("sample_rates", "note", paths, message)


def label_rows(manifest: Manifest, heard: Mapping[str, Facts]) -> list[dict[str, Any]]:
    """Clips, groups and seconds of each label in each split."""
    rows = []
    for label in manifest.labels:
        for split in SPLITS if manifest.has_splits else (None,):
            of_label = [
                one for one in manifest.recordings if label in one.labels and one.split == split
            ]
            seconds = sum(heard[one.name].duration_seconds for one in of_label if one.name in heard)
            groups = len({one.group for one in of_label})
            rows.append(
                {
                    "label": label,
                    "split": split,
                    "num_clips": len(of_label),
                    "num_groups": groups,
                    "duration_seconds": round(seconds, 3),
                }
            )
    return rows


def missing_labels(manifest: Manifest) -> Iterator[Finding]:
    """Labels that a split which is there lacks."""
    for split in SPLITS if manifest.has_splits else ():
        present = {label for one in manifest.split(split) for label in one.labels}
        if present:
            for label in sorted(set(manifest.labels) - present):
                message = f"{label} is missing from {split}; move recordings of it there"
                yield Finding("missing_label", "warning", (), message)


def _decibels(peak: float) -> str:
    return f"{20 * np.log10(peak):.0f}"
