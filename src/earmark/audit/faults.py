"""What is wrong with single recordings, and with how they differ."""

from collections import Counter
from collections.abc import Iterator, Sequence

import numpy as np

from earmark.audit.findings import Finding
from earmark.audit.signal import SILENT_PEAK, SignalStats
from earmark.data.manifest import Recording

DC_OFFSET = 0.02
CLIPPED_SAMPLES = 20


def signal_findings(recording: Recording, facts: SignalStats) -> Iterator[Finding]:
    """Faults that can be heard in one recording or read in its header."""
    names, path = (recording.name,), recording.path
    if facts.peak < SILENT_PEAK:
        level = f"its peak is {_decibels(facts.peak)} dB" if facts.peak else "every sample is zero"
        message = f"{path}: silent, {level}; take it out or record it again"
        yield Finding("silent", "warning", names, message)
    if facts.num_clipped >= CLIPPED_SAMPLES:
        message = (
            f"{path}: clipped, {facts.num_clipped} samples lie in flat tops or in runs over full "
            "scale; record it at a lower level or leave it out"
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
        message = f"{path}: inconsistent header ({facts.complaint}); re-save the file"
        yield Finding("header", "warning", names, message)


def rate_notes(heard: Sequence[tuple[Recording, SignalStats]]) -> Iterator[Finding]:
    """A note when recordings differ in their sample rate."""
    counts = Counter(facts.sample_rate for _, facts in heard)
    if len(counts) > 1:
        listed = ", ".join(f"{count} at {rate} Hz" for rate, count in counts.most_common())
        common = counts.most_common(1)[0][0]
        paths = tuple(one.name for one, facts in heard if facts.sample_rate != common)
        message = f"sample rates differ: {listed}; all are resampled, bandwidth may still tell"
        yield Finding("sample_rates", "note", paths, message)


def _decibels(peak: float) -> str:
    return f"{20 * np.log10(peak):.0f}"
