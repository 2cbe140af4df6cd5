"""Faults of single recordings, and differences between their sample rates."""

from collections import Counter
from collections.abc import Iterator, Sequence

from earmark.audio.source import NoteKind
from earmark.audit.findings import Finding, Severity
from earmark.audit.signal import SILENT_PEAK, SignalStats
from earmark.data.recording import Recording
from earmark.features.levels import power_db

DC_OFFSET = 0.02
CLIPPED_SAMPLES = 20
_NOTES: dict[NoteKind, tuple[Severity, str]] = {
    "header": ("warning", "inconsistent header ({}); re-save the file"),
    "unclosed": ("note", "its writer did not close the file ({}), whose end may be missing"),
    "joined": ("note", "several recordings in one file ({}), read one after another"),
    "rate_change": ("warning", "the sample rate changes ({}); split the file there"),
    "channel_change": ("warning", "the number of channels changes ({}); split the file there"),
    "gap": ("warning", "silence fills gaps between the time stamps ({}); label the sound only"),
    "overlap": ("warning", "sound was dropped where time stamps overlap ({}); re-save the file"),
    "lost_sound": ("warning", "damaged: {} cannot be decoded; replace it"),
    "time_stamps": ("warning", "damaged time stamps are not used ({}); re-save the file"),
    "other_tracks": ("note", "several audio tracks; {} is read"),
}
"""How findings report what decoding noticed."""


def signal_findings(recording: Recording, stats: SignalStats) -> Iterator[Finding]:
    """Faults in the signal of one recording, or in its header."""
    names, path = (recording.name,), recording.path
    if stats.peak < SILENT_PEAK:
        level = f"peak {power_db(stats.peak**2):.0f} dBFS" if stats.peak else "all samples are zero"
        message = f"{path}: silent ({level}); remove it or record it again"
        yield Finding("silent", "warning", names, message)
    if stats.num_clipped >= CLIPPED_SAMPLES:
        message = (
            f"{path}: clipped ({stats.num_clipped} samples); record it at a lower level or remove "
            "it"
        )
        yield Finding("clipped", "warning", names, message)
    if stats.dc_offset > DC_OFFSET:
        message = f"{path}: DC offset of {stats.dc_offset:.3f}; remove the offset"
        yield Finding("dc_offset", "warning", names, message)
    if stats.dead_channel is not None:
        message = (
            f"{path}: channel {stats.dead_channel + 1} of {stats.channels} is silent; remove the "
            "channel"
        )
        yield Finding("dead_channel", "warning", names, message)
    for note in stats.notes:
        severity, form = _NOTES[note.kind]
        yield Finding(note.kind, severity, names, f"{path}: {form.format(note.text)}")


def rate_notes(measured: Sequence[tuple[Recording, SignalStats]]) -> Iterator[Finding]:
    """A note if sample rates differ.

    Args:
        measured: The recordings that could be read.
    """
    counts = Counter(stats.sample_rate for _, stats in measured)
    if len(counts) > 1:
        listed = ", ".join(f"{count} at {rate} Hz" for rate, count in counts.most_common())
        most_common = counts.most_common(1)[0][0]
        names = tuple(one.name for one, stats in measured if stats.sample_rate != most_common)
        message = (
            f"sample rates differ: {listed}; all are resampled, but the bandwidth may still reveal "
            "the label"
        )
        yield Finding("sample_rates", "note", names, message)
