"""Answers, and the labels that they come to."""

import json
import os
import signal
import subprocess
import sys
import threading
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from earmark.data.manifest import read_manifest
from earmark.errors import ConfigError, DataError
from earmark.labelling.review.answers import Answer, ClipState
from earmark.labelling.review.page_data import describe_queue
from earmark.labelling.review.review import Review
from earmark.labelling.review.sources import read_queue


def labels_of(tmp_path):
    """Name to labels, and whether a person gave them."""
    found = read_manifest(tmp_path / "labels.csv")
    return {one.name: (";".join(one.labels), one.extra["reviewed"]) for one in found.recordings}


def test_labels_are_those_of_the_queue_until_somebody_answers(tmp_path, open_review):
    open_review().close()
    assert labels_of(tmp_path) == {
        "a.wav": ("dog", "no"),
        "b.wav": ("cat", "no"),
        "long.wav [1-2 s]": ("cat", "no"),
        "long.wav [3-4 s]": ("dog", "no"),
    }


def test_an_answer_replaces_a_label_and_what_is_unsure_is_left_out(
    tmp_path, queue, open_review, answer
):
    review = open_review()
    assert review.save(answer(queue, 0, "cat"))
    assert review.save(answer(queue, 1, verdict="unsure"))
    assert review.save(answer(queue, 2, "bird", start=1.25, end=1.75))
    assert review.save(answer(queue, 3, verdict="skipped"))
    review.close()
    assert labels_of(tmp_path) == {
        "a.wav": ("cat", "yes"),
        "long.wav [1.25-1.75 s]": ("bird", "yes"),
        "long.wav [3-4 s]": ("dog", "no"),
    }
    manifest = read_manifest(tmp_path / "labels.csv")
    assert {one.split for one in manifest.recordings} == {"train", "test"}
    assert "probability" not in manifest.recordings[0].extra


def test_answers_are_there_again_in_the_next_review(queue, open_review, answer):
    first = open_review()
    first.save(answer(queue, 0, "bird"))
    first.save(answer(queue, 0, "owl", revision=1))
    first.save(answer(queue, 0, verdict="undone", revision=2))
    first.close()
    second = open_review()
    state = second.states.of(queue.items[0])
    assert (state.current.labels, state.revision) == (("bird",), 3)
    assert "bird" in second.states.labels(queue)


def test_another_queue_adds_to_the_same_labels(tmp_path, queue, open_review, answer, write_clip):
    first = open_review()
    first.save(answer(queue, 0, "bird"))
    first.close()
    write_clip(tmp_path / "new.wav", seed=9)
    (tmp_path / "second.csv").write_text("path,predicted\nnew.wav,cat\n")
    other = read_queue(tmp_path / "second.csv")
    second = open_review(other)
    second.save(answer(other, 0, "owl"))
    second.close()
    found = labels_of(tmp_path)
    assert (found.pop("a.wav"), found.pop("new.wav")) == (("bird", "yes"), ("owl", "yes"))
    assert {reviewed for _, reviewed in found.values()} == {"no"}
    assert not (tmp_path / "labels.csv.bak").exists()


def test_labels_that_nobody_was_asked_about_stay_when_another_queue_comes(
    tmp_path, open_review, answer, write_clip
):
    for number, name in enumerate(("known.wav", "moved.wav", "new.wav")):
        write_clip(tmp_path / name, seed=number)
    (tmp_path / "first.csv").write_text("path,label\nknown.wav,dog\nmoved.wav,cat\n")
    queue = read_queue(tmp_path / "first.csv")
    first = open_review(queue)
    first.save(answer(queue, 1, "owl", start=0.1, end=0.4))
    first.close()
    (tmp_path / "second.csv").write_text("path,predicted\nnew.wav,cat\n")
    other = read_queue(tmp_path / "second.csv")
    for _ in range(2):
        second = open_review(other)
        second.close()
        rows = (tmp_path / "labels.csv").read_text().splitlines()[1:]
        assert [row.split(",")[0] for row in rows] == ["known.wav", "moved.wav"]
        assert [row.rpartition(",")[2] for row in rows] == ["no", "yes"]


