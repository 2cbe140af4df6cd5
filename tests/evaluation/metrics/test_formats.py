from earmark.evaluation.metrics.formats import format_interval, format_ratio


def test_a_ratio_without_a_denominator_is_a_dash():
    assert format_ratio(1 / 3) == "0.333"
    assert format_ratio(None) == "-"
    assert format_ratio(None, "–") == "–"


def test_both_ends_of_an_interval_have_the_format():
    assert format_interval((-0.1, 0.25), "+.1%") == "-10.0% to +25.0%"
    assert format_interval([0.0, 1.0]) == "0.000 to 1.000"
    assert format_interval(None, "+.1%") == "none"
