import json

import pytest

from earmark.evaluation.analysis import analyze
from earmark.evaluation.analysis.analyze import examine
from earmark.evaluation.analysis.robustness import Robustness


@pytest.fixture
def found(as_recorded):
    return Robustness((as_recorded,), ())


@pytest.fixture
def examined(tested, found, monkeypatch):
    monkeypatch.setattr(analyze, "measure_robustness", lambda *arguments: found)

    def run(**options):
        return examine(
            tested.evaluation,
            tested.checkpoint,
            tested.manifest,
            runtime=tested.runtime,
            store_root=tested.store_root,
            **options,
        )

    return run


def test_every_clip_is_ranked_and_a_few_are_shown(examined, tested):
    found = examined()
    assert [one.loss for one in found.ranked] == sorted(
        (o.loss for o in found.ranked), reverse=True
    )
    assert len(found.ranked) == len(tested.manifest)
    shown = [one.judged for one in (*found.worst, *found.surest)]
    assert shown[:5] == list(found.ranked[:5])
    assert len({one.name for one in shown}) == len(shown)
    assert all(one.is_right for one in shown[5:])


def test_worse_sound_is_tried_when_asked_for_only(examined, found):
    assert examined().robustness is None
    assert examined(robustness=True).robustness is found


def test_the_document_has_slices_and_worst_clips(examined):
    document = json.loads(json.dumps(examined(robustness=True).to_dict()))
    assert set(document) == {"slices", "worst_clips", "robustness"}
    assert document["worst_clips"][0]["loss"] == max(one["loss"] for one in document["worst_clips"])
    assert document["robustness"]["conditions"][0]["accuracy"] == 0.5
    assert "robustness" not in examined().to_dict()
