import pytest


def test_labels_points_and_frequency_limits(read, rows):
    found = read("a.txt", "1.000000\t2.500000\twren\n\\\t1000.5\t-1.0\n4\t4\tping pong\r\n\n")
    assert rows(found) == [(1.0, 2.5, "wren"), (4.0, 4.0, "ping pong")]
    assert [one.limits for one in found.annotations] == [(1000.5, None), (None, None)]
    assert [one.where for one in found.annotations] == ["row 1", "row 3"]


def test_a_fourth_cell_is_a_probability(read):
    (one,) = read("a.txt", "0\t3.0\tTurdus merula\t0.8123\n").annotations
    assert (one.label, one.probability) == ("Turdus merula", 0.8123)


@pytest.mark.parametrize(
    ("row", "why"),
    [
        ("1,5\t2\ta", "point, 1.5"),
        ("2\t1\ta", "before"),
        ("-1\t1\ta", "negative"),
        ("1\t2\t", "no label"),
        ("1\t2", "no label"),
        ("1\t2\ta;b", "--multi-label"),
        ("1 2 a", "tabs"),
        ("1\t2\ta\tb\tc", "cells"),
        ("0:01\t2\ta", "write seconds, 1"),
        ("1\tnan\ta", "number"),
        ("1\t2\ta\n\\\t900\t100", "reversed"),
    ],
)
def test_a_bad_row_is_named(read, row, why):
    found = read("a.txt", f"0\t1\tgood\n{row}\n3\t4\tgood\n")
    assert [one.where for one in found.problems] == ["row 2"]
    assert why in found.problems[0].why


def test_several_labels(read, rows):
    found = read("a.txt", "0\t1\tdog; cat\n", multi_label=True)
    assert rows(found) == [(0.0, 1.0, "cat"), (0.0, 1.0, "dog")]
