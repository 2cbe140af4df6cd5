"""Queues from tables, folders, tests and audits."""

import json
import shutil

import pytest

from earmark.data.manifest import read_manifest
from earmark.errors import DataError
from earmark.labelling.review.sources import QueueOptions, read_queue

PREDICTIONS = """path,label,predicted,correct,abstained,novelty,cat,dog
a.wav,dog,cat,no,,0.1,0.9,0.1
b.wav,cat,cat,yes,,0.1,0.75,0.25
"""
SEEDS = """seed,fold,path,label,predicted,correct,cat,dog
0,1,a.wav,dog,cat,no,0.9,0.1
0,1,b.wav,cat,cat,yes,0.75,0.25
1,1,a.wav,dog,dog,yes,0.3,0.7
1,1,b.wav,cat,cat,yes,0.65,0.35
"""
RECORDINGS = """path,name,label,split,fold,group,start,end,key
a.wav,a.wav,dog,test,1,a,0,,
b.wav,b.wav,cat,test,1,b,0,,
long.wav,long.wav,cat,train,1,c,0,,
"""


def facts(queue):
    return [
        (one.recording.name, ";".join(one.recording.labels), one.predicted, one.probability)
        for one in queue.items
    ]


def test_a_queue_keeps_its_order_and_opinions(queue):
    assert facts(queue) == [
        ("a.wav", "dog", "cat", 0.9),
        ("b.wav", "cat", "cat", 0.7),
        ("long.wav [1-2 s]", "cat", "dog", 0.6),
        ("long.wav [3-4 s]", "dog", "", None),
    ]
    assert queue.items[0].reason == "predicted wrongly"
    assert (queue.labels, queue.is_multi_label) == (("cat", "dog"), False)


def test_a_queue_needs_no_labels(tmp_path, queue_file):
    (tmp_path / "bare.csv").write_text("path,predicted,probability\na.wav,cat,0.5\nb.wav,,\n")
    queue = read_queue(tmp_path / "bare.csv", QueueOptions(labels=("owl", "cat")))
    assert facts(queue) == [("a.wav", "", "cat", 0.5), ("b.wav", "", "", None)]
    assert queue.labels == ("owl", "cat")


def test_clips_with_several_labels_make_a_queue_of_several(tmp_path, queue_file):
    (tmp_path / "several.csv").write_text("path,label\na.wav,cat;dog\nb.wav,\n")
    assert read_queue(tmp_path / "several.csv").is_multi_label


def test_keys_are_the_same_for_the_same_queue(queue, queue_file):
    keys = [one.key for one in queue.items]
    assert len({*keys}) == 4
    assert keys == [one.key for one in read_queue(queue_file).items]
    assert not any("wav" in key or "/" in key for key in keys)


def test_a_folder_is_a_queue_without_labels(tmp_path, queue_file):
    (tmp_path / "pile" / "day").mkdir(parents=True)
    shutil.copy(tmp_path / "a.wav", tmp_path / "pile" / "day" / "a.wav")
    (tmp_path / "pile" / "notes.txt").write_text("")
    assert facts(read_queue(tmp_path / "pile")) == [("day/a.wav", "", "", None)]


@pytest.fixture
def tested(tmp_path, queue_file):
    """A folder with the predictions of a test and its recordings."""

    def make(predictions=PREDICTIONS, recordings=RECORDINGS):
        (tmp_path / "predictions.csv").write_text(predictions)
        (tmp_path / "recordings.csv").write_text(recordings)
        return tmp_path

    return make


def test_the_errors_of_a_test_come_first(tested):
    queue = read_queue(tested())
    assert facts(queue) == [("a.wav", "dog", "cat", 0.9), ("b.wav", "cat", "cat", 0.75)]
    assert [one.score for one in queue.items] == pytest.approx([0.9, 0.25])
    assert [bool(one.reason) for one in queue.items] == [True, False]
    assert queue.items[0].recording.split == "test"
    assert facts(read_queue(tested() / "predictions.csv")) == facts(queue)


def test_what_was_not_tested_keeps_its_labels(tested):
    queue = read_queue(tested())
    assert [one.name for one in queue.others] == ["long.wav"]


def test_the_seeds_of_a_cross_validation_are_one_opinion(tested):
    queue = read_queue(tested(SEEDS))
    # The wrong prediction, and the mean of its probability over both.
    assert facts(queue) == [
        ("a.wav", "dog", "cat", pytest.approx(0.6)),
        ("b.wav", "cat", "cat", pytest.approx(0.7)),
    ]
    assert "1 of 2" in queue.items[0].reason


def test_names_of_a_test_may_be_those_of_other_data(tmp_path, tested):
    folder = tested()
    (folder / "recordings.csv").unlink()
    with pytest.raises(DataError, match="--data"):
        read_queue(folder / "predictions.csv")
    (folder / "data.csv").write_text("path,label\na.wav,dog\nb.wav,cat\n")
    data = read_manifest(folder / "data.csv")
    assert len(read_queue(folder / "predictions.csv", QueueOptions(data)).items) == 2
    (folder / "data.csv").write_text("path,label\na.wav,dog\nlong.wav,cat\n")
    with pytest.raises(DataError, match=r"b\.wav"):
        read_queue(folder, QueueOptions(read_manifest(folder / "data.csv")))


@pytest.mark.parametrize(
    "table",
    [
        PREDICTIONS.replace("correct", "right"),
        PREDICTIONS.replace("0.9,0.1", "0.9"),
        PREDICTIONS.replace("0.9,0.1", "0.9,x"),
        PREDICTIONS.replace("cat,dog\n", "cat,bird\n"),
        PREDICTIONS + '"',
    ],
)
def test_other_tables_are_no_tests(tested, table):
    with pytest.raises(DataError, match=r"predictions\.csv"):
        read_queue(tested(table))


def test_an_audit_lists_wrong_labels_and_then_other_findings(tmp_path, queue_file):
    issue = {"path": "b.wav", "label": "cat", "predicted": "dog", "probability": 0.8}
    finding = {"kind": "duplicate", "severity": "warning", "message": "the same", "cause": None}
    document = {
        "findings": [{**finding, "paths": ["a.wav", "b.wav"]}, {**finding, "paths": []}],
        "label_issues": [issue],
    }
    (tmp_path / "check.json").write_text(json.dumps(document))
    with pytest.raises(DataError, match="--data"):
        read_queue(tmp_path / "check.json")
    (tmp_path / "data.csv").write_text("path,label\na.wav,dog\nb.wav,cat\nlong.wav,cat\n")
    data = read_manifest(tmp_path / "data.csv")
    queue = read_queue(tmp_path / "check.json", QueueOptions(data))
    assert facts(queue) == [("b.wav", "cat", "dog", 0.8), ("a.wav", "dog", "", None)]
    assert "the same" in queue.items[0].reason
    assert [one.name for one in queue.others] == ["long.wav"]


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"findings": 3}'])
def test_other_documents_are_no_audits(tmp_path, text):
    (tmp_path / "check.json").write_text(text)
    with pytest.raises(DataError, match=r"check\.json"):
        read_queue(tmp_path / "check.json")


def test_what_is_wrong_with_a_queue_is_named(tmp_path, queue_file):
    with pytest.raises(DataError, match="nowhere"):
        read_queue(tmp_path / "nowhere.csv")
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match="empty"):
        read_queue(tmp_path / "empty")
    queue_file.write_text("path,probability\na.wav,0.5\nb.wav,high\n")
    with pytest.raises(DataError, match="row 3"):
        read_queue(queue_file)
