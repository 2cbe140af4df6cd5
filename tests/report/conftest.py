"""A parser of pages, and small evaluations to render."""

from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest

from earmark.config import Config
from earmark.data.content import Clip
from earmark.errors import FailedFile
from earmark.evaluation.analysis.analyze import analyze
from earmark.evaluation.metrics.scores import Predictions
from earmark.evaluation.result import Evaluation
from earmark.features.store import ClipKey
from earmark.models.checkpoint import Checkpoint, new_network
from earmark.models.spec import ModelSpec
from earmark.report.model import Origin
from earmark.tasks.decision_rule import DecisionRule
from earmark.tasks.task import BINARY

LABELS = ("music & <noise>", "speech")
VOID = {"meta", "link", "br", "img"}


class Page(HTMLParser):
    """The tags, texts and attributes of a page or of a part of one."""

    def __init__(self, text):
        super().__init__()
        self.open, self.addresses, self.text, self.tags = [], [], "", []
        self.labels, self.links, self.anchors, self.data = [], [], [], {}
        self.feed(str(text))

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
        for name, value in attrs:
            if name.startswith("data-"):
                self.data.setdefault(name[5:], []).append(value)
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


@pytest.fixture(scope="session")
def parse():
    return Page


@pytest.fixture(scope="session")
def origin():
    model = Path("runs/one/best.safetensors")
    return Origin(model, "the <data>", naming='--label-from "{label}_*"')


@pytest.fixture(scope="session")
def evaluation():
    names = ("a.wav", "b<b>.wav", "c.wav")
    clips = tuple(
        Clip(name, ClipKey(name), (target,)) for name, target in zip(names, (0, 0, 1), strict=True)
    )
    predictions = Predictions(clips, np.array([[-2.0], [1.0], [3.0]]))
    skipped = (FailedFile("bad.wav", "bad.wav: the file is empty"),)
    return Evaluation(predictions, LABELS, DecisionRule(BINARY, (0.5,)), skipped=skipped)


@pytest.fixture(scope="session")
def checkpoint():
    spec = ModelSpec(Config(), LABELS, 51)
    return Checkpoint(spec, new_network(spec).state_dict(), progress={"epoch": 2})


@pytest.fixture(scope="session")
def analysis(tested):
    return analyze(
        tested.evaluation,
        tested.model,
        tested.manifest,
        store_root=tested.store_root,
    )
