"""Patterns read the names that people give to files, in a way that is the same every time."""

import pytest

from earmark.data.names.patterns import NamePattern, quote
from earmark.errors import ConfigError


@pytest.mark.parametrize(
    ("pattern", "name", "fields"),
    [
        ("{label}.*", "genres/blues.00001.wav", {"label": "blues"}),
        ("{label}_{speaker}_*", "3_jackson_7.wav", {"label": "3", "speaker": "jackson"}),
        ("{speaker}_nohash_*", "bed/9a7c1f83_nohash_0.wav", {"speaker": "9a7c1f83"}),
        ("*-*-{label}-*", "03-01-06-01-02-01-12.wav", {"label": "06"}),
        ("{source}-{label}-*", "100032-3-0-0.wav", {"source": "100032", "label": "3"}),
        ("{speaker}?#{label}?", "03a01Fa.wav", {"speaker": "03", "label": "F"}),
        ("* - {label}", "XC12345 - Common Blackbird.mp3", {"label": "Common Blackbird"}),
        ("{label} (*)", "dog (1).wav", {"label": "dog"}),
    ],
)
def test_names_of_known_data_sets(pattern, name, fields):
    assert NamePattern(pattern).match(name) == fields


@pytest.mark.parametrize(
    ("pattern", "name", "label"),
    [
        ("{label}_*", "a_b_c.wav", "a"),
        ("*_{label}", "a_b_c.wav", "c"),
        ("*_{label}_*", "a_b_c_d.wav", "b"),
        ("*-{label}", "1-100032-A-0.wav", "0"),
        ("{label}_#", "car_horn_12.wav", "car_horn"),
        ("#_{label}", "1_car_horn.wav", "car_horn"),
        ("{label}#", "dog12.wav", "dog"),
        ("#{label}", "12dog.wav", "dog"),
        ("{label}#*", "dog12b3.wav", "dog"),
        ("?{label}", "xyz.wav", "yz"),
    ],
)
def test_the_first_part_is_before_the_first_separator_and_the_last_after_the_last(
    pattern, name, label
):
    assert NamePattern(pattern).match(name) == {"label": label}


@pytest.mark.parametrize(
    ("pattern", "name"),
    [
        ("{label}_*", "dog.wav"),
        ("{label}#", "dog.wav"),
        ("#{label}", "123.wav"),
        ("{label}.wav", "dog.mp3"),
        ("{label}_*", "a_b/dog.wav"),
        ("{label}/*", "a/b/c.wav"),
        ("{label}_*", " _1.wav"),
        ("{label}?", "a.b"),
    ],
)
def test_a_name_that_does_not_fit_gives_nothing(pattern, name):
    assert NamePattern(pattern).match(name) is None


@pytest.mark.parametrize("pattern", ["*_{label}", "*_{label}.wav", "*_{label}.*", "*_{label}.???"])
@pytest.mark.parametrize("name", ["x/1_dog.wav", "1_dog.WAV"])
def test_the_extension_may_be_left_out_or_written(pattern, name):
    assert NamePattern(pattern).match(name) == {"label": "dog"}


@pytest.mark.parametrize(
    ("pattern", "name", "fields"),
    [
        ("{speaker}/{label}_*", "anna/dog_1.wav", {"speaker": "anna", "label": "dog"}),
        ("*/{label}/*", "train/dog/1.wav", {"label": "dog"}),
        ("**/{speaker}_*", "anna_1.wav", {"speaker": "anna"}),
        ("**/{speaker}_*", "a/b/anna_1.wav", {"speaker": "anna"}),
        ("{label}/**", "dog/a/b/1.wav", {"label": "dog"}),
        ("{label}/**/take*", "dog/take1.wav", {"label": "dog"}),
    ],
)
def test_a_pattern_with_a_slash_is_compared_with_the_whole_path(pattern, name, fields):
    assert NamePattern(pattern).match(name) == fields


def test_all_else_is_literal_in_any_unicode_form():
    assert NamePattern("[{label}] (x+).*").match("[dog] (x+).1.wav") == {"label": "dog"}
    assert NamePattern("e\u0301_{label}").match("\u00e9_e\u0301.wav") == {"label": "\u00e9"}
    assert NamePattern("{label}_*").match("two\nlines_1.wav") == {"label": "two\nlines"}


@pytest.mark.parametrize(
    "pattern",
    ["", "label_*", "{label", "label}_*", "{}_*", "{1a}_*", "{a b}_*", "{a}_{a}", "{a}{b}", "{a}*"],
)
def test_a_pattern_that_cannot_be_meant_is_refused(pattern):
    with pytest.raises(ConfigError, match="pattern"):
        NamePattern(pattern)


@pytest.mark.parametrize(
    ("text", "quoted"),
    [("run", "run"), ("a b", '"a b"'), ("", '""'), ('$a"`', '"\\$a\\"\\`"'), ("{x}*", '"{x}*"')],
)
def test_double_quotes_work_in_every_shell(text, quoted):
    assert quote(text) == quoted
