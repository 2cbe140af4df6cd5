from html.parser import HTMLParser

import pytest

from earmark.checkpoint import Checkpoint, ModelCard
from earmark.config import Config
from earmark.data import Clip
from earmark.evaluation import Evaluation
from earmark.metrics import Predictions, score
from earmark.preparation import Skipped
from earmark.report import write_report

LABELS = ("music & <noise>", "speech")
VOID = {"meta", "link", "br", "img"}


class Page(HTMLParser):
    def __init__(self, text):
        super().__init__()
        self.open, self.addresses, self.text, self.tags = [], [], "", []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        if tag not in VOID:
            self.open.append(tag)
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


@pytest.fixture
def evaluation():
    import numpy as np

    names = ("a.wav", "b<b>.wav", "c.wav")
    clips = tuple(Clip(name, name, target) for name, target in zip(names, (0, 0, 1), strict=True))
    predictions = Predictions(clips, np.array([[-2.0], [1.0], [3.0]]))
    skipped = (Skipped("bad.wav", "bad.wav: the file is empty"),)
    return Evaluation(score(predictions, LABELS), predictions, 0.5, skipped)


@pytest.fixture
def page(tmp_path, evaluation):
    card = ModelCard(Config(), LABELS, 51)
    checkpoint = Checkpoint(card, card.build().state_dict(), progress={"epoch": 1})
    return write_report(tmp_path, evaluation, checkpoint)


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
    assert Page(page.read_text()).tags.count("svg") == 2


def test_the_loss_curve_is_shown_when_the_folder_has_a_log(tmp_path, evaluation):
    line = '{"epoch": %d, "train_loss": 0.5, "val_loss": 0.4}\n'
    (tmp_path / "log.jsonl").write_text(line % 1 + line % 2)
    card = ModelCard(Config(), LABELS, 51)
    checkpoint = Checkpoint(card, card.build().state_dict(), progress={"epoch": 1})
    page = write_report(tmp_path, evaluation, checkpoint)
    assert Page(page.read_text()).tags.count("svg") == 3


def test_predictions_are_written_beside_the_page(page, evaluation):
    assert page.with_name("predictions.csv").read_text() == evaluation.to_csv()
