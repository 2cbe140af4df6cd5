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


def test_without_a_readable_sound_there_is_no_queue(earmark, model, sounds, queue, tmp_path):
    (tmp_path / "empty").mkdir()
    bad = tmp_path / "bad" / "a.wav"
    bad.parent.mkdir()
    bad.write_bytes(b"no sound")
    for words, num_skipped in ((("empty",), 0), (("bad",), 1), (("bad", "missing.wav"), 2)):
        result = earmark("suggest", model, *words, "-o", queue, "--json")
        assert result.exit_code == 1
        assert len(json.loads(result.stdout)["skipped"]) == num_skipped
        assert not queue.exists()
    queue.write_text("of another day")
    assert earmark("suggest", model, "bad", "-o", queue, "--overwrite").exit_code == 1
    assert queue.read_text() == "of another day"


def test_a_bad_file_costs_no_other(earmark, model, sounds, queue):
    (sounds / "bad.wav").write_bytes(b"no sound")
    result = earmark("suggest", model, sounds, "-n", 2, "-o", queue, "--json")
    assert result.exit_code == 1
    (skipped,) = json.loads(result.stdout)["skipped"]
    assert skipped["path"] == str(sounds / "bad.wav")
    assert len(queue.read_text().splitlines()) == 3
