import os
import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest

from earmark.config import Config
from earmark.data.content import Clip
from earmark.errors import FailedFile
from earmark.evaluation.analysis.analyze import examine
from earmark.evaluation.analysis.examples import RankedClip
from earmark.evaluation.analysis.robustness import Robustness
from earmark.evaluation.baselines import read_predictions
from earmark.evaluation.metrics.curves import Curve, coverage_curve
from earmark.evaluation.metrics.scores import Predictions
from earmark.evaluation.result import Evaluation
from earmark.features.store import ClipKey
from earmark.figures import to_svg
from earmark.models.checkpoint import Checkpoint, new_network
from earmark.models.spec import ModelSpec
from earmark.report.clips import render_errors, render_examples
from earmark.report.document import write_report
from earmark.report.html import html_table
from earmark.report.model import describe_rule
from earmark.report.origin import Origin
from earmark.report.plots import draw_coverage, draw_intervals, draw_precision_recall, draw_roc
from earmark.report.slices import render_robustness, render_slices
from earmark.tasks.decision_rule import DecisionRule
from earmark.tasks.task import BINARY, MULTI_CLASS, MULTI_LABEL

LABELS = ("music & <noise>", "speech")
ORIGIN = Origin(Path("runs/one/best.safetensors"), "the <data>")
VOID = {"meta", "link", "br", "img"}


class Page(HTMLParser):
    def __init__(self, text):
        super().__init__()
        self.open, self.addresses, self.text, self.tags = [], [], "", []
        self.labels, self.links, self.anchors = [], [], []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        if tag not in VOID:
            self.open.append(tag)
        found = dict(attrs)
        if tag in ("svg", "audio", "nav", "img"):
            self.labels.append(found.get("aria-label"))
        if (address := found.get("href", "")).startswith("#") and tag == "a":
            self.links.append(address[1:])
        if tag == "h2":
            self.anchors.append(found["id"])
        self.addresses += [
            value
            for name, value in attrs
            if name in ("src", "href", "xlink:href") and not value.startswith("#")
        ]

    def handle_startendtag(self, tag, attrs):
        self.handle_starttag(tag, attrs)
        if tag not in VOID:
            self.open.pop()

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.text += data


@pytest.fixture(scope="module")
def evaluation():
    names = ("a.wav", "b<b>.wav", "c.wav")
    clips = tuple(
        Clip(name, ClipKey(name), (target,)) for name, target in zip(names, (0, 0, 1), strict=True)
    )
    predictions = Predictions(clips, np.array([[-2.0], [1.0], [3.0]]))
    skipped = (FailedFile("bad.wav", "bad.wav: the file is empty"),)
    return Evaluation(predictions, LABELS, DecisionRule(BINARY, (0.5,)), skipped=skipped)


@pytest.fixture(scope="module")
def checkpoint():
    spec = ModelSpec(Config(), LABELS, 51)
    return Checkpoint(spec, new_network(spec).state_dict(), progress={"epoch": 2})


@pytest.fixture(scope="module")
def page(tmp_path_factory, evaluation, checkpoint):
    return write_report(tmp_path_factory.mktemp("page"), evaluation, checkpoint, ORIGIN)


def test_the_page_is_well_formed_and_needs_no_network(page):
    parsed = Page(page.read_text())
    assert parsed.open == []
    assert all(one.startswith("data:") for one in parsed.addresses)
    assert "script" not in parsed.tags


def test_the_page_tells_the_figures_the_errors_and_what_was_skipped(page, evaluation):
    text = Page(page.read_text()).text
    low, high = evaluation.scores.accuracy_interval
    assert "2 of 3" in text
    assert f"between {low:.1%} and {high:.1%}" in text
    assert "b<b>.wav" in text
    assert "bad.wav: the file is empty" in text
    assert "music & <noise>" in text


def test_the_page_shows_the_confusion_matrix_and_the_curves(page):
    labels = [one for one in Page(page.read_text()).labels if one]
    assert [one.split(":")[0].split(",")[0] for one in labels] == [
        "Contents", "Confusion matrix", "ROC curves", "Precision over recall",
        "Reliability", "Accuracy over coverage; the area under it is 0.889.",
    ]  # fmt: skip


