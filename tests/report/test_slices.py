from dataclasses import replace

from earmark.errors import FailedFile
from earmark.evaluation.analysis.robustness import Robustness
from earmark.report.slices import MAX_SLICES, find_worse, render_robustness, render_slices


def test_slices_below_the_overall_accuracy_come_first(tested, bad_part, parse):
    worse = replace(bad_part, value="hall <1>")
    fine = replace(bad_part, value="studio", num_correct=39, accuracy_interval=(0.8, 1.0), loss=0.1)
    assert find_worse((worse, fine), 0.5) == [worse]
    page = parse(render_slices((worse, fine), tested.evaluation))
    assert (page.data["slices"], page.data["below"]) == (["2"], ["1"])
    assert page.text.index("hall <1>") < page.text.index("studio")
    assert parse(render_slices((fine,), tested.evaluation)).data["below"] == ["0"]


def test_too_few_clips_have_no_slices(tested, parse):
    page = parse(render_slices((), tested.evaluation))
    assert page.data["slices"] == ["0"]
    assert "table" not in page.tags


def test_very_many_slices_are_cut(tested, bad_part, parse):
    slices = [replace(bad_part, value=f"room {n}") for n in range(MAX_SLICES + 5)]
    page = parse(render_slices(slices, tested.evaluation))
    assert page.tags.count("tr") == 1 + MAX_SLICES


def test_conditions_are_in_a_table_and_a_plot(as_recorded, parse):
    noise = replace(as_recorded, condition="noise & <hum>", num_correct=3, num_lost=4)
    failed = (FailedFile("a.wav", "a.wav: the file is empty"),)
    page = parse(render_robustness(Robustness((as_recorded, noise), failed)))
    assert page.tags.count("tr") == 1 + 2
    assert page.tags.count("svg") == 1
    assert "noise & <hum>" in page.text


def test_no_clip_could_be_decoded(parse):
    assert parse(render_robustness(Robustness((), ()))).data["conditions"] == ["0"]
