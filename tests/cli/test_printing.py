import io
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from earmark.audit.findings import Audit, Finding
from earmark.cli.printing import (
    exit_if_skipped,
    prediction_row,
    print_analysis,
    print_audit,
    print_difference,
    print_evaluation,
    print_excerpts,
    segment_rows,
)
from earmark.errors import FailedFile
from earmark.evaluation.analysis.analyze import Analysis
from earmark.evaluation.analysis.robustness import Robustness
from earmark.evaluation.metrics.intervals import ClusterBootstrap
from earmark.evaluation.metrics.significance import compare_paired
from earmark.evaluation.metrics.subsets import ExcerptScores
from earmark.inference.predictions import Prediction
from earmark.tasks.task import MULTI_LABEL

FAILED = FailedFile(Path("a.wav"), "empty")


def test_failed_silent_unsure_and_unlabelled_files_look_different():
    silent, unsure, none = (
        Prediction(Path("a.wav"), (), {"a": 0.1}, 1.0, MULTI_LABEL, abstained=why, segments=())
        for why in ("silence", "unsure", None)
    )
    every = (FAILED, silent, unsure, none)
    assert len({prediction_row(one)[1] for one in every}) == 4
    assert len({segment_rows(one)[0][3] for one in (FAILED, none)}) == 2


def test_errors_come_first_then_warnings_then_notes_some_of_each_and_the_headline_last(capsys):
    findings = [
        Finding(kind, severity, (f"{number}.wav",), f"{severity} {number}")
        for number in range(77)
        for kind, severity in (("clipped", "warning"), ("unreadable", "error"))
        if severity == "warning" or number < 21
    ]
    notes = (Finding("sample_rates", "note", (), "a note"),)
    audit = Audit(100, tuple(findings), notes)
    print_audit(audit, "50 music, 50 speech")
    lines = capsys.readouterr().out.splitlines()
    kinds = [line.split()[0] for line in lines]
    assert kinds == [*["error"] * 20, "and", *["warning"] * 20, "and", "note", "Audit"]
    assert [line.split()[1] for line in lines if line.startswith("and ")] == ["1", "57"]
    assert audit.headline in lines[-1]


@pytest.mark.parametrize("columns", [60, 80, 120])
def test_lines_break_between_words_on_a_terminal(monkeypatch, columns):
    screen = open_screen(monkeypatch, columns)
    words = [f"word{'x' * (number % 9)}" for number in range(100)]
    print_audit(Audit(1, (Finding("clipped", "warning", (), " ".join(words)),)), "1 music")
    lines = screen.getvalue().splitlines()
    assert max(map(len, lines)) <= columns
    assert set(words) <= set(" ".join(lines).split())


def open_screen(monkeypatch, columns):
    screen = io.StringIO()
    screen.isatty = lambda: True
    monkeypatch.setattr(sys, "stdout", screen)
    monkeypatch.setenv("COLUMNS", str(columns))
    return screen


def test_names_cannot_control_the_terminal(capsys):
    correct = np.array([True, False])
    paired = compare_paired(correct, ~correct, ClusterBootstrap(["a", "b"], 100, 0, 0.95))
    print_difference("always \x1b[31mred\u2028", paired)
    output = capsys.readouterr().out
    assert "always \\x1b[31mred\\u2028" in output
    assert "\x1b" not in output


def test_a_test_prints_its_headline_its_baseline_and_its_abstentions(tested, capsys):
    evaluation = tested.evaluation
    print_evaluation(evaluation)
    output = capsys.readouterr().out
    assert evaluation.headline in output
    assert evaluation.majority.headline in output
    assert "0 silent" not in output
    unsure = replace(evaluation, rule=replace(evaluation.rule, min_probability=1.0))
    print_evaluation(unsure)
    assert "12 unsure" in capsys.readouterr().out


def test_excerpts_are_printed_if_there_are_any(capsys):
    print_excerpts(None)
    assert capsys.readouterr().out == ""
    print_excerpts(ExcerptScores(1.0, 10, 9, 0.2))
    assert "9 of 10" in capsys.readouterr().out


def test_the_worst_slice_and_every_condition_are_printed(bad_part, as_recorded, capsys):
    robustness = Robustness((as_recorded,), ())
    print_analysis(Analysis((bad_part,), (), (), (), robustness))
    output = capsys.readouterr().out
    assert "room hall" in output
    assert "as recorded" in output


def test_skipped_files_end_the_command_with_status_one():
    exit_if_skipped([])
    with pytest.raises(SystemExit) as error:
        exit_if_skipped([FAILED])
    assert error.value.code == 1
