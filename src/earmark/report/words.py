"""How the report writes numbers."""

from earmark.evaluation.metrics.intervals import Interval
from earmark.evaluation.metrics.scores import Ratio


def show_ratio(value: Ratio) -> str:
    """A share with three digits, or a dash where there is none."""
    return "–" if value is None else f"{value:.3f}"


def show_interval(interval: Interval | None, form: str = ".3f") -> str:
    """Both ends of an interval, or that there is none; it is not broken over lines."""
    if interval is None:
        return "none"
    return f"{{:{form}}}\u00a0to\u00a0{{:{form}}}".format(*interval)
