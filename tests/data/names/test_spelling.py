"""A name has one spelling; names that differ for the eye stay different."""

import unicodedata

import pytest

from earmark.data.names.spelling import Spellings, normalize, similar_names
from earmark.errors import DataError


@pytest.mark.parametrize("text", ["é", "Å", "한"])
def test_unicode_forms_are_one_spelling(text):
    forms = {normalize(unicodedata.normalize(form, text)) for form in ("NFC", "NFD")}
    assert len(forms) == 1


@pytest.mark.parametrize(
    "mark",
    [
        *("\u200b", "\u200c", "\u200d", "\u200e", "\u00ad", "\u2060", "\ufeff", "\ufe0f", "\u034f"),
        *("\u3164", "\U000e0020", "\u180e"),
    ],
)
@pytest.mark.parametrize("at", [0, 1, 3])
def test_invisible_marks_are_no_part_of_a_name(mark, at):
    assert normalize("dog"[:at] + mark + "dog"[at:]) == "dog"


@pytest.mark.parametrize(
    "space", [" ", "\t", "\n", "\xa0", "\u3000", "\u2009", "\u2028", "\u2800", "  "]
)
def test_white_space_is_one_space_inside_and_none_around(space):
    assert normalize(f"{space}a{space}b{space}") == "a b"


@pytest.mark.parametrize(
    "name",
    [
        *("Dog", "ché", "歌", "a_b", "A-b", "2²", "ｄｏｇ", "ﬁ"),
        "می\u200cخواهم",
        "\U0001f469\u200d\U0001f680",
        "❤\ufe0f",
        "\U0001f3f4\U000e0067\U000e0062\U000e0065\U000e006e\U000e0067\U000e007f",
    ],
)
def test_what_people_see_is_kept(name):
    assert normalize(name) == name


@pytest.mark.parametrize(
    "text", ["\u200b \u200bdog\u200b \ufeff", "e\u200b\u0301", "a\u0301\u200d"]
)
def test_normalizing_twice_changes_nothing(text):
    assert normalize(normalize(text)) == normalize(text)


def test_a_control_character_is_refused():
    with pytest.raises(DataError, match="row 2"):
        Spellings().read("a\x1b[31m", "label", "a.csv, row 2")


def test_spellings_of_one_column_only_are_compared():
    spellings = Spellings()
    spellings.read("dog", "label", "")
    spellings.read("dog\u200b", "group", "")
    assert list(spellings.notes()) == []


@pytest.mark.parametrize(
    "names",
    [
        *(("Dog", "dog"), ("DOG", "dog"), ("dog bark", "dog_bark"), ("dog-bark", "dogbark")),
        *(("1", "1.0"), ("01", "1"), ("1", "１"), ("dog", "ｄｏｇ"), ("dog", "d\u043eg")),
        *(("Strasse", "Straße"), ("a1", "a_1"), ("x", "x\u200dы"[:2])),
        *(("'dog'", "dog"), ("\u201cdog\u201d", "dog"), ("\u0130zmir", "izmir")),
    ],
)
def test_names_that_may_be_meant_as_one_are_found(names):
    assert similar_names(["other", *names]) == [tuple(sorted(names))]


@pytest.mark.parametrize(
    "names",
    [
        *(("dog", "dogs"), ("1-2", "12"), ("1", "-1"), ("C", "C-"), ("C+", "C-"), ("a1", "a2")),
        *(("café", "cafe"), ("01a", "1a"), ("0.1", "0.10001"), ("x", "y")),
    ],
)
def test_names_that_differ_are_left_alone(names):
    assert similar_names(names) == []