def test_recordings_elsewhere_keep_their_answers(tmp_path, open_review, answer):
    urls = [f"memory://{tmp_path.name}/{name}.wav" for name in ("x/a", "y/b")]
    (tmp_path / "far.csv").write_text("".join(f"{one}\n" for one in ("path", *urls)))
    far = read_queue(tmp_path / "far.csv")
    first = open_review(far)
    first.save(answer(far, 0, "dog"))
    assert [one["name"] for one in describe_queue(far, first.states)["clips"]] == [
        "x/a.wav",
        "y/b.wav",
    ]
    first.close()
    second = open_review(far)
    assert second.states.of(far.items[0]).current.labels == ("dog",)
    second.close()
    rows = (tmp_path / "labels.csv").read_text().splitlines()
    assert rows[1:] == [f"{urls[0]},dog,yes"]


@pytest.mark.parametrize(("new_file", "fold"), [("a.wav", "2"), ("long.wav", None)])
def test_a_window_has_the_group_and_the_fold_of_its_file(
    tmp_path, queue, open_review, answer, new_file, fold
):
    (tmp_path / "windows.csv").write_text(f"path,start,end\n{new_file},0.25,0.75\n")
    windows = read_queue(tmp_path / "windows.csv")
    first = open_review(windows)
    first.save(answer(windows, 0, "dog"))
    first.close()
    (tmp_path / "all.csv").write_text("path,label,group,fold\na.wav,dog,farm,2\nb.wav,cat,town,1\n")
    open_review(read_queue(tmp_path / "all.csv")).close()
    found = read_manifest(tmp_path / "labels.csv").recordings
    window = next(one for one in found if one.excerpt.start)
    assert window.group == {"a.wav": "farm", "long.wav": "long.wav"}[new_file]
    assert window.fold == fold
    # A manifest in which some have a fold and others not could not be cross-validated.
    assert len({one.fold is None for one in found}) == 1


def test_an_answer_to_an_earlier_revision_is_kept_but_does_not_count(
    tmp_path, queue, open_review, answer
):
    review = open_review()
    assert review.save(answer(queue, 0, "cat"))
    late = answer(queue, 0, "bird")
    assert not review.save(late)
    assert not review.save(late)
    state = review.states.of(queue.items[0])
    assert state.current.labels == ("cat",)
    assert [one.labels for one in state.conflicts] == [("bird",)]
    assert review.states.progress(queue)["conflicts"] == 1
    review.close()
    again = open_review()
    assert [one.labels for one in again.states.of(queue.items[0]).conflicts] == [("bird",)]
    assert again.save(answer(queue, 0, "bird", revision=1))
    assert again.states.progress(queue)["conflicts"] == 0


def test_two_tabs_that_agree_are_not_in_conflict(queue, open_review, answer):
    review = open_review()
    assert review.save(answer(queue, 0, "cat"))
    assert review.save(answer(queue, 0, "cat"))
    assert not review.states.of(queue.items[0]).conflicts


def test_an_answer_that_comes_twice_counts_once(queue, open_review, answer):
    review = open_review()
    one = answer(queue, 0, "cat")
    assert review.save(one)
    assert review.save(answer(queue, 0, "dog", revision=1))
    assert review.save(one)
    assert review.states.of(queue.items[0]).current.labels == ("dog",)
    assert len(review.log.path.read_text().splitlines()) == 2