def test_the_page_names_the_model_the_data_and_the_split(page):
    text = Page(page.read_text()).text
    assert f"{ORIGIN.model}, tested on the <data> (test split), 20" in text
    assert "No loss curve: the model does not lie in its run folder." in text


@pytest.fixture
def run(tmp_path):
    folder = tmp_path / "run"
    folder.mkdir()
    line = '{"epoch": %d, "train_loss": 0.5, "val_loss": 0.4}\n'
    (folder / "log.jsonl").write_text("".join(line % epoch for epoch in (1, 2, 3)))
    return folder


def test_the_losses_of_the_models_run_mark_the_epoch_of_the_tested_weights(
    tmp_path, evaluation, checkpoint, run
):
    page = write_report(tmp_path / "out", evaluation, checkpoint, replace(ORIGIN, run=run))
    parsed = Page(page.read_text())
    assert "Loss of training and validation." in parsed.labels
    assert "tested: epoch 2" in parsed.text
    assert "best: epoch" not in parsed.text


def test_losses_without_validation_are_those_of_training_alone(
    tmp_path, evaluation, checkpoint, run
):
    (run / "log.jsonl").write_text('{"epoch": 1, "train_loss": 0.5}\n')
    page = write_report(tmp_path / "out", evaluation, checkpoint, replace(ORIGIN, run=run))
    assert "Loss of training." in Page(page.read_text()).labels


@pytest.mark.parametrize("progress", [{}, {"epoch": "two"}])
def test_a_model_that_does_not_know_its_epoch_is_not_marked(
    tmp_path, evaluation, checkpoint, run, progress
):
    checkpoint = replace(checkpoint, progress=progress)
    page = write_report(tmp_path, evaluation, checkpoint, replace(ORIGIN, run=run))
    assert "tested: epoch" not in Page(page.read_text()).text


@pytest.mark.parametrize(
    "log",
    [None, b"", b"{", b"\xff", b"5\n", b'{"epoch": 1}\n', b'{"epoch": [], "train_loss": 1}\n'],
)
def test_a_damaged_log_leaves_the_curve_out_and_says_so(tmp_path, evaluation, checkpoint, run, log):
    (run / "log.jsonl").unlink()
    if log is not None:
        (run / "log.jsonl").write_bytes(log)
    page = write_report(tmp_path, evaluation, checkpoint, replace(ORIGIN, run=run))
    parsed = Page(page.read_text())
    assert "Loss of training and validation." not in parsed.labels
    assert "No loss curve: the run's log.jsonl is missing or damaged." in parsed.text


@pytest.mark.parametrize("label", [r"$\foo$", "a$b$", "caf\udce9", "\u97f3"])
def test_a_label_is_shown_as_it_is_written(tmp_path, checkpoint, evaluation, label):
    labels = (label, "speech")
    spec = replace(checkpoint.spec, labels=labels)
    evaluation = replace(evaluation, labels=labels)
    page = write_report(tmp_path, evaluation, replace(checkpoint, spec=spec), ORIGIN)
    shown = label.encode(errors="backslashreplace").decode()
    # In a picture, the ticks of both axes; on the page, the title, a heading and a row besides.
    assert Page(page.read_text()).text.count(shown) >= 5


def test_clips_whose_names_are_not_unicode_are_reported(tmp_path, evaluation, checkpoint):
    name = os.fsdecode(b"caf\xe9.wav")
    predictions = evaluation.predictions
    clips = (predictions.clips[0], replace(predictions.clips[1], name=name), predictions.clips[2])
    evaluation = replace(evaluation, uncalibrated=replace(predictions, clips=clips))
    page = write_report(tmp_path, evaluation, checkpoint, ORIGIN)
    assert b"\ncaf\xe9.wav," in page.with_name("predictions.csv").read_bytes()
    assert "caf\\udce9.wav" in Page(page.read_text()).text


def test_predictions_are_written_beside_the_page(page, evaluation):
    assert page.with_name("predictions.csv").read_text() == evaluation.to_csv()


@pytest.fixture(scope="module")
def examined(tested):
    return examine(
        tested.evaluation,
        tested.checkpoint,
        tested.manifest,
        runtime=tested.runtime,
        store_root=tested.store_root,
    )


