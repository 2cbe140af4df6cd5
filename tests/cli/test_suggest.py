"""`earmark suggest`: a queue of windows, without what has a label already."""

import csv
import json

import pytest


@pytest.fixture
def queue(tmp_path):
    return tmp_path / "queue.csv"


def test_the_queue_holds_what_is_printed(earmark, model, sounds, queue):
    words = ("suggest", model, sounds, "-n", 3, "-o", queue)
    document = json.loads(earmark(*words, "--json").stdout)
    rows = list(csv.DictReader(queue.read_text().splitlines()))
    assert [float(row["start"]) for row in rows] == [
        pytest.approx(one["start"], abs=1e-3) for one in document["windows"]
    ]
    assert len(rows) == 3
    assert len({row["path"] for row in rows}) == 3
    assert (document["by"], document["skipped"]) == ("margin", [])
    assert earmark(*words).exit_code == 2
    assert earmark(*words, "--overwrite").exit_code == 0
    labels = queue.with_name("labels.csv")
    labels.write_text(f"path,label\n{rows[0]['path']},music\n{rows[1]['path']},speech\n")
    more = earmark(
        "suggest", model, sounds, "-n", 9, "--labelled", labels, "--json", "--by", "random"
    )
    names = {one["path"] for one in json.loads(more.stdout)["windows"]}
    assert not names & {row["path"] for row in rows[:2]}


def test_wrong_usage_is_refused(earmark, model, sounds):
    for words in (("--by", "luck"), ("-n", 0), ("-o", "queue.txt"), ("--by", "novelty")):
        assert earmark("suggest", model, sounds, *words).exit_code == 2
    assert earmark("suggest", model, "-").exit_code == 2
    assert earmark("suggest", model, "missing.wav").exit_code == 1
