"""The fingerprint of a data set: what a training needs to know of it to configure itself."""

import hashlib
import math
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from earmark.audio.source import Excerpt
from earmark.data.manifest import Manifest
from earmark.data.recording import Recording
from earmark.data.signals.cache import CheckCache
from earmark.data.signals.contents import read_digests
from earmark.data.signals.headers import read_headers
from earmark.data.signals.measure import MeasuredRecording, measure_recordings
from earmark.data.signals.signal import SignalStats
from earmark.errors import AudioError
from earmark.features.digests import ContentDigests
from earmark.features.store import ClipKey
from earmark.system.numbers import counted
from earmark.system.progress import SILENT, Reporter
from earmark.tasks.task import Task

MAX_MEASURED = 256
MAX_MEASURED_SECONDS = 3000.0
"""How many recordings, and how much of them, are decoded for the statistics of their signals."""
EXCERPT_SECONDS = 60
"""Of a longer recording an excerpt is measured."""
LATEST_START_SECONDS = 60
"""From where such an excerpt starts at the latest: some decoders cannot seek."""


@dataclass(frozen=True)
class Quantiles:
    """A distribution over recordings; zeros where there are none.

    Args:
        low: The 5% quantile.
        median: The 50% quantile.
        high: The 95% quantile.

    Example:
        >>> Quantiles.of([1.0, 2.0, 3.0]).median
        2.0
    """

    low: float
    median: float
    high: float

    def spread(self, form: str) -> str:
        """The median with the others in brackets, where they differ.

        Args:
            form: How to format a number.
        """
        low, median, high = (format(one, form) for one in (self.low, self.median, self.high))
        return median if low == high else f"{median} ({low} to {high})"

    @classmethod
    def of(cls, values: Iterable[float]) -> "Quantiles":
        """The quantiles of some values."""
        found = np.fromiter(values, np.float64)
        return cls(*(np.quantile(found, (0.05, 0.5, 0.95)).tolist() if len(found) else (0.0,) * 3))


@dataclass(frozen=True)
class LabelStats:
    """The recordings of a label.

    Args:
        num_clips: How many there are.
        num_groups: How many groups they are from.
        seconds: How long they are together.
    """

    num_clips: int
    num_groups: int
    seconds: float


