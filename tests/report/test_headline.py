from dataclasses import replace

from earmark.evaluation.metrics.subsets import ExcerptScores
from earmark.report.headline import render_headline


def test_the_headline_has_the_main_metrics(evaluation, parse):
    page = parse(render_headline(evaluation))
    assert page.data["metric"] == ["Test accuracy", "Log-loss", "Macro F1", "ROC AUC"]
    assert f"{evaluation.scores.accuracy:.1%}" in page.text
    assert f"{evaluation.scores.loss:.4f}" in page.text
    assert "music & <noise>" in page.text


def test_excerpts_are_a_metric_where_they_were_tested(evaluation, parse):
    excerpts = ExcerptScores(0.5, num_excerpts=40, num_correct=30, loss=0.1)
    page = parse(render_headline(replace(evaluation, excerpts=excerpts)))
    assert page.data["metric"][-1] == "0.5 s excerpts"
    assert "30 of 40" in page.text
