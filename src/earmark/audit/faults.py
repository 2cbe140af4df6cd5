"""Faults of single recordings, and differences between their sample rates."""

from collections import Counter
from collections.abc import Iterator, Sequence

from earmark.audio.downmix import missing_channel
from earmark.audio.source import HARMFUL_NOTES, NoteKind
from earmark.audit.findings import Finding, Severity
from earmark.config import FeatureConfig
from earmark.data.recording import Recording
from earmark.data.signals.signal import SILENT_PEAK, SignalStats
from earmark.data.silence import silence_labels
from earmark.features.band import describe_band
from earmark.features.levels import power_db
from earmark.system.numbers import counted

DC_OFFSET = 0.02
CLIPPED_SAMPLES = 20
_NOTES: dict[NoteKind, tuple[Severity, str]] = {
    "header": ("warning", "inconsistent header ({}); re-save the file"),
    "unclosed": ("note", "its writer did not close the file ({}); the end may be missing"),
    "joined": ("note", "{} in one file, read one after another"),
    "rate_change": ("warning", "the sample rate changes ({}); split the file there"),
    "channel_change": ("warning", "the number of channels changes ({}); split the file there"),
    "gap": ("warning", "silence fills gaps between the time stamps ({}); label the sound only"),
    "overlap": ("warning", "sound was dropped where time stamps overlap ({}); re-save the file"),
    "lost_sound": ("warning", "{}"),
    "unread_sound": ("warning", "{}"),
    "time_stamps": ("warning", "damaged time stamps are not used ({}); re-save the file"),
    "other_tracks": ("note", "several audio tracks; {} is read"),
    "out_of_phase": ("warning", "{}"),
    "unused_bits": ("warning", "{}"),
}
"""How findings report what reading noticed."""


def signal_findings(
    recording: Recording, stats: SignalStats, channel: int | None = None
) -> Iterator[Finding]:
    """Faults in the signal of one recording, or in its header.

    Args:
        recording: The recording.
        stats: What was measured of the mean of its channels.
        channel: The one that features use; None for the mean.
    """
    names, path = (recording.name,), recording.path
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
    if channel is not None and channel > stats.channels:
        message = str(missing_channel(recording.path, channel, stats.channels))
        yield Finding("unreadable", "error", names, message, cause="channel")
    for note in stats.notes:
        if note.kind == "out_of_phase" and channel is not None:
            continue
        severity, form = _NOTES[note.kind]
        yield Finding(note.kind, severity, names, f"{path}: {form.format(note.text)}")


_SILENCE_EFFECT = "which training gives to silence"


def silence_findings(
    measured: Sequence[tuple[Recording, SignalStats]], background: str = ""
) -> Iterator[Finding]:
    """A warning for each silent recording; a note for those that a label of silence has.

    Most recordings of such a label are silent, and most of the silent ones have it.

    Args:
        measured: The recordings that could be read.
        background: The label that is never predicted; its silent recordings say that a model should
            abstain on silence, as it does.
    """
    silent = [(one, stats) for one, stats in measured if _is_silent(stats)]
    meant: list[str] = []
    if len(silent) < len(measured):
        meant = silence_labels(
            [one.labels for one, _ in silent], [one.labels for one, _ in measured]
        )
    names = tuple(one.name for one, _ in silent if set(meant) & set(one.labels))
    if names:
        labels = " and ".join(repr(label) for label in sorted(meant))
        silent_ones = counted(len(names), "silent recording")
        effect = "on which a model abstains" if meant == [background] else _SILENCE_EFFECT
        message = f"{silent_ones} with the label {labels}, {effect}"
        yield Finding("silent", "note", names, message)
    for one, stats in silent:
        if one.name not in names:
            power = f"peak {power_db(stats.peak**2):.0f} dBFS"
            level = power if stats.peak else "all samples are zero"
            message = f"{one.path}: silent ({level}); remove it or record it again"
            yield Finding("silent", "warning", (one.name,), message)


def _is_silent(stats: SignalStats) -> bool:
    # Notes of these kinds are causes of silence, and come with a better fix.
    has_cause = any(note.kind in HARMFUL_NOTES for note in stats.notes)
    return stats.peak < SILENT_PEAK and not has_cause


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


def band_findings(
    measured: Sequence[tuple[Recording, SignalStats]], config: FeatureConfig
) -> Iterator[Finding]:
    """A note on recordings far above the band of the features, and a warning if it lacks power.

    Args:
        measured: The recordings that could be read.
        config: The front end.
    """
    far = [(one, stats) for one, stats in measured if describe_band(stats.sample_rate, config)]
    if far:
        text = describe_band(max(stats.sample_rate for _, stats in far), config)
        message = f"{len(far)} of {len(measured)} {text}; raise features.sample_rate to keep more"
        yield Finding("bandwidth", "note", tuple(one.name for one, _ in far), message)
    top = config.top_frequency
    above = [one for one, stats in measured if (stats.median_hz or 0.0) > top]
    if above:
        message = (
            f"{len(above)} of {len(measured)} recordings have most of their power above "
            f"{top / 1000:g} kHz, which the features leave out (the first is {above[0].path}); "
            "raise features.sample_rate, and features.f_max if it is set"
        )
        yield Finding("bandwidth", "warning", tuple(one.name for one in above), message)
