import json

import pytest


@pytest.mark.parametrize(
    ("options", "culprit"),
    [(("--workers", "0"), "--workers"), (("--set", "tune.trial=3"), "tune.trials")],
)
def test_wrong_usage_is_one_line(earmark, sound_folder, options, culprit):
    result = earmark("tune", sound_folder, "-o", "study", *options)
    assert result.exit_code == 2
    assert culprit in result.stderr


def test_a_study_of_one_trial_prints_its_result(earmark, sound_folder):
    settings = ("tune.trials=1", "train.epochs=1", "model.blocks.0.channels=2")
    options = [part for one in settings for part in ("--set", one)]
    result = earmark("tune", sound_folder, "-o", "study", "--workers", "1", "--json", *options)
    assert result.exit_code == 0
    document = json.loads(result.stdout)
    assert (document["num_trials"], document["num_complete"]) == (1, 1)
    assert set(document["best"]) >= {"number", "value", "settings"}
