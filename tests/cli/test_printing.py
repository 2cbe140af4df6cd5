from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from earmark.cli.printing import (
    exit_if_skipped,
    prediction_row,
    print_analysis,
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

FAILED = FailedFile(Path("a.wav"), "empty")


def test_a_failed_file_is_a_row_of_dashes():
    assert prediction_row(FAILED) == ("a.wav", "-", "-", "-")
    assert segment_rows(FAILED) == [("a.wav", "-", "-", "-", "-")]


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
