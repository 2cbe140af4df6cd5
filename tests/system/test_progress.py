"""A reporter shows nothing by default, and messages can be suppressed."""

import logging

import pytest

from earmark.system.progress import SILENT, Reporter, Task, muted


def test_the_silent_reporter_is_a_reporter():
    assert isinstance(SILENT, Reporter)
    with SILENT.track("work", 3) as task:
        assert isinstance(task, Task)
        task.advance()
        task.advance(2, note="done")


def test_messages_are_suppressed_until_the_context_ends(caplog):
    logger = logging.getLogger("earmark.somewhere")
    caplog.set_level(logging.INFO, "earmark")
    with muted():
        logger.error("hidden")
    logger.info("shown")
    assert caplog.messages == ["shown"]


def test_an_error_ends_the_suppression(caplog):
    caplog.set_level(logging.INFO, "earmark")

    def fail():
        with muted():
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fail()
    assert logging.getLogger("earmark").level == logging.INFO
