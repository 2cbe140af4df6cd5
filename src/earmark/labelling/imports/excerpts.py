"""From the annotations of a recording to labelled excerpts of it.

Windows at regular steps have the labels that cover enough of them, and the background where nothing
was annotated; or each annotation is an excerpt of its own.
"""

import bisect
import math
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from earmark.audio.source import MIN_SECONDS
from earmark.config import TrainConfig
from earmark.errors import ConfigError
from earmark.labelling.imports.annotations import TIME_DECIMALS, Annotation

BACKGROUND = TrainConfig().background_label
"""The default of ``train.background_label``."""
_TOUCH_SECONDS = 1e-6
"""Less is a rounding error."""


@dataclass(frozen=True)
class ExcerptOptions:
    """How annotations become excerpts.

    Args:
        window_seconds: Length of the windows.
        hop_seconds: Step between them; by default their length.
        min_coverage: The fraction of a window that a label must cover, or the fraction of an
            annotation that must be in the window if it is shorter.
        whole: Whether each annotation is an excerpt; windows are then the background alone.
        multi_label: Whether an excerpt may have several labels.
        background: Whether windows without any annotation are the background.

    Raises:
        ConfigError: A value is out of its range.

    Example:
        >>> ExcerptOptions(window_seconds=2.0).hop
        2.0
    """

    window_seconds: float = 1.0
    hop_seconds: float | None = None
    min_coverage: float = 0.5
    whole: bool = False
    multi_label: bool = False
    background: bool = True

    def __post_init__(self) -> None:
        if not MIN_SECONDS <= self.window_seconds < math.inf:
            raise ConfigError(f"--window {self.window_seconds:g}: give {MIN_SECONDS} s or more")
        if not 0 < self.hop <= self.window_seconds:
            raise ConfigError(
                f"--hop {self.hop:g}: give more than 0 s and at most --window "
                f"{self.window_seconds:g}, or sound would be left out"
            )
        if not 0 < self.min_coverage <= 1:
            raise ConfigError(f"--min-coverage {self.min_coverage:g}: give a fraction up to 1")

    @property
    def hop(self) -> float:
        """The step between windows, in seconds."""
        return self.window_seconds if self.hop_seconds is None else self.hop_seconds


@dataclass(frozen=True)
class LabelledExcerpt:
    """A part of a recording with its labels.

    Args:
        start: In seconds.
        end: In seconds.
        labels: Sorted.
        annotations: Those that gave the labels.
        own: Those that the excerpt was made of; none for a window.
    """

    start: float
    end: float
    labels: tuple[str, ...]
    annotations: tuple[Annotation, ...] = ()
    own: tuple[Annotation, ...] = ()


@dataclass
class Excerpts:
    """The excerpts of a recording, and what was left out.

    Args:
        excerpts: In the order of time.
        num_partial: Windows that annotations touch without covering enough.
        num_mixed: Windows with several labels where only one is allowed.
        lost: Label to the number of its annotations that are in no excerpt with the label.
    """

    excerpts: list[LabelledExcerpt] = field(default_factory=list)
    num_partial: int = 0
    num_mixed: int = 0
    lost: Counter[str] = field(default_factory=Counter)


def make_excerpts(
    annotations: Sequence[Annotation], seconds: float, options: ExcerptOptions
) -> Excerpts:
    """Labelled excerpts of a recording.

    Args:
        annotations: With times within the recording, sorted by their start.
        seconds: Length of the recording.
        options: How they are made.

    Example:
        >>> note = Annotation(1.2, 2.0, "wren", "row 1")
        >>> for one in make_excerpts([note], 3.0, ExcerptOptions()).excerpts:
        ...     print(one.start, one.end, *one.labels)
        0.0 1.0 _background_
        1.0 2.0 wren
        2.0 3.0 _background_
    """
    needs_windows = options.background or not options.whole
    windows = make_windows(seconds, options) if needs_windows else []
    touching = _touching(annotations, windows)
    found = Excerpts()
    if options.whole:
        spans: dict[_Span, list[Annotation]] = defaultdict(list)
        for one in annotations:
            spans[_span(one, seconds, options)].append(one)
        touched = _touching(annotations, list(spans))
        for index, (span, own) in enumerate(spans.items()):
            _add(found, span, touched[index], options, tuple(own))
    for index, window in enumerate(windows):
        if index not in touching:
            if options.background:
                found.excerpts.append(LabelledExcerpt(*window, (BACKGROUND,)))
        elif not options.whole:
            _add(found, window, touching[index], options)
    used = {id(one) for excerpt in found.excerpts for one in excerpt.annotations}
    found.lost = Counter(one.label for one in annotations if id(one) not in used)
    found.excerpts.sort(key=lambda one: (one.start, one.end))
    return found


_Span = tuple[float, float]