@pytest.mark.parametrize(
    "wrong",
    [
        {"labels": ()},
        {"labels": ("a", "b")},
        {"labels": ("a;b",)},
        {"labels": (" ",)},
        {"labels": ("a\x07",)},
        {"labels": ("a",), "verdict": "unsure"},
        {"labels": ("a",), "start": 1.0, "end": 1.05},
        {"labels": ("a",), "end": 1.0},
        {"labels": ("a",), "clip": "nothing"},
        {"labels": ("a",), "start": 3.0, "end": 4.0},
    ],
)
def test_what_cannot_be_an_answer_is_refused(queue, open_review, answer, wrong):
    review = open_review()
    with pytest.raises(DataError):
        review.save(answer(queue, 2, **wrong))
    assert review.log.path.read_bytes() == b""


def test_an_undone_answer_may_not_make_two_clips_one(queue, open_review, answer):
    review = open_review()
    review.save(answer(queue, 3, "a", start=3.5, end=4.0))
    review.save(answer(queue, 2, "a", start=3.0, end=4.0))
    with pytest.raises(DataError):
        review.save(answer(queue, 3, verdict="undone", revision=1))


def test_several_labels_and_none(tmp_path, read_multi, open_review, answer):
    queue = read_multi()
    review = open_review(queue)
    review.save(answer(queue, 0))
    review.close()
    # A table with no clip of several labels holds none without a label.
    assert "a.wav" not in labels_of(tmp_path)
    review = open_review(queue)
    review.save(answer(queue, 1, "dog", "cat"))
    review.close()
    found = labels_of(tmp_path)
    assert (found["a.wav"], found["b.wav"]) == (("", "yes"), ("cat;dog", "yes"))


def test_labels_of_somebody_else_are_not_replaced(tmp_path, open_review):
    (tmp_path / "labels.csv").write_text("path,label\n")
    with pytest.raises(ConfigError, match=r"labels\.csv"):
        open_review()
    assert (tmp_path / "labels.csv").read_text() == "path,label\n"
    assert not (tmp_path / "labels.answers.jsonl").exists()


def test_an_edited_table_is_kept(tmp_path, queue, open_review, answer):
    review = open_review()
    review.save(answer(queue, 0, "bird"))
    review.close()
    table = tmp_path / "labels.csv"
    table.write_text(table.read_text().replace("bird", "owl"))
    open_review().close()
    assert "owl" in (tmp_path / "labels.csv.bak").read_text()
    assert "bird" in table.read_text()


@pytest.mark.parametrize("name", ["labels.parquet", "folder.csv"])
def test_labels_are_a_csv_file(tmp_path, queue, name):
    (tmp_path / "folder.csv").mkdir()
    with pytest.raises(ConfigError):
        Review(queue, tmp_path / name)


def test_one_review_at_a_time(open_review):
    first = open_review()
    with pytest.raises(ConfigError):
        open_review()
    first.close()
    open_review()


def test_many_threads_save_everything(tmp_path, queue, open_review, answer):
    review = open_review()
    answers = [answer(queue, number % 4, f"label {number}") for number in range(40)]
    threads = [threading.Thread(target=review.save, args=(one,)) for one in answers]
    for one in threads:
        one.start()
    for one in threads:
        one.join()
    progress = review.states.progress(queue)
    assert (progress["labelled"], progress["conflicts"]) == (4, 4)
    conflicts = sum(len(review.states.of(one).conflicts) for one in queue.items)
    assert conflicts + 4 == len(review.log.path.read_text().splitlines()) == 40
    review.close()
    assert len(labels_of(tmp_path)) == 4


def test_a_killed_review_has_lost_nothing(tmp_path, queue_file, queue, answer):
    """It is killed between the log and the table, as soon as an answer is promised to be safe."""
    given = [answer(queue, number, "bird").model_dump_json() for number in range(2)]
    program = (
        "import sys, json, time\nfrom pathlib import Path\n"
        "from earmark.labelling.review.answers import parse_answer\n"
        "from earmark.labelling.review.review import Review\n"
        "from earmark.labelling.review.sources import read_queue\n"
        "review = Review(read_queue(Path('queue.csv')), Path('labels.csv'))\n"
        "review._file.renew = lambda: None\n"
        "for text in sys.argv[1:]:\n"
        "    review.save(parse_answer(text))\n"
        "    print('saved', flush=True)\n"
        "time.sleep(60)\n"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", program, *given], cwd=tmp_path, stdout=subprocess.PIPE
    )
    assert [process.stdout.readline() for _ in given] == [b"saved\n"] * 2
    process.send_signal(signal.SIGKILL)
    process.wait()
    process.stdout.close()
    with Review(queue, tmp_path / "labels.csv"):
        found = labels_of(tmp_path)
    assert [found[name] for name in ("a.wav", "b.wav")] == [("bird", "yes")] * 2


