"""What `earmark predict` logs about results besides errors."""

import logging
from pathlib import Path

import pytest

from earmark.cli.explanations import LONG_SECONDS, Explanations
from earmark.cli.predict_request import Request

LONG = {"path": "long.wav", "label": "music", "duration_seconds": 2 * LONG_SECONDS}
TIMED = {**LONG, "seconds_by_label": {"music": 30.0, "speech": 90.0}}


@pytest.fixture
def logged(caplog):
    """A function that takes results and gives the messages and their levels."""

    def log(*results, as_json=False, **request):
        caplog.set_level(logging.INFO, logger="earmark")
        caplog.clear()
        explain = Explanations("mean", Request(Path("model"), **request), as_json=as_json)
        for one in results:
            explain(one)
        return [(one.levelname, one.getMessage()) for one in caplog.records]

    return log


def test_the_label_of_long_recordings_is_explained_once_and_only_without_segments(logged):
    [(level, message)] = logged(LONG, LONG)
    assert level == "INFO"
    assert "--segments" in message
    assert logged({**LONG, "duration_seconds": LONG_SECONDS / 2}) == []
    assert logged(TIMED, segments=True, as_json=True) == []


def test_the_time_of_each_label_is_logged_the_longest_first(logged):
    [(_, message)] = logged(TIMED, segments=True)
    assert message.index("speech 90.0 s (75%)") < message.index("music 30.0 s (25%)")
