"""Which time stamps of a container can be believed, when all of them are seen at once."""

import numpy as np

from earmark.audio.ffmpeg.timestamps import TOLERANCE_SECONDS

MAX_OVERLAP_SECONDS = 1.0
"""A clock that goes back further starts anew, as in containers that were joined."""
MAX_GAP_SECONDS = 3600.0
"""A longer gap is a damaged stamp, unless the declared duration contains it."""
LONGEST_PACKET_SECONDS = 1.0
SEARCHED_RUNS = 50
ROUNDING_SECONDS = 0.002
LONGEST_LOSS_SECONDS = 10.0


def find_shifts(times: np.ndarray, durations: np.ndarray, end: float | None) -> np.ndarray:
    """Seconds to add to each time stamp of a stream; NaN for one that is not believed.

    Stamps that leave the clock and come back to it are not believed. A clock that goes far back, or
    forward beyond the end of the file or any likely gap, continues without one.

    Args:
        times: Time stamps in seconds, (packets,); NaN where there is none.
        durations: Durations in seconds, (packets,).
        end: Where the stream declares to end, in seconds.

    Example:
        >>> times = np.array([0.0, 0.5, 1.0, 77.0, 2.0, 2.5, 9.0, 9.5])
        >>> find_shifts(times, np.full(8, 0.5), 12.0)
        array([ 0.,  0.,  0., nan,  0.,  0.,  0.,  0.])
    """
    shifts = np.zeros(len(times))
    if not len(times):
        return shifts
    durations = _plausible(durations, times)
    elapsed = np.concatenate([[0.0], np.cumsum(durations)])
    times = _without_holes(times, durations)
    steps = np.diff(times) - durations[:-1]
    firsts = np.flatnonzero(np.concatenate([[True], np.abs(steps) > TOLERANCE_SECONDS]))
    bounds = np.append(firsts, len(times))
    offset, clock, run = 0.0, times[0], 0
    while run < len(firsts):
        first, after = bounds[run], bounds[run + 1]
        back = _returns(times, elapsed, firsts, run, clock - offset) if run else None
        if back is not None:
            shifts[first : firsts[back]] = np.nan
            clock += elapsed[firsts[back]] - elapsed[first]
            run = back
            continue
        step = times[first] + offset - clock
        limit = clock + MAX_GAP_SECONDS if end is None else end + MAX_OVERLAP_SECONDS
        if step < -MAX_OVERLAP_SECONDS or times[first] + offset > max(limit, clock):
            offset -= step
        shifts[first:after] = offset
        clock = times[after - 1] + durations[after - 1] + offset
        run += 1
    return shifts


def find_whole_packets(times: np.ndarray) -> np.ndarray:
    """Whether before each packet just a number of others is missing, which a pause hardly equals.

    Args:
        times: Time stamps in seconds of packets that have one duration, (packets,).
    """
    steps = np.diff(times, prepend=times[:1])
    usual = np.median(steps[1:]) if len(steps) > 1 else 0.0
    if not usual > 0:
        return np.zeros(len(times), bool)
    usual = steps[1:][steps[1:] < 1.5 * usual].mean()
    number = np.rint(steps / usual)
    is_whole = np.abs(steps - number * usual) < ROUNDING_SECONDS
    return (number > 1) & is_whole & (steps < LONGEST_LOSS_SECONDS)


def _returns(
    times: np.ndarray, elapsed: np.ndarray, firsts: np.ndarray, run: int, clock: float
) -> int | None:
    """The run at which the clock is again what it was before a run; None if it never is."""
    jump = times[firsts[run]] - clock
    for later in range(run + 1, min(run + 1 + SEARCHED_RUNS, len(firsts))):
        expected = clock + elapsed[firsts[later]] - elapsed[firsts[run]]
        before = times[firsts[later] - 1] + elapsed[firsts[later]] - elapsed[firsts[later] - 1]
        back = times[firsts[later]] - before
        is_opposite = back * jump < 0 and abs(back) > abs(jump) / 2
        if is_opposite and times[firsts[later]] >= expected - TOLERANCE_SECONDS:
            return later
    return None


def _plausible(durations: np.ndarray, times: np.ndarray) -> np.ndarray:
    """Durations without those that stand for a gap, or are not known."""
    known = durations[durations > 0]
    if not len(known):
        steps = np.diff(times)
        known = steps[steps > 0]
    usual = float(np.median(known)) if len(known) else 0.0
    is_usual = (durations > 0) & (durations <= max(4 * usual, LONGEST_PACKET_SECONDS))
    return np.where(is_usual, durations, usual)


def _without_holes(times: np.ndarray, durations: np.ndarray) -> np.ndarray:
    """Times where each packet without one follows the packet before it."""
    times = times.copy()
    for missing in np.flatnonzero(np.isnan(times)):
        times[missing] = times[missing - 1] + durations[missing - 1] if missing else 0.0
    return times
