from dataclasses import replace

from earmark.report.labels import render_curves, render_labels


def test_every_label_has_a_row_with_intervals(tested, parse):
    page = parse(render_labels(tested.evaluation))
    assert page.tags.count("tr") == 1 + len(tested.evaluation.labels)
    assert page.tags.count("small") == 3 * len(tested.evaluation.labels)


def test_the_confusion_matrix_counts_clips(evaluation, parse):
    html = render_curves(evaluation)
    page = parse(html)
    assert page.data["figure"] == ["confusion"]
    assert "--fraction: 50%" in html
    assert [one.split()[0] for one in page.labels] == ["ROC", "Precision"]


def test_labels_without_clips_have_no_curve(evaluation, parse):
    predictions = evaluation.uncalibrated
    kept = replace(predictions, clips=predictions.clips[:2], logits=predictions.logits[:2])
    page = parse(render_curves(replace(evaluation, uncalibrated=kept)))
    assert "svg" not in page.tags
