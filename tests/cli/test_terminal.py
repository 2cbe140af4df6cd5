import io
import logging
import sys

import pytest

from earmark.cli.terminal import TerminalReporter, print_table, printable


class Screen(io.StringIO):
    def isatty(self):
        return True


@pytest.fixture
def open_screen(monkeypatch):
    """A function that makes standard error a terminal; pytest takes it back between phases."""
    monkeypatch.setenv("TERM", "xterm")

    def open_it():
        monkeypatch.setattr(sys, "stderr", Screen())
        return sys.stderr

    return open_it


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("één", "één"),
        ("a\nb\tc", "a\\nb\\tc"),
        ("caf\udce9", "caf\\udce9"),
        ("a\u2028", "a\\u2028"),
        ("a\x1b[31m", "a\\x1b[31m"),
        ("a\u202egpj", "a\\u202egpj"),
    ],
)
def test_control_and_undecodable_characters_are_escaped(text, shown):
    assert printable(text) == shown


def test_tables_show_names_as_they_are(capsys):
    print_table("", ("file", "n"), [("x:cat:y[red].wav", 1), ("a\nb\udce9.wav", 2)])
    lines = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert lines[2:] == [["x:cat:y[red].wav", "│", "1"], ["a\\nb\\udce9.wav", "│", "2"]]


def test_a_column_of_numbers_is_aligned_right(capsys):
    print_table("", ("n", "mixed"), [("1,000", "1"), ("-2.5%", "-"), ("9", "x")])
    rows = [line.split("│")[0] for line in capsys.readouterr().out.splitlines()[2:]]
    assert rows == [" 1,000 ", " -2.5% ", "     9 "]


def test_messages_show_names_as_they_are_with_a_bar_and_without(open_screen):
    screen = open_screen()
    reporter = TerminalReporter()
    with reporter.show_messages():
        logging.getLogger("earmark.some").info("a\nb :cat:")
        with reporter.track("work", 1) as task:
            task.advance(note="[/x]:dog:\n")
            logging.getLogger("earmark").warning("[/y]\n:cow:")
    shown = screen.getvalue()
    for text in ("a\\nb :cat:", "[/x]:dog:\\n", "[/y]\\n:cow:"):
        assert text in shown


def test_a_bar_may_not_know_its_total(open_screen):
    screen = open_screen()
    with TerminalReporter().track("predict", None) as task:
        task.advance(3)
    assert "3/?" in screen.getvalue()


def test_logs_and_quiet_terminals_get_no_bar(open_screen, monkeypatch):
    screen = open_screen()
    with TerminalReporter(quiet=True).track("work", 1) as task:
        task.advance()
    assert screen.getvalue() == ""
    monkeypatch.setattr(sys, "stderr", io.StringIO())
    with TerminalReporter().track("work", 1) as task:
        task.advance()
    assert sys.stderr.getvalue() == ""


def test_quiet_shows_warnings_only_and_leaves_the_logger_as_it_was(capsys):
    logger = logging.getLogger("earmark")
    before = logger.level, list(logger.handlers)
    with TerminalReporter(quiet=True).show_messages():
        logger.info("progress")
        logger.warning("trouble")
    assert capsys.readouterr().err == "trouble\n"
    assert (logger.level, list(logger.handlers)) == before