@pytest.fixture(scope="module")
def whole(tested, examined, as_recorded, tmp_path_factory):
    """A page with every section, as text."""
    folder = tmp_path_factory.mktemp("report")
    worse = Robustness(
        (as_recorded, replace(as_recorded, condition="noise & <hum>", num_correct=3)), ()
    )
    examined = replace(examined, robustness=worse)
    page = write_report(folder, tested.evaluation, tested.checkpoint, ORIGIN, examined)
    return page.read_text()


def test_a_page_with_sound_and_pictures_needs_no_network(whole):
    parsed = Page(whole)
    assert parsed.open == []
    assert all(one.startswith("data:") for one in parsed.addresses)
    assert not {"script", "link", "iframe", "object", "embed"} & set(parsed.tags)
    assert not re.search(r"url\((?!#)|@import|srcset|(src|href)=[\"']?(https?:)?//", whole)


def test_every_picture_and_player_is_told_in_words(whole):
    parsed = Page(whole)
    assert parsed.tags.count("audio") == 10
    assert parsed.tags.count("svg") >= 15
    assert len(parsed.labels) == parsed.tags.count("svg") + parsed.tags.count("audio") + 1
    assert all(parsed.labels)


def test_the_contents_lead_to_every_section(whole):
    parsed = Page(whole)
    assert parsed.links == parsed.anchors
    assert {"parts-of-the-data", "worse-sound", "clips", "errors", "model"} <= set(parsed.anchors)


def test_the_size_of_the_page_is_bounded(whole):
    assert len(whole) < 3_000_000


def test_the_page_tells_conditions_and_clips(whole, examined):
    text = Page(whole).text
    assert "noise & <hum>" in text
    assert examined.worst[0].judged.name in text
    assert "All of its 0.6 s. Score for" in text


def test_the_worst_part_is_named_first(tested, bad_part):
    worse = replace(bad_part, value="hall <1>")
    fine = replace(bad_part, value="studio", num_correct=39, accuracy_interval=(0.8, 1.0), loss=0.1)
    text = render_slices((worse, fine), tested.evaluation)
    first = Page(f"<p>{text}</p>").text
    assert "Worse than the whole" in first
    assert first.index("hall <1>, 4 of 40") < first.index("studio")
    assert "No part is surely worse" in render_slices((fine,), tested.evaluation)
    assert "Too few clips" in render_slices((), tested.evaluation)


def test_a_page_says_that_no_clip_could_be_decoded_again():
    assert "No clip could be decoded again." in render_robustness(Robustness((), ()))


def test_the_picture_of_coverage_has_the_area_that_it_names():
    rng = np.random.default_rng(0)
    curve = coverage_curve(rng.random(50).round(1), rng.random(50) < 0.7)
    line = draw_coverage(curve).axes[0].lines[0]
    x, y = line.get_xdata(), line.get_ydata()
    assert (line.get_drawstyle(), x[0], x[-1]) == ("steps-pre", 0.0, 1.0)
    assert np.diff(x) @ y[1:] == pytest.approx(curve.area)


@pytest.mark.parametrize("draw", [draw_roc, draw_precision_recall])
def test_a_label_with_an_underscore_in_front_is_in_the_legend(draw):
    ends = np.array([0.0, 1.0])
    curves = {label: Curve(ends, ends, 0.5) for label in ("_other", "music")}
    texts = [text.get_text() for text in draw(curves).axes[0].get_legend().get_texts()]
    assert [text.split() for text in texts] == [["other", "0.500"], ["music", "0.500"]]


def test_long_names_leave_room_for_the_picture():
    names = ["group: " + "a long way/" * 20 + end for end in ("left", "right")]
    figure = draw_intervals(names, [0.5, 0.6], [(0.4, 0.6), (0.5, 0.7)], 0.5)
    to_svg(figure)
    (axes,) = figure.axes
    assert axes.get_position().width > 0.4
    assert [text.get_text()[-5:] for text in axes.get_yticklabels()] == ["/left", "right"]