def test_a_line_that_was_cut_short_is_left_out(tmp_path, queue, open_review, answer, caplog):
    review = open_review()
    for number in range(2):
        review.save(answer(queue, number, "bird"))
    review.close()
    log = review.log.path
    whole = log.read_bytes()
    for length in range(len(whole) - 1, whole.index(b"\n") + 1, -37):
        log.write_bytes(whole[:length])
        again = open_review()
        assert again.states.progress(queue)["labelled"] == 1
        again.save(answer(queue, 3, "owl"))
        again.close()
        assert len(log.read_text().splitlines()) == 2
        log.write_bytes(whole)


def test_a_damaged_line_is_named(tmp_path, queue, open_review, answer):
    review = open_review()
    review.save(answer(queue, 0, "bird"))
    review.close()
    log = review.log.path
    log.write_bytes(b'{"answer": 1}\n' + log.read_bytes())
    with pytest.raises(DataError, match="line 1"):
        open_review()
    assert len(log.read_text().splitlines()) == 2


def test_a_full_disk_leaves_no_half_line(queue, open_review, answer, monkeypatch):
    review = open_review()
    review.save(answer(queue, 0, "bird"))
    before = review.log.path.read_bytes()
    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", lambda _: (_ for _ in ()).throw(OSError(28, "full")))
        with pytest.raises(OSError, match="full"):
            review.save(answer(queue, 1, "bird"))
    assert review.log.path.read_bytes() == before
    assert review.states.progress(queue)["labelled"] == 1
    assert review.save(answer(queue, 1, "bird"))
    assert all(json.loads(line) for line in review.log.path.read_text().splitlines())


def test_the_folder_may_move(tmp_path, queue, open_review, answer):
    review = open_review()
    review.save(answer(queue, 0, "bird"))
    review.close()
    moved = tmp_path / "moved"
    moved.mkdir()
    for one in [*tmp_path.iterdir()]:
        if one.is_file():
            one.rename(moved / one.name)
    with Review(read_queue(moved / "queue.csv"), moved / "labels.csv") as again:
        assert again.states.progress(again.queue)["labelled"] == 1


def test_a_name_that_no_table_can_hold_cannot_be_answered(queue, open_review, answer):
    one = queue.items[0].recording
    odd = replace(
        queue, items=(replace(queue.items[0], recording=replace(one, name="\udce9.wav")),)
    )
    review = open_review(odd)
    with pytest.raises(DataError):
        review.save(answer(odd, 0, "bird"))


@given(st.lists(st.tuples(st.integers(0, 4), st.sampled_from(["a", "b", "undone"]))))
def test_an_answer_counts_exactly_if_it_was_to_the_present_revision(said):
    state, accepted, revision = ClipState(), [], 0
    for number, (seen, label) in enumerate(said):
        verdict = "undone" if label == "undone" else "labelled"
        labels = () if label == "undone" else (label,)
        one = Answer(id=f"number-{number}", clip="a", revision=seen, verdict=verdict, labels=labels)
        takes = state.takes(one)
        assert takes == (seen == revision)
        state.add(one, is_accepted=takes)
        if takes:
            revision += 1
            accepted = accepted[:-1] if label == "undone" else [*accepted, label]
        assert [each.labels[0] for each in state.accepted] == accepted
        assert state.revision == revision
