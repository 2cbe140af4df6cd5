import io
import logging
import sys

from rich.console import Console

from earmark.cli.terminal import TerminalReporter, print_table


def test_tables_show_names_as_they_are(capsys):
    print_table("", ("file", "n"), [("x:cat:y[red].wav", 1), ("a\nb\udce9.wav", 2)])
    lines = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert lines[2:] == [["x:cat:y[red].wav", "│", "1"], ["a\\nb\\udce9.wav", "│", "2"]]


def test_bars_and_lines_show_names_as_they_are(monkeypatch):
    screen = io.StringIO()
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setattr(sys, "stderr", screen)
    reporter = TerminalReporter()
    with reporter.show_messages():
        with reporter.track("work", 1) as task:
            task.advance(note="[/x]:cat:\n")
        logging.getLogger("earmark.some").info("a\nb :cat:")
        logging.getLogger("earmark").warning("[/x]")
    shown = screen.getvalue()
    assert "[/x]:cat:\\n" in shown
    assert "a\\nb :cat:" in shown


def test_a_bar_may_not_know_its_total():
    reporter = TerminalReporter()
    reporter._console = Console(file=io.StringIO(), force_terminal=True, width=80)
    with reporter.track("predict", None) as task:
        task.advance(3)
    assert "3/?" in reporter._console.file.getvalue()