def make_windows(seconds: float, options: ExcerptOptions) -> list[_Span]:
    """Start and end of the windows; the last one ends with the recording.

    Args:
        seconds: Length of the recording.
        options: How long they are.

    Example:
        >>> make_windows(2.5, ExcerptOptions())
        [(0.0, 1.0), (1.0, 2.0), (1.5, 2.5)]
    """
    length, hop = options.window_seconds, options.hop
    # Rounded down, so that no window ends after the recording.
    end = math.floor(seconds * 10**TIME_DECIMALS + 1e-3) / 10**TIME_DECIMALS
    if end <= length:
        return [(0.0, end)]
    count = math.floor((end - length) / hop + 1e-9) + 1
    starts = [round(index * hop, TIME_DECIMALS) for index in range(count)]
    if end - (starts[-1] + length) > 1e-3:
        starts.append(round(end - length, TIME_DECIMALS))
    return [(start, min(round(start + length, TIME_DECIMALS), end)) for start in starts]


def _span(one: Annotation, seconds: float, options: ExcerptOptions) -> _Span:
    """The excerpt that an annotation is; one too short to use is widened to a window."""
    end = one.start if one.end is None else one.end
    if end - one.start >= MIN_SECONDS:
        return one.start, end
    half = options.window_seconds / 2
    start = min(max((one.start + end) / 2 - half, 0.0), max(seconds - 2 * half, 0.0))
    return (
        round(start, TIME_DECIMALS),
        round(min(start + 2 * half, seconds), TIME_DECIMALS),
    )


def _touching(
    annotations: Sequence[Annotation], spans: Sequence[_Span]
) -> dict[int, list[Annotation]]:
    """Index of a span to the annotations that are at least partly in it."""
    order = sorted(range(len(spans)), key=lambda index: spans[index])
    longest = max((end - start for start, end in spans), default=0.0)
    found: dict[int, list[Annotation]] = defaultdict(list)
    starts = [spans[index][0] for index in order]
    for one in annotations:
        end = one.start if one.end is None else one.end
        first = bisect.bisect_left(starts, one.start - longest - _TOUCH_SECONDS)
        for position in range(first, len(order)):
            if starts[position] > end:
                break
            span = spans[order[position]]
            if _touches(one, span, is_last=position == len(order) - 1):
                found[order[position]].append(one)
    return found


def _touches(one: Annotation, span: _Span, *, is_last: bool) -> bool:
    """Whether they overlap; an instant is in the span that starts with it."""
    if one.seconds == 0:
        at_end = is_last and 0 <= one.start - span[1] < MIN_SECONDS
        return span[0] <= one.start < span[1] or at_end
    return _overlap(one, span) > _TOUCH_SECONDS


def _overlap(one: Annotation, span: _Span) -> float:
    end = one.start if one.end is None else one.end
    return min(end, span[1]) - max(one.start, span[0])


def _add(
    found: Excerpts,
    span: _Span,
    annotations: Sequence[Annotation],
    options: ExcerptOptions,
    own: tuple[Annotation, ...] = (),
) -> None:
    by_label: dict[str, list[Annotation]] = defaultdict(list)
    for one in annotations:
        by_label[one.label].append(one)
    covering = {
        label: those
        for label, those in by_label.items()
        if _covers(those, span, options.min_coverage)
    }
    if len(covering) > 1:
        covering.pop(BACKGROUND, None)
    if not covering:
        found.num_partial += 1
    elif len(covering) > 1 and not options.multi_label:
        found.num_mixed += 1
    else:
        used = tuple(one for those in covering.values() for one in those)
        found.excerpts.append(LabelledExcerpt(*span, tuple(sorted(covering)), used, own))


def _covers(annotations: Sequence[Annotation], span: _Span, min_coverage: float) -> bool:
    """Whether annotations of a label cover enough of a span, or enough of one is in it."""
    if covered_seconds(annotations, span) >= min_coverage * (span[1] - span[0]) - _TOUCH_SECONDS:
        return True
    return any(
        _overlap(one, span) >= min_coverage * one.seconds - _TOUCH_SECONDS for one in annotations
    )


def covered_seconds(annotations: Iterable[Annotation], span: tuple[float, float]) -> float:
    """How much of a span annotations cover, each instant counted once.

    Args:
        annotations: In any order.
        span: Start and end, in seconds.

    Example:
        >>> notes = [Annotation(0.0, 2.0, "a", ""), Annotation(1.0, 3.0, "a", "")]
        >>> covered_seconds(notes, (0.5, 10.0))
        2.5
    """
    return sum((end - start for start, end in _merged(annotations, span)), start=0.0)


def _merged(annotations: Iterable[Annotation], span: _Span) -> Iterator[_Span]:
    parts = sorted(
        (max(one.start, span[0]), min(one.start if one.end is None else one.end, span[1]))
        for one in annotations
    )
    position = -math.inf
    for start, end in parts:
        if end > max(start, position):
            yield max(start, position), end
            position = end
