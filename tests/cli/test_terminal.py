import io
import logging
import re
import sys

import pytest

from earmark.cli.terminal import (
    TerminalReporter,
    print_line,
    print_table,
    printable,
    terminal_width,
)


class Screen(io.StringIO):
    def isatty(self):
        return True

    def lines(self):
        """What is on it, without colors and movements."""
        return re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", self.getvalue()).splitlines()


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


@pytest.mark.parametrize("columns", [60, 80, 120])
def test_tables_break_words_only_in_the_column_of_paths(monkeypatch, columns):
    screen = open_stdout(monkeypatch, columns)
    path = "folder/" * 20 + "a.wav"
    rows = [(path, "Person sneeze and the like of it", 0.123), ("b.wav", "music", 1)]
    print_table("", ("file", "predicted label", "probability"), rows)
    lines = screen.lines()
    assert max(map(len, lines)) <= columns
    text = " ".join(line.split("│")[-2].strip() for line in lines if line.count("│") == 2)
    for word in ("Person", "sneeze", "music"):
        assert word in text.split()
    assert "probability" in screen.getvalue()
    assert "".join(line.split("│")[0].strip() for line in lines if "│" in line).startswith(path)


def test_a_narrow_terminal_gets_a_table_all_the_same(monkeypatch):
    screen = open_stdout(monkeypatch, 10)
    print_table("", ("file", "label", "probability"), [("some.wav", "speech", 0.5)])
    assert "│" in screen.getvalue()


def test_a_pipe_gets_whole_lines_and_cells(monkeypatch, capsys):
    monkeypatch.setenv("COLUMNS", "60")
    print_line("word " * 50)
    print_table("", ("a", "b"), [("x" * 200, "y " * 100)])
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "word " * 50
    assert "x" * 200 in lines[-1]


def test_messages_break_between_words(open_screen, monkeypatch):
    monkeypatch.setenv("COLUMNS", "60")
    screen = open_screen()
    reporter = TerminalReporter()
    with reporter.show_messages():
        logging.getLogger("earmark").info("word " * 50)
        with reporter.track("work", 1):
            logging.getLogger("earmark").info("other " * 50)
    for line in screen.lines():
        if "word" in line or "other" in line:
            assert set(line.split()) <= {"word", "other"}
            assert len(line) <= 60


def test_the_width_is_that_of_the_stream_and_may_be_unknown(monkeypatch):
    monkeypatch.delenv("COLUMNS", raising=False)
    assert terminal_width(io.StringIO()) == 80
    monkeypatch.setenv("COLUMNS", "100")
    assert terminal_width(io.StringIO()) == 100


def open_stdout(monkeypatch, columns):
    screen = Screen()
    monkeypatch.setattr(sys, "stdout", screen)
    monkeypatch.setenv("COLUMNS", str(columns))
    return screen


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


def test_a_bar_moves_within_a_long_file(open_screen):
    screen = open_screen()
    with TerminalReporter().track("predict", 1) as task:
        task.add_sound(3600.0)
        task.add_sound(75.5)
    assert "1:01:15 of sound" in screen.getvalue()


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
