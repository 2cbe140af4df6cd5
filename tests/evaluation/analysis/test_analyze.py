import json

import pytest

from earmark.evaluation.analysis.analyze import analyze
from earmark.evaluation.analysis.robustness import Robustness


@pytest.fixture
def found(as_recorded):
    return Robustness((as_recorded,), ())


@pytest.fixture
def analyzed(tested, found, monkeypatch):
    monkeypatch.setattr(
        "earmark.evaluation.analysis.analyze.measure_robustness", lambda *arguments: found
    )

    def run(**options):
        return analyze(
            tested.evaluation,
            tested.model,
            tested.manifest,
            store_root=tested.store_root,
            **options,
        )

    return run


def test_every_clip_is_ranked_and_some_are_examples(analyzed, tested):
    found = analyzed()
    assert [one.loss for one in found.ranked] == sorted(
        (o.loss for o in found.ranked), reverse=True
    )
    assert len(found.ranked) == len(tested.manifest)
    shown = [one.clip for one in (*found.worst, *found.most_confident)]
    assert shown[:5] == list(found.ranked[:5])
    assert len({one.name for one in shown}) == len(shown)
    assert all(one.correct for one in shown[5:])


def test_robustness_is_measured_on_request(analyzed, found):
    assert analyzed().robustness is None
    assert analyzed(robustness=True).robustness is found


def test_the_document_has_slices_and_worst_clips(analyzed):
    document = json.loads(json.dumps(analyzed(robustness=True).to_dict()))
    assert set(document) == {"slices", "worst_clips", "robustness"}
    assert document["worst_clips"][0]["loss"] == max(one["loss"] for one in document["worst_clips"])
    assert document["robustness"]["conditions"][0]["accuracy"] == 0.5
    assert "robustness" not in analyzed().to_dict()
