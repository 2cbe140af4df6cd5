"""The result of a study shows itself."""

import json
from pathlib import Path

from earmark.training.tuning.result import BestTrial, TuningResult

BEST = BestTrial(2, 0.25, 7, {"train.batch_size": 8, "model.name": "<cnn>"})
RESULT = TuningResult(Path("study"), "loss", 5, 3, 1, 1, BEST)


def test_scripts_get_all_numbers():
    document = json.loads(json.dumps(RESULT.to_dict()))
    assert document["study"] == "study"
    assert document["num_trials"] == 5
    assert document["best"]["settings"] == dict(BEST.settings)


def test_a_terminal_gets_the_summary_and_the_best_settings():
    text = repr(RESULT)
    assert RESULT.summary() in text
    assert "train.batch_size = 8" in text


def test_a_notebook_gets_an_escaped_table():
    html = RESULT._repr_html_()
    assert html.count("<tr>") == 3
    assert "&lt;cnn&gt;" in html
