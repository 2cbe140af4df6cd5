import pytest

from earmark.system.numbers import parse_number


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("0", 0.0),
        ("10", 10.0),
        ("-1.5", -1.5),
        ("+.5", 0.5),
        ("2.", 2.0),
        ("1e-3", 0.001),
        (" 7 ", 7.0),
        ("007", 7.0),
    ],
)
def test_decimal_numbers_are_parsed(text, number):
    assert parse_number(text) == number


@pytest.mark.parametrize(
    "text",
    [
        "",
        " ",
        "1_0",
        "1_10",
        "nan",
        "inf",
        "-Infinity",
        "1e999",
        "0x10",
        "1,5",
        "1 0",
        "٣",
        "e5",
        ".",
    ],
)
def test_anything_else_is_no_number(text):
    assert parse_number(text) is None