@dataclass(frozen=True)
class DataFingerprint:
    """What is known of a data set before any training; a clip is a recording that can be opened.

    Args:
        task: Name of the task.
        labels: The vocabulary, with the clips of each label.
        num_clips: Number of clips.
        num_groups: Number of groups; a clip without one is a group of its own.
        total_seconds: Length of all clips.
        sample_rates: Sample rate in Hz to the number of clips.
        duration_seconds: Length of a clip.
        num_measured: Clips whose signal was measured, a sample with about as many of each label;
            the values below are of these.
        bandwidth_hz: Frequency below which 99% of the power lies.
        reach_hz: Highest frequency with any sound, such as that of a low-pass filter; see
            `SignalStats`.
        active_fraction: Fraction of a clip that is sound rather than pauses.
        event_seconds: Median length of sounds between pauses.
        level_db: Mean square, in dB of full scale.

    Example:
        >>> some = Quantiles(1.0, 2.0, 3.0)
        >>> labels = {"a": LabelStats(1, 1, 2.0), "b": LabelStats(1, 1, 2.0)}
        >>> found = DataFingerprint(
        ...     "binary", labels, 2, 2, 4.0, {16_000: 2}, some, 2, some, some, some, some, some
        ... )
        >>> DataFingerprint.from_dict(found.to_dict()) == found
        True
    """

    task: str
    labels: Mapping[str, LabelStats]
    num_clips: int
    num_groups: int
    total_seconds: float
    sample_rates: Mapping[int, int]
    duration_seconds: Quantiles
    num_measured: int
    bandwidth_hz: Quantiles
    reach_hz: Quantiles
    active_fraction: Quantiles
    event_seconds: Quantiles
    level_db: Quantiles

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON; sample rates, which are keys, become text."""
        rates = {str(rate): count for rate, count in self.sample_rates.items()}
        return {**asdict(self), "sample_rates": rates}

    @classmethod
    def from_dict(cls, document: Mapping[str, Any]) -> "DataFingerprint":
        """The fingerprint that `to_dict` gave."""
        values: dict[str, Any] = dict(document)
        values["labels"] = {key: LabelStats(**one) for key, one in document["labels"].items()}
        values["sample_rates"] = {int(key): n for key, n in document["sample_rates"].items()}
        for field in fields(cls):
            if field.type is Quantiles:
                values[field.name] = Quantiles(**document[field.name])
        return cls(**values)

    def summary(self) -> tuple[str, ...]:
        """A few lines for people; what only measurements tell is left out where there are none."""
        rates = (
            f"{rate / 1000:g} kHz" + (f" ({count:,})" if len(self.sample_rates) > 1 else "")
            for rate, count in self.sample_rates.items()
        )
        lines = [
            f"{counted(self.num_clips, 'clip')} of {counted(len(self.labels), 'label')} in "
            f"{counted(self.num_groups, 'group')}, {self.total_seconds / 60:,.1f} min",
            f"length {self.duration_seconds.spread('.2f')} s; sample rate {', '.join(rates)}",
            f"sound up to {self.reach_hz.spread(',.0f')} Hz; 99% of the power below "
            f"{self.bandwidth_hz.spread(',.0f')} Hz; level {self.level_db.spread('.0f')} dB",
            f"{self.active_fraction.spread('.0%')} of a clip is sound, in events of "
            f"{self.event_seconds.spread('.2f')} s",
            "medians (5% to 95% quantiles); signals measured of "
            f"{counted(self.num_measured, 'clip')}",
        ]
        return tuple(lines if self.num_measured else lines[: 2 if self.num_clips else 1])


class _Clip(NamedTuple):
    """A recording that can be opened.

    Args:
        recording: The recording.
        rank: A number that depends on its content only, as random as its digest.
        sample_rate: Of its file, in Hz.
        seconds: Its length, as far as the header tells.
    """

    recording: Recording
    rank: bytes
    sample_rate: int
    seconds: float | None


def fingerprint_data(
    manifest: Manifest, task: Task, root: Path, reporter: Reporter = SILENT
) -> DataFingerprint:
    """The fingerprint of a data set.

    Durations and sample rates are those of the headers of all files. A sample of at most
    `MAX_MEASURED` recordings and `MAX_MEASURED_SECONDS` is decoded, as `earmark check` does; it
    depends on the contents of the files and on the labels only. Whatever is read is kept in the
    store, and the result does not depend on what is kept there.

    Args:
        manifest: The recordings that may be looked at. Leave out the test split.
        task: What the labels mean.
        root: Folder of the feature store, where headers and measurements are kept.
        reporter: Shows progress.

    Returns:
        The fingerprint; recordings that cannot be opened or decoded are left out.

    Raises:
        StoreError: The store is damaged, or cannot be written.

    Example:
        >>> from tempfile import TemporaryDirectory
        >>> from earmark.data.demo import demo_data
        >>> from earmark.data.manifest import read_manifest
        >>> from earmark.tasks.task import BINARY
        >>> with demo_data() as folder, TemporaryDirectory() as store:
        ...     found = fingerprint_data(read_manifest(folder), BINARY, Path(store))
        >>> found.num_clips, found.sample_rates
        (130, {16000: 130})
    """
    clips = _read_clips(manifest, root, reporter)
    sample = [_measured_part(one) for one in _sample(clips)]
    measured = measure_recordings(replace(manifest, recordings=tuple(sample)), root, reporter)
    clips = [one for one in clips if not isinstance(measured.get(one.recording.name), AudioError)]
    stats = {
        name: one.stats for name, one in measured.items() if isinstance(one, MeasuredRecording)
    }
    seconds = _durations(clips, stats)
    return DataFingerprint(
        task.name,
        _label_stats(clips, seconds, manifest.labels),
        len(clips),
        len({one.recording.group for one in clips}),
        math.fsum(seconds.values()),
        dict(sorted(Counter(one.sample_rate for one in clips).items())),
        Quantiles.of(seconds.values()),
        len(stats),
        **_signal_quantiles(stats.values()),
    )


def _read_clips(manifest: Manifest, root: Path, reporter: Reporter) -> list[_Clip]:
    """The recordings that can be opened, in the order of the data."""
    with ContentDigests(root) as digests, CheckCache(root) as cache:
        found = read_digests(manifest.recordings, digests, reporter)
        known = {name: one for name, one in found.items() if isinstance(one, str)}
        readable = [one for one in manifest.recordings if one.name in known]
        headers = read_headers(readable, known, cache, reporter)
    clips = []
    for one in readable:
        if one.name in headers:
            key = str(ClipKey.of(known[one.name], one.excerpt))
            rank = hashlib.blake2b(key.encode(), digest_size=16).digest()
            header = headers[one.name]
            clips.append(_Clip(one, rank, header.sample_rate, _length(one.excerpt, header.seconds)))
    return clips


def _length(excerpt: Excerpt, seconds: float | None) -> float | None:
    """Length of an excerpt of a file of some length."""
    ends = [end for end in (excerpt.end, seconds) if end is not None and end > excerpt.start]
    return min(ends) - excerpt.start if ends else None


def _sample(clips: Sequence[_Clip]) -> Iterator[_Clip]:
    """One of each label in turn, by their ranks, up to the limits; each content once."""
    counts = Counter(label for one in clips for label in one.recording.labels)
    contents: dict[bytes, _Clip] = {}
    for one in sorted(clips, key=lambda one: (one.rank, one.recording.labels, one.recording.name)):
        contents.setdefault(one.rank, one)
    by_label: dict[str, list[_Clip]] = defaultdict(list)
    for one in contents.values():
        rarest = min(one.recording.labels, key=lambda label: (counts[label], label), default="")
        by_label[rarest].append(one)
    # No two ranks are equal, so what comes after them is never compared.
    turns = sorted(
        (turn, one.rank, one) for ones in by_label.values() for turn, one in enumerate(ones)
    )
    seconds = 0.0
    for _, _, one in turns[:MAX_MEASURED]:
        seconds += min(one.seconds or EXCERPT_SECONDS, EXCERPT_SECONDS)
        if seconds > MAX_MEASURED_SECONDS:
            return
        yield one


def _measured_part(clip: _Clip) -> Recording:
    """A recording; of a long one an excerpt near its middle, but not far from its start."""
    if clip.seconds is None or clip.seconds <= EXCERPT_SECONDS:
        return clip.recording
    spare = (clip.seconds - EXCERPT_SECONDS) / 2
    start = clip.recording.excerpt.start + min(int(spare), LATEST_START_SECONDS)
    return replace(clip.recording, excerpt=Excerpt(start, start + EXCERPT_SECONDS))


def _durations(clips: Sequence[_Clip], stats: Mapping[str, SignalStats]) -> dict[str, float]:
    """Length of each clip: declared or measured, or else the mean of those."""
    known: dict[str, float] = {}
    for clip in clips:
        name = clip.recording.name
        if clip.seconds is not None:
            known[name] = clip.seconds
        elif name in stats:
            known[name] = stats[name].duration_seconds
    mean = math.fsum(known.values()) / max(len(known), 1)
    return {clip.recording.name: known.get(clip.recording.name, mean) for clip in clips}


def _label_stats(
    clips: Sequence[_Clip], seconds: Mapping[str, float], labels: Sequence[str]
) -> dict[str, LabelStats]:
    found: dict[str, list[Recording]] = {label: [] for label in labels}
    for clip in clips:
        for label in clip.recording.labels:
            found[label].append(clip.recording)
    return {
        label: LabelStats(
            len(ones),
            len({one.group for one in ones}),
            math.fsum(seconds[one.name] for one in ones),
        )
        for label, ones in found.items()
    }


def _signal_quantiles(stats: Iterable[SignalStats]) -> dict[str, Quantiles]:
    """The quantiles of what was measured; a silent recording has no events."""
    found = list(stats)
    return {
        "bandwidth_hz": Quantiles.of(one.bandwidth_hz for one in found if one.bandwidth_hz),
        "reach_hz": Quantiles.of(one.reach_hz for one in found if one.reach_hz),
        "active_fraction": Quantiles.of(one.active_fraction for one in found),
        "event_seconds": Quantiles.of(one.event_seconds for one in found if one.event_seconds),
        "level_db": Quantiles.of(one.level_db for one in found),
    }
