"""Accuracy on parts of the test clips: by what is known of them and by how they sound."""

import math
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import scipy.optimize

from earmark.config import FeatureConfig
from earmark.data.content import Clip
from earmark.data.recording import Recording
from earmark.evaluation.metrics.scores import PartScores, score_part
from earmark.evaluation.result import Evaluation
from earmark.features.log_mel import hann_window, hz_to_mel, mel_filterbank, mel_to_hz
from earmark.features.store import FeatureStore, Frames
from earmark.system.shapes import Bool, Float64

MIN_CLIPS = 10
"""A slice of fewer clips would say hardly anything; none is made."""
MAX_BINS = 4
IDENTIFIER = re.compile(r"(^|[^a-zA-Z])id$|I[dD]$", re.ASCII)
"""How columns of identifiers end: ``id``, ``speaker_id``, ``speakerId``, but not ``grid``."""
MAX_NUMBERED = 20
"""So many different whole numbers, as of takes or rooms, are names; of more, as of ages, ranges."""
MOST_DIGITS = 17
"""As many tell any two numbers apart."""
BANDWIDTH_RANGE_DB = 60.0
GROUP = "group"

Value = float | str
Columns = Mapping[str, Sequence[Value | None]]


@dataclass(frozen=True)
class Slice(PartScores):
    """Figures over the clips that share something.

    Args:
        column: What they share: a column of the manifest, or a property of the sound.
        value: Its value, or its range.

    The interval is over the effective number of clips, or over all where the slice is one group.
    """

    column: str
    value: str


def slice_clips(evaluation: Evaluation, columns: Columns) -> tuple[Slice, ...]:
    """Figures of every slice of at least `MIN_CLIPS` clips, the surely worst first.

    They are sorted by the upper end of the interval: a few clips that are all wrong by chance do
    not come before many that are often wrong. Quantities are cut at quantiles into up to
    `MAX_BINS` ranges of about as many clips. The numbers of a column are names instead where it is
    the group, where the last word of its name is ``id``, and where they are at most `MAX_BINS`
    values or, in the manifest, at most `MAX_NUMBERED` whole numbers.

    Args:
        evaluation: The test.
        columns: A value a clip, or None where it is not known.
    """
    predictions, confidence = evaluation.predictions, evaluation.settings.confidence
    losses = predictions.task.losses(predictions.logits, predictions.targets)
    outcomes = _Outcomes(evaluation.right, losses, predictions.clips)
    slices = [
        outcomes.score(column, value, members, confidence)
        for column, values in columns.items()
        for value, members in _divide(column, values)
    ]
    return tuple(sorted(slices, key=lambda one: (one.accuracy_interval[1], one.accuracy)))


@dataclass(frozen=True)
class _Outcomes:
    """What became of each clip."""

    hits: Bool[np.ndarray, " clips"]
    losses: Float64[np.ndarray, " clips"]
    clips: tuple[Clip, ...]

    def score(self, column: str, value: str, members: list[int], confidence: float) -> Slice:
        """Figures of a slice."""
        hits = self.hits[members]
        groups = [self.clips[index].group_or_name for index in members]
        # Of one group as such, its clips are independent; of all speakers, one speaker's are not.
        size = float(len(members)) if column == GROUP else None
        losses = self.losses[members]
        part = score_part(hits, losses, groups, confidence=confidence, size=size)
        return Slice(column, value, **vars(part))


def _divide(column: str, values: Sequence[Value | None]) -> Iterator[tuple[str, list[int]]]:
    """Values or ranges with the clips that have them, where there are at least two such parts."""
    known = [(index, value) for index, value in enumerate(values) if value not in (None, "")]
    if _is_quantity(column, [value for _, value in known]):
        names = _ranges(np.array([_number(value) for _, value in known]))
    else:
        names = [f"{value:g}" if isinstance(value, float) else value for _, value in known]
    parts: dict[str, list[int]] = {}
    for (index, _), name in zip(known, names, strict=True):
        parts.setdefault(name, []).append(index)
    if len(parts) > 1:
        yield from ((name, members) for name, members in parts.items() if len(members) >= MIN_CLIPS)


def _is_quantity(column: str, values: Sequence[Value | None]) -> bool:
    numbers = [_number(value) for value in values]
    if column == GROUP or IDENTIFIER.search(column) or any(map(math.isnan, numbers)):
        return False
    # What was measured is a quantity, be it whole by chance.
    is_written = all(isinstance(value, str) for value in values)
    is_whole = is_written and all(number.is_integer() for number in numbers)
    return len(set(numbers)) > (MAX_NUMBERED if is_whole else MAX_BINS)


