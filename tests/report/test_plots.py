import numpy as np
import pytest

from earmark.evaluation.metrics.curves import Curve, coverage_curve
from earmark.figures import to_svg
from earmark.report.plots import draw_coverage, draw_intervals, draw_precision_recall, draw_roc


def test_the_plot_of_coverage_has_the_area_in_its_caption():
    rng = np.random.default_rng(0)
    curve = coverage_curve(rng.random(50).round(1), rng.random(50) < 0.7)
    line = draw_coverage(curve).axes[0].lines[0]
    x, y = line.get_xdata(), line.get_ydata()
    assert (line.get_drawstyle(), x[0], x[-1]) == ("steps-pre", 0.0, 1.0)
    assert np.diff(x) @ y[1:] == pytest.approx(curve.area)


@pytest.mark.parametrize("draw", [draw_roc, draw_precision_recall])
def test_a_label_with_a_leading_underscore_is_in_the_legend(draw):
    ends = np.array([0.0, 1.0])
    curves = {label: Curve(ends, ends, 0.5) for label in ("_other", "music")}
    texts = [text.get_text() for text in draw(curves).axes[0].get_legend().get_texts()]
    assert [text.split() for text in texts] == [["other", "0.500"], ["music", "0.500"]]


def test_long_names_leave_room_for_the_plot():
    names = ["group: " + "a long way/" * 20 + end for end in ("left", "right")]
    figure = draw_intervals(names, [0.5, 0.6], [(0.4, 0.6), (0.5, 0.7)], 0.5)
    to_svg(figure)
    (axes,) = figure.axes
    assert axes.get_position().width > 0.4
    assert [text.get_text()[-5:] for text in axes.get_yticklabels()] == ["/left", "right"]
