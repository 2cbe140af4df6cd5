from dataclasses import replace

import pytest

from earmark._version import __version__
from earmark.evaluation.provenance import digest_clips, trace
from earmark.models.architectures.summary import count_parameters


@pytest.fixture(scope="module")
def found(tested):
    return trace(tested.model, tested.evaluation.predictions.clips)


def test_the_cost_is_that_of_the_network(found, tested):
    assert found.num_parameters == count_parameters(tested.model.network)
    assert found.num_multiply_adds > found.num_parameters
    assert found.latency_seconds > 0
    assert found.window_seconds == pytest.approx(1.0, abs=0.02)


def test_the_version_the_device_and_the_seed_are_named(found, tested):
    assert (found.earmark_version, found.device) == (__version__, "cpu")
    assert found.seed == tested.model.spec.config.train.seed


def test_the_digest_of_the_data_is_that_of_contents_labels_and_groups(tested):
    clips = tested.evaluation.predictions.clips
    assert digest_clips(clips) == digest_clips(clips[::-1])
    renamed = [replace(clips[0], name="other.wav"), *clips[1:]]
    assert digest_clips(clips) == digest_clips(renamed)
    for change in ({"group": "other"}, {"targets": (1 - clips[0].targets[0],)}):
        changed = [replace(clips[0], **change), *clips[1:]]
        assert digest_clips(clips) != digest_clips(changed)


def test_weights_and_settings_have_digests_of_their_own(found, tested):
    other = replace(tested.model, checkpoint=tested.checkpoint.adjust(["evaluate.seed=7"]))
    again = trace(other, tested.evaluation.predictions.clips)
    assert again.weights_digest == found.weights_digest
    assert again.config_digest != found.config_digest
