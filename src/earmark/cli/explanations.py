"""What `earmark predict` logs about the labels of long recordings."""

import logging
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from earmark.cli.predict_request import Request

logger = logging.getLogger(__name__)

LONG_SECONDS = 60.0
"""A longer recording probably has more than one thing in it."""


class Explanations:
    """Logs what the label of a long recording means, and how long each of its labels lasts.

    Args:
        pooling: How the windows of a recording are pooled to its label.
        request: What is output.
        as_json: Whether results are printed as JSON.
    """

    def __init__(self, pooling: str, request: "Request", *, as_json: bool) -> None:
        self._pooling = pooling
        self._has_explained_label = request.needs_segments
        self._shows_seconds = request.segments and request.output is None and not as_json

    def __call__(self, result: Mapping[str, Any]) -> None:
        """Takes a result.

        Args:
            result: As ``predict --json`` prints it.
        """
        seconds = result.get("duration_seconds", 0.0)
        if seconds > LONG_SECONDS and not self._has_explained_label:
            self._has_explained_label = True
            logger.info(
                f"note: the label of a long recording is the {self._pooling} over all of its "
                "windows; --segments gives the start, end and total time of each label"
            )
        if self._shows_seconds and "seconds_by_label" in result:
            model = f" ({result['model']})" if "model" in result else ""
            described = _describe(result["seconds_by_label"], seconds)
            logger.info(f"{result['path']}{model}: {described}")


def _describe(seconds_by_label: Mapping[str, float], seconds: float) -> str:
    """Labels with their time, the longest first."""
    ordered = sorted(seconds_by_label.items(), key=lambda one: -one[1])
    return ", ".join(f"{label} {one:.1f} s ({one / seconds:.0%})" for label, one in ordered)
