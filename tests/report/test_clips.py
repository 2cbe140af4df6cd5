from dataclasses import replace

from earmark.errors import FailedFile
from earmark.evaluation.analysis.examples import RankedClip
from earmark.report.clips import render_errors, render_examples, render_skipped


def make_clip(number, **others):
    facts = {"predicted": "b", "probability": 0.5, "loss": 1.0, "correct": False, **others}
    return RankedClip(number, f"{number}.wav", "a", **facts)


def test_very_many_errors_are_cut_and_counted(parse):
    page = parse(render_errors([make_clip(number) for number in range(1234)]))
    assert page.tags.count("tr") == 1 + 200
    assert page.data["more"] == ["1034"]


def test_correct_clips_are_no_errors(parse):
    assert "table" not in parse(render_errors([make_clip(0, correct=True)])).tags


def test_the_reason_for_abstaining_is_shown(parse):
    page = parse(render_errors([make_clip(0, predicted="", abstained="silence")]))
    assert "(silence)" in page.text


def test_skipped_files_have_a_reason(parse):
    page = parse(render_skipped([FailedFile("bad.wav", "bad.wav: <empty>")]))
    assert "bad.wav: <empty>" in page.text


def test_examples_are_correct_or_wrong_and_have_a_player(tested, analysis, parse):
    examples = (*analysis.worst, *analysis.most_confident)
    features = tested.checkpoint.spec.config.features
    page = parse(render_examples(analysis.worst, analysis.most_confident, features))
    expected = [str(one.clip.correct).lower() for one in examples]
    assert page.data["correct"] == expected
    assert page.tags.count("audio") == len(examples)


def test_a_clip_that_cannot_be_decoded_has_the_reason_in_place_of_a_player(tested, analysis, parse):
    silent = replace(analysis.worst[0], sound=None, error="gone.wav: no <such> file")
    page = parse(render_examples([silent], [], tested.checkpoint.spec.config.features))
    assert "audio" not in page.tags
    assert "gone.wav: no <such> file" in page.text
    assert page.tags.count("h3") == 1
