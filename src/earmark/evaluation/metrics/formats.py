"""How ratios and intervals are written for people."""

from collections.abc import Sequence


def format_ratio(value: float | None, missing: str = "-") -> str:
    """A ratio with three decimals.

    Args:
        value: The ratio; None where its denominator is zero.
        missing: The text for None.

    Example:
        >>> format_ratio(0.5), format_ratio(None)
        ('0.500', '-')
    """
    return missing if value is None else f"{value:.3f}"


def format_interval(interval: Sequence[float] | None, spec: str = ".3f") -> str:
    """Both ends of an interval.

    Args:
        interval: Lower and upper end; None if there is none.
        spec: Format of each end.

    Example:
        >>> format_interval((0.25, 0.75), ".0%"), format_interval(None)
        ('25% to 75%', 'none')
    """
    return "none" if interval is None else " to ".join(format(end, spec) for end in interval)
