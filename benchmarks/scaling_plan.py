"""What large collections come to in storage, hours of processors and cost, from measured speeds.

``python benchmarks/scaling_plan.py``

Nothing is measured here. The speeds are those of RESULTS.md, of two cores, whose headings stand
beside them; another machine gives its own with ``--prepare``, ``--predict`` and ``--train``. Prices
are examples, in any currency: change them to those of your provider.
"""

import argparse
from dataclasses import dataclass

CORES = 2
FRAMES_A_SECOND, BYTES_A_VALUE = 50, 2
BYTES_A_SECOND = {"wav, 16 kHz": 32_000, "flac, 16 kHz": 17_000, "mp3, 128 kbit/s": 16_000}
SEGMENTS_AN_HOUR, BYTES_A_SEGMENT = 330, 100
HOUR = 3600


@dataclass(frozen=True)
class Speeds:
    """What two cores do.

    Args:
        prepare: Seconds of sound a second from FLAC files to the store ("speed, once more").
        clips: Clips a second through `prepare`, however short they are (the same).
        predict: Seconds of sound a second to a time line ("boundaries by the middles").
        train: Windows a second of the default network (the many clips of "speed, once more").
    """

    prepare: float
    clips: float
    predict: float
    train: float


def main() -> None:
    """Prints two tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--prepare", type=float, default=1466)
    parser.add_argument("--clips", type=float, default=1467)
    parser.add_argument("--predict", type=float, default=372)
    parser.add_argument("--train", type=float, default=2177)
    parser.add_argument("--core-hour", type=float, default=0.04, help="price of a core for an hour")
    parser.add_argument("--gigabyte-month", type=float, default=0.02, help="price of storage")
    options = parser.parse_args()
    speeds = Speeds(options.prepare, options.clips, options.predict, options.train)
    print("| 10 million clips of 5 s | amount | cost |")
    print("|---|---|---|")
    for row in clips_plan(speeds, 10_000_000, 5.0):
        print(row.line(options.core_hour, options.gigabyte_month))
    print("\n| 1 million hours | amount | cost |")
    print("|---|---|---|")
    for row in hours_plan(speeds, 1_000_000):
        print(row.line(options.core_hour, options.gigabyte_month))


@dataclass(frozen=True)
class Row:
    """A line of the plan: gigabytes, or hours of cores."""

    name: str
    gigabytes: float | None = None
    core_hours: float | None = None

    def line(self, core_hour: float, gigabyte_month: float) -> str:
        """The row of the table."""
        if self.gigabytes is not None:
            cost = self.gigabytes * gigabyte_month
            return f"| {self.name} | {self.gigabytes:,.0f} GB | {cost:,.0f} a month |"
        assert self.core_hours is not None
        days = self.core_hours / CORES / 24
        machines = f"{days:,.1f} days of one machine of {CORES} cores, {days / 100:,.2f} of 100"
        cost = self.core_hours * core_hour
        return f"| {self.name} | {self.core_hours:,.0f} core hours: {machines} | {cost:,.0f} |"


def clips_plan(speeds: Speeds, num_clips: int, seconds: float) -> list[Row]:
    """Recordings, store, `prepare` and an epoch of labelled clips."""
    total = num_clips * seconds
    rows = [Row(f"recordings, {name}", total * size / 1e9) for name, size in BYTES_A_SECOND.items()]
    for bands in (40, 128):
        size = FRAMES_A_SECOND * bands * BYTES_A_VALUE
        rows.append(Row(f"store, {bands} bands", total * size / 1e9))
    prepared = max(total / speeds.prepare, num_clips / speeds.clips)
    epoch = num_clips / speeds.train
    return [
        *rows,
        Row("`prepare`", core_hours=CORES * prepared / HOUR),
        Row("an epoch of the default network, a window a clip", core_hours=CORES * epoch / HOUR),
    ]


def hours_plan(speeds: Speeds, num_hours: int) -> list[Row]:
    """Recordings, time lines and their size."""
    total = num_hours * HOUR
    segments = num_hours * SEGMENTS_AN_HOUR * BYTES_A_SEGMENT
    return [
        Row("recordings, mp3, 128 kbit/s", total * BYTES_A_SECOND["mp3, 128 kbit/s"] / 1e9),
        Row("segments, CSV", segments / 1e9),
        Row("`predict --segments`", core_hours=CORES * total / speeds.predict / HOUR),
    ]


if __name__ == "__main__":
    main()
