from dataclasses import replace

from earmark.evaluation.baselines import read_predictions
from earmark.report.reliability import render_calibration, render_comparisons, render_coverage


def test_clips_on_which_the_model_abstained_are_counted(tested, parse):
    evaluation = tested.evaluation
    unsure = replace(evaluation, rule=replace(evaluation.rule, min_probability=0.99))
    page = parse(render_coverage(unsure))
    assert page.data["abstained"] == ["12"]
    assert "0.99" in page.text


def test_a_model_that_never_abstained(evaluation, parse):
    page = parse(render_coverage(evaluation))
    assert page.data["abstained"] == ["0"]
    assert f"{evaluation.coverage.curve.area:.3f}" in page.text


def test_a_stored_baseline_is_compared(tmp_path, evaluation, parse):
    stored = tmp_path / "other.csv"
    stored.write_text(evaluation.to_csv())
    page = parse(render_comparisons(evaluation.with_baseline(read_predictions(stored))))
    assert str(stored) in page.text
    assert page.tags.count("tr") == 1 + 2


def test_a_temperature_adds_a_row(evaluation, parse):
    page = parse(render_calibration(evaluation))
    assert (page.data["temperature"], page.tags.count("tr")) == (["1.0"], 1 + 1)
    scaled = replace(evaluation, rule=replace(evaluation.rule, temperature=1.5))
    page = parse(render_calibration(scaled))
    assert (page.data["temperature"], page.tags.count("tr")) == (["1.5"], 1 + 2)