def _number(value: Value | None) -> float:
    try:
        number = float(value or 0.0)
    except ValueError:
        return math.nan
    return number if math.isfinite(number) else math.nan


def _ranges(numbers: Float64[np.ndarray, " clips"]) -> list[str]:
    """The range between quantiles in which each number lies."""
    num_bins = max(1, min(MAX_BINS, len(numbers) // MIN_CLIPS))
    edges = np.unique(np.quantile(numbers, np.linspace(0, 1, num_bins + 1)))
    places = np.clip(np.searchsorted(edges, numbers, side="right") - 1, 0, max(len(edges) - 2, 0))
    texts = _texts(edges)
    return [f"{texts[place]} to {texts[min(place + 1, len(edges) - 1)]}" for place in places]


def _texts(edges: Float64[np.ndarray, " edges"]) -> list[str]:
    """Numbers with as few digits as tell them apart, four at least and none of a whole one lost."""
    whole = len(f"{np.abs(edges).max():.0f}")
    for digits in range(max(4, whole), MOST_DIGITS):
        texts = [f"{edge:.{digits}g}" for edge in edges]
        if len(set(texts)) == len(texts):
            return texts
    return [f"{edge:.{MOST_DIGITS}g}" for edge in edges]


def describe_clips(
    clips: Sequence[Clip], recordings: Mapping[str, Recording], store: FeatureStore
) -> dict[str, list[Value | None]]:
    """What is known of each clip: how it sounds, its group, and every other manifest column.

    The frames are read one clip at a time.

    Args:
        clips: The test clips; their frames are stored.
        recordings: The recording of each clip, by name.
        store: Where the frames are.
    """
    meter = SoundMeter(store.config)
    columns: dict[str, list[Value | None]] = {
        "duration (s)": [],
        "level (dBFS)": [],
        "bandwidth (Hz)": [],
    }
    for clip in clips:
        frames = store[clip.key]
        for column, value in zip(columns, meter(frames), strict=True):
            columns[column].append(value)
    if Counter(clip.group_or_name for clip in clips).most_common(1)[0][1] > 1:
        columns[GROUP] = [clip.group_or_name for clip in clips]
    extra = dict.fromkeys(name for clip in clips for name in recordings[clip.name].extra)
    for name in extra:
        # A column of the manifest may have the name of one of ours.
        title = name if name not in columns else f"{name} (manifest)"
        columns[title] = [recordings[clip.name].extra.get(name) for clip in clips]
    return columns


class SoundMeter:
    """Length, level and bandwidth of sound, from its log-mel frames.

    Args:
        config: The front end.
    """

    def __init__(self, config: FeatureConfig) -> None:
        filterbank = mel_filterbank(config)
        num_bins = filterbank.shape[1]
        # Weights by which the overlapping bands add up to the plain spectrum.
        self._shares, _ = scipy.optimize.nnls(filterbank.T, np.ones(num_bins))
        self._widths = self._shares * filterbank.sum(axis=1)
        low, high = hz_to_mel(np.array([config.f_min, config.top_frequency]), config.mel_scale)
        self._tops_hz = mel_to_hz(np.linspace(low, high, config.n_mels + 2), config.mel_scale)[2:]
        window = hann_window(config.win_length, config.n_fft)
        # Half of the spectrum of a frame sums to the mean square times half of this (Parseval).
        self._full_scale = config.n_fft * float((window**2).sum()) / 2.0
        self._step_seconds = config.hop_length / config.sample_rate

    def __call__(self, frames: Frames) -> tuple[float, float, float]:
        """Seconds, to the step of the front end; level in dB of full scale; bandwidth in Hz.

        The level is that of the mean square, 0 dB for a square wave at full scale, as far as it
        lies in the bands. The bandwidth is the upper edge of the highest band whose mean power by
        hertz is within `BANDWIDTH_RANGE_DB` of the strongest. Both are exact for energies
        (``features.power`` of 2) and near otherwise.

        Args:
            frames: Of a whole clip.
        """
        energy = np.zeros(frames.shape[1])
        for first in range(0, len(frames), 1 << 16):
            decibels = frames[first : first + (1 << 16)].astype(np.float64)
            energy += (10.0 ** (decibels / 10.0)).sum(axis=0)
        power = self._shares * energy / len(frames)
        density = 10.0 * np.log10(np.maximum(power, 1e-30) / np.maximum(self._widths, 1e-9))
        audible = np.flatnonzero(density >= density.max() - BANDWIDTH_RANGE_DB)
        level = 10.0 * math.log10(max(power.sum() / self._full_scale, 1e-12))
        seconds = (len(frames) - 1) * self._step_seconds
        return seconds, level, float(self._tops_hz[audible[-1]])
