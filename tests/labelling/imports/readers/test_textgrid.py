import pytest
from praatio import textgrid

CALL = [(1.25, 2.0000000000000004, 'a "quoted" word')]
NOTE = [(0.0, 1e-05, "tiny"), (1e-05, 10.0, "été ʃ")]
POINTS = [(3.5, 3.5, 'he said "hi"'), (7.0, 7.0, "item [2]: ! 5")]
SHORT = """File type = "ooTextFile"
Object class = "TextGrid"
0 10 <exists> 2
"IntervalTier" "words" 0 10 2
0 4 "yes" 4 10 ""
"IntervalTier" "phones" 0 10 2
{phones}
"""
GOOD = '0 4 "j" 4 10 "e"'


@pytest.mark.parametrize("form", ["long_utf8", "long_utf16", "short_utf8", "short_utf16"])
def test_what_praat_saves_in_either_format_and_encoding(fixtures, read, rows, form):
    content = (fixtures / f"praat_{form}.TextGrid").read_bytes()
    found = read("a.TextGrid", content)
    assert rows(found) == [*CALL, *NOTE, *POINTS]
    assert (found.duration, found.tiers) == (10.0, ["call", "note", "points"])
    assert rows(read("a.TextGrid", content, tiers=("points", "call"))) == [*CALL, *POINTS]
    # Praat does not care for the suffix.
    assert rows(read("a.txt", content, tiers=("call",))) == CALL


@pytest.mark.parametrize("form", ["long_textgrid", "short_textgrid"])
def test_what_praatio_saves(read, rows, tmp_path, form):
    grid = textgrid.Textgrid(0, 9)
    grid.addTier(textgrid.IntervalTier("birds", [(0.5, 2.25, "wren"), (3, 4, 'the "tit"')], 0, 9))
    grid.addTier(textgrid.PointTier("clicks", [(1.5, "click")], 0, 9))
    grid.save(str(tmp_path / "b.TextGrid"), form, includeBlankSpaces=True)
    found = read("a.TextGrid", (tmp_path / "b.TextGrid").read_bytes())
    assert rows(found) == [(0.5, 2.25, "wren"), (3.0, 4.0, 'the "tit"'), (1.5, 1.5, "click")]


@pytest.mark.parametrize(
    ("phones", "where", "why"),
    [
        ('0 4 "j" 4 "e"', "tier phones", "line 7"),
        ('0 4 "j"', "tier phones", "ends before"),
        ('0 4 "j" 4 10 "e" 10 11 "s"', "tier phones", "more than"),
        ('0 4 "j" 4 10 "e', "tier phones", "never closed"),
        ('0 4,5 "j" 4.5 10 "e"', "tier phones", "point"),
        ('0 4 "j" 3 10 "e"', "tier phones, interval 2", "before"),
        ('4 0 "j" 4 10 "e"', "tier phones, interval 1", "before"),
        ('0 4 "j" 4 10 "e;f"', "tier phones, interval 2", ";"),
    ],
)
def test_a_broken_tier_is_named_and_the_others_can_be_chosen(read, rows, phones, where, why):
    content = SHORT.format(phones=phones)
    found = read("a.TextGrid", content)
    assert [one.where for one in found.problems] == [where]
    assert why in found.problems[0].why
    assert rows(read("a.TextGrid", content, tiers=("words",))) == [(0.0, 4.0, "yes")]


def test_a_tier_after_a_broken_one_is_read(read):
    broken = SHORT.format(phones=GOOD).replace('0 4 "yes"', '0 "yes"')
    found = read("a.TextGrid", broken)
    assert [one.where for one in found.problems] == ["tier words"]
    assert [one.label for one in found.annotations] == ["j", "e"]


@pytest.mark.parametrize(
    "content",
    [
        SHORT.format(phones=GOOD).replace("0 10 <exists> 2", "0 10 <exists> 3"),
        SHORT.format(phones=GOOD).replace("0 10 <exists> 2", "5 10 <exists> 2"),
        SHORT.format(phones=GOOD).replace('"TextGrid"', '"PitchTier"'),
        'File type = "ooTextFile"\n',
    ],
)
def test_a_wrong_header_is_named(read, content):
    assert [one.where for one in read("a.TextGrid", content).problems] == ["header"]


def test_a_tier_that_is_not_there(read):
    (problem,) = read("a.TextGrid", SHORT.format(phones=GOOD), tiers=("word",)).problems
    assert "words, phones" in problem.why
