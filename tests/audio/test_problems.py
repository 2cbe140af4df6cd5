"""Of many files with one problem, the first few are logged and the others counted."""

import pytest

from earmark.audio.problems import FileProblems
from earmark.audio.source import Note


@pytest.fixture
def messages(caplog):
    caplog.set_level("INFO", "earmark")
    return lambda: [one.getMessage() for one in caplog.records]


def test_few_files_are_logged_one_by_one(messages):
    with FileProblems(num_shown=2) as problems:
        for name in ("a", "b"):
            problems.add_skipped(f"{name}: empty", "empty")
        problems.add_skipped("c: cut", "truncated")
    assert messages() == ["skipped: a: empty", "skipped: b: empty", "skipped: c: cut"]


def test_of_many_files_with_one_fault_the_rest_is_counted_once(messages):
    with FileProblems(num_shown=2) as problems:
        for index in range(1000):
            problems.add_skipped(f"{index}: empty", "empty")
        problems.add_skipped("last: cut", "truncated")
    *shown, other, rest = messages()
    assert shown == ["skipped: 0: empty", "skipped: 1: empty"]
    assert "last" in other
    assert "998" in rest
    assert "empty" in rest


def test_only_notes_that_harm_a_result_are_logged(messages):
    with FileProblems(num_shown=1) as problems:
        for name in ("a", "b", "c"):
            problems.add_notes(name, [Note("out_of_phase", "opposite"), Note("header", "odd")])
    first, rest = messages()
    assert first == "a: opposite"
    assert "2 more" in rest


def test_the_rest_is_counted_after_an_interruption_too(messages):
    def interrupted():
        with FileProblems(num_shown=1) as problems:
            problems.add_skipped("a: empty", "empty")
            problems.add_skipped("b: empty", "empty")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert len(messages()) == 2
