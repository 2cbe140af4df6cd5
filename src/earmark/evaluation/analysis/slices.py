"""Metrics on slices of the test clips: by the columns of the manifest and by acoustics."""

import functools
import math
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from earmark.config import FeatureConfig
from earmark.data.content import Clip
from earmark.data.recording import Recording
from earmark.evaluation.metrics.subsets import SubsetScores, score_subset
from earmark.evaluation.result import Evaluation
from earmark.features.levels import mean_band_powers, mean_level_db
from earmark.features.log_mel import hz_to_mel, mel_filterbank, mel_to_hz
from earmark.features.store import FeatureStore, Frames
from earmark.system.numbers import parse_number
from earmark.system.shapes import Bool, Float64

MIN_CLIPS = 10
"""Smaller slices are left out: their intervals are too wide to be useful."""
MAX_BINS = 4
IDENTIFIER = re.compile(r"(^|[^a-zA-Z])id$|I[dD]$", re.ASCII)
"""Names of columns of identifiers: ``id``, ``speaker_id``, ``speakerId``, but not ``grid``."""
MAX_NUMBERED = 20
"""At most this many different whole numbers are names, such as takes; more are a quantity."""
MAX_DIGITS = 17
"""Enough to distinguish any two numbers."""
BANDWIDTH_RANGE_DB = 60.0
GROUP = "group"

Value = float | str
Columns = Mapping[str, Sequence[Value | None]]


@dataclass(frozen=True)
class Slice(SubsetScores):
    """Metrics over the clips with the same value of a column.

    Args:
        column: A column of the manifest, or an acoustic property.
        value: Its value or range.

    The interval is over the effective number of clips, or over all if the slice is one group.
    """

    column: str
    value: str


def slice_clips(evaluation: Evaluation, columns: Columns) -> tuple[Slice, ...]:
    """Metrics of every slice of at least `MIN_CLIPS` clips, the worst first.

    Slices are sorted by the upper end of their interval, so that a few clips that are all wrong by
    chance do not come before many that are often wrong. Quantities are divided at quantiles into up
    to `MAX_BINS` ranges of about as many clips. Numbers are names instead in the column of groups,
    in columns whose name ends in ``id``, and if there are at most `MAX_BINS` different ones or, in
    the manifest, at most `MAX_NUMBERED` whole ones.

    Args:
        evaluation: The test.
        columns: One value per clip, None if unknown.
    """
    predictions, confidence = evaluation.predictions, evaluation.settings.confidence
    losses = predictions.task.losses(predictions.logits, predictions.targets)
    outcomes = _Outcomes(evaluation.correct, losses, predictions.clips)
    slices = [
        outcomes.score(column, value, members, confidence)
        for column, values in columns.items()
        for value, members in _divide(column, values)
    ]
    return tuple(sorted(slices, key=lambda one: (one.accuracy_interval[1], one.accuracy)))


@dataclass(frozen=True)
class _Outcomes:
    """Outcome of each clip."""

    correct: Bool[np.ndarray, " clips"]
    losses: Float64[np.ndarray, " clips"]
    clips: tuple[Clip, ...]

    def score(self, column: str, value: str, members: list[int], confidence: float) -> Slice:
        """Metrics of a slice."""
        correct = self.correct[members]
        groups = [self.clips[index].group_or_name for index in members]
        # Clips of one group are dependent among other groups, but not in a slice of that group.
        size = float(len(members)) if column == GROUP else None
        losses = self.losses[members]
        subset = score_subset(correct, losses, groups, confidence=confidence, size=size)
        return Slice(column, value, **vars(subset))


def _divide(column: str, values: Sequence[Value | None]) -> Iterator[tuple[str, list[int]]]:
    """Values or ranges and the clips that have them, if there are at least two."""
    known = [(index, value) for index, value in enumerate(values) if value not in (None, "")]
    if _is_quantity(column, [value for _, value in known]):
        names = _ranges(np.array([_number(value) for _, value in known]))
    else:
        names = [f"{value:g}" if isinstance(value, float) else value for _, value in known]
    members: dict[str, list[int]] = {}
    for (index, _), name in zip(known, names, strict=True):
        members.setdefault(name, []).append(index)
    if len(members) > 1:
        yield from ((name, found) for name, found in members.items() if len(found) >= MIN_CLIPS)