def test_columns_of_numbers_are_set_to_the_right():
    columns = ("name", "count", "difference", "p")
    rows = [("a1", "1,234", "+62.5%", "1.8e-15"), ("12", 7, "-0.1%", "1")]
    table = html_table(columns, rows)
    for name in columns[1:]:
        assert f'<th class="number">{name}</th>' in table
    assert "<th>name</th>" in table


@pytest.mark.parametrize(
    ("thresholds", "source"),
    [((0.5, 0.5, 0.5), "(the even chance)"), ((0.5, 0.2, 0.5), "(from validation data)")],
)
def test_the_rule_says_where_its_thresholds_come_from(thresholds, source):
    rule = DecisionRule(MULTI_LABEL, thresholds)
    clips = (Clip("a.wav", ClipKey("a"), (0,)),)
    found = Evaluation(Predictions(clips, np.zeros((1, 3)), MULTI_LABEL), ("a", "b", "c"), rule)
    assert describe_rule(found).endswith(source)


def test_very_many_errors_are_cut_and_counted():
    wrong = [RankedClip(n, f"{n}.wav", "a", "b", 0.5, 1.0, is_right=False) for n in range(1234)]
    page = Page(render_errors(wrong))
    assert page.tags.count("tr") == 1 + 200
    assert "And 1,034 more; predictions.csv holds every clip." in page.text


def test_a_clip_that_cannot_be_heard_says_why(tested, examined):
    silent = replace(examined.worst[0], sound=None, error="gone.wav: no <such> file")
    page = Page(render_examples([silent], [], tested.checkpoint.spec.config.features))
    assert "audio" not in page.tags
    assert "Not to be heard: gone.wav: no <such> file" in page.text


def test_clips_without_a_decision_are_shown(tested, checkpoint, tmp_path):
    evaluation = tested.evaluation
    unsure = replace(evaluation, rule=replace(evaluation.rule, min_probability=0.99))
    page = write_report(tmp_path, unsure, tested.checkpoint, ORIGIN)
    text = Page(page.read_text()).text
    assert "12 of 12 clips have no decision: 0 are silence" in text
    assert "12 unsure (below a probability of 0.99)" in text


def test_many_labels_make_a_page(tmp_path):
    labels = tuple(f"label {index}" for index in range(60))
    rng = np.random.default_rng(0)
    clips = tuple(Clip(f"{n}.wav", ClipKey(f"{n}"), (n % 60,)) for n in range(120))
    spec = ModelSpec(Config(), labels, 51, MULTI_CLASS)
    predictions = Predictions(clips, rng.normal(size=(120, 60)), MULTI_CLASS)
    model = Checkpoint(spec, new_network(spec).state_dict())
    page = write_report(tmp_path, Evaluation(predictions, labels, spec.rule), model, ORIGIN)
    parsed = Page(page.read_text())
    assert parsed.open == []
    # Beyond forty labels no confusion matrix can be read, nor beyond twelve curves.
    assert not any(one.startswith("Confusion") for one in parsed.labels)
    assert len(re.findall(r"label \d+ 0\.\d{3}", parsed.text)) == 24


def test_several_labels_at_once_make_a_page(tmp_path):
    labels = ("a", "b", "c")
    clips = tuple(
        Clip(f"{n}.wav", ClipKey(f"{n}"), targets) for n, targets in enumerate([(), (0,), (0, 2)])
    )
    spec = ModelSpec(Config(), labels, 51, MULTI_LABEL)
    logits = np.array([[-1.0, -2, -1], [2, -1, 1], [1, -1, 2]])
    evaluation = Evaluation(Predictions(clips, logits, MULTI_LABEL), labels, spec.rule)
    model = Checkpoint(spec, new_network(spec).state_dict())
    parsed = Page(write_report(tmp_path, evaluation, model, ORIGIN).read_text())
    assert "with every label and no other: 2 of 3" in parsed.text
    assert "mean average precision" in parsed.text


def test_a_stored_baseline_is_compared(tmp_path, evaluation, checkpoint):
    stored = tmp_path / "other.csv"
    stored.write_text(evaluation.to_csv())
    compared = evaluation.with_baseline(read_predictions(stored))
    page = write_report(tmp_path / "out", compared, checkpoint, ORIGIN)
    assert str(stored) in Page(page.read_text()).text