def _is_quantity(column: str, values: Sequence[Value | None]) -> bool:
    numbers = [_number(value) for value in values]
    if column == GROUP or IDENTIFIER.search(column) or any(map(math.isnan, numbers)):
        return False
    # Measurements are quantities even if they happen to be whole.
    is_written = all(isinstance(value, str) for value in values)
    is_whole = is_written and all(number.is_integer() for number in numbers)
    return len(set(numbers)) > (MAX_NUMBERED if is_whole else MAX_BINS)


def _number(value: Value | None) -> float:
    number = parse_number(value) if isinstance(value, str) else value
    return number if number is not None and math.isfinite(number) else math.nan


def _ranges(numbers: Float64[np.ndarray, " clips"]) -> list[str]:
    """The range between quantiles that contains each number."""
    num_bins = max(1, min(MAX_BINS, len(numbers) // MIN_CLIPS))
    edges = np.unique(np.quantile(numbers, np.linspace(0, 1, num_bins + 1)))
    places = np.clip(np.searchsorted(edges, numbers, side="right") - 1, 0, max(len(edges) - 2, 0))
    texts = _texts(edges)
    return [f"{texts[place]} to {texts[min(place + 1, len(edges) - 1)]}" for place in places]


def _texts(edges: Float64[np.ndarray, " edges"]) -> list[str]:
    """Distinct texts of numbers: four digits or more, and at least all digits of whole numbers."""
    whole = len(f"{np.abs(edges).max():.0f}")
    for digits in range(max(4, whole), MAX_DIGITS):
        texts = [f"{edge:.{digits}g}" for edge in edges]
        if len(set(texts)) == len(texts):
            return texts
    return [f"{edge:.{MAX_DIGITS}g}" for edge in edges]


def describe_clips(
    clips: Sequence[Clip], recordings: Mapping[str, Recording], store: FeatureStore
) -> dict[str, list[Value | None]]:
    """Columns to slice by: acoustic properties, the group, and all other columns of the manifest.

    The frames are read one clip at a time.

    Args:
        clips: The test clips; their frames are stored.
        recordings: The recording of each clip, by name.
        store: The feature store.
    """
    columns: dict[str, list[Value | None]] = {
        "duration (s)": [],
        "level (dBFS)": [],
        "bandwidth (Hz)": [],
    }
    for clip in clips:
        measured = measure_sound(store[clip.key], store.config)
        for column, value in zip(columns, measured, strict=True):
            columns[column].append(value)
    if Counter(clip.group_or_name for clip in clips).most_common(1)[0][1] > 1:
        columns[GROUP] = [clip.group_or_name for clip in clips]
    extra = dict.fromkeys(name for clip in clips for name in recordings[clip.name].extra)
    for name in extra:
        # A column of the manifest may have the name of an acoustic property.
        title = name if name not in columns else f"{name} (manifest)"
        columns[title] = [recordings[clip.name].extra.get(name) for clip in clips]
    return columns


def measure_sound(
    frames: Frames, config: FeatureConfig
) -> tuple[float, float | None, float | None]:
    """Duration in seconds, level in dB of full scale and bandwidth in Hz of a clip.

    The duration is a multiple of the hop. The level is that of the mean square in the mel bands.
    The bandwidth is the upper edge of the highest band whose power spectral density is within
    `BANDWIDTH_RANGE_DB` of the largest. Level and bandwidth are exact for ``features.power`` of 2
    and estimates otherwise; of an embedder's vectors they are not known.

    Args:
        frames: Log-mel frames of a whole clip.
        config: The front end that made them.
    """
    seconds = (len(frames) - 1 + config.frames_beyond) * config.frame_seconds
    if config.embedder is not None:
        return seconds, None, None
    areas, upper_edges_hz = _bands(config)
    powers = mean_band_powers(frames, config)
    density_db = 10.0 * np.log10(np.maximum(powers * areas ** (-2.0 / config.power), 1e-30))
    audible = np.flatnonzero(density_db >= density_db.max() - BANDWIDTH_RANGE_DB)
    return seconds, mean_level_db(powers, config), float(upper_edges_hz[audible[-1]])


@functools.lru_cache(maxsize=4)
def _bands(
    config: FeatureConfig,
) -> tuple[Float64[np.ndarray, " mels"], Float64[np.ndarray, " mels"]]:
    """Area of each triangle of the filter bank, and its upper edge in Hz."""
    low, high = hz_to_mel(np.array([config.f_min, config.top_frequency]), config.mel_scale)
    edges_hz = mel_to_hz(np.linspace(low, high, config.n_mels + 2), config.mel_scale)
    return mel_filterbank(config).sum(axis=1).astype(np.float64), edges_hz[2:]
