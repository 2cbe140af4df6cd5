"""What `earmark review` does without its page, and what stops it before."""

import json
import re
import sys

import pytest

from earmark.data.manifest import read_manifest


@pytest.fixture
def queue(tmp_path, write_clip):
    """A queue of two clips and a bad one."""
    for number, name in enumerate(("a", "b")):
        write_clip(tmp_path / f"{name}.wav", seed=number)
    (tmp_path / "bad.wav").write_text("no sound")
    path = tmp_path / "queue.csv"
    path.write_text("path,label,predicted\na.wav,dog,cat\nb.wav,cat,cat\nbad.wav,,\n")
    return path


def page_of(path):
    """The queue of a page and the views of its clips."""
    text = path.read_text()
    found = re.findall(r'<script type="application/json" id="\w+">(.*?)</script>', text, re.S)
    return [json.loads(one) for one in found]


def answers(page, tmp_path, *labels):
    """What the page would hand back."""
    found = [
        {
            "id": f"from-page-{number}",
            "clip": clip["key"],
            "revision": clip["revision"],
            "verdict": "labelled",
            "labels": [label],
            "start": None,
            "end": None,
            "replaces": [],
        }
        for number, (clip, label) in enumerate(zip(page["clips"], labels, strict=False))
    ]
    path = tmp_path / "answers.json"
    path.write_text(json.dumps({"format": "earmark answers 1", "answers": found}))
    return path


def test_a_page_from_disk_and_its_answers(earmark, queue, tmp_path):
    result = earmark("review", queue, "--static", "page.html")
    assert result.exit_code == 0, result.output
    page, views = page_of(tmp_path / "page.html")
    assert [one["name"] for one in page["clips"]] == ["a.wav", "b.wav", "bad.wav"]
    by_key = dict(views)
    assert by_key[page["clips"][0]["key"]]["sound"].startswith("data:audio/mpeg;base64,")
    assert "bad.wav" in by_key[page["clips"][2]["key"]]["error"]
    assert str(tmp_path) not in (tmp_path / "page.html").read_text()
    assert not (tmp_path / "labels.csv").exists()
    file = answers(page, tmp_path, "bird", "cat")
    for _ in range(2):
        result = earmark("review", queue, "--answers", file)
        assert result.exit_code == 0, result.output
    found = read_manifest(tmp_path / "labels.csv").recordings
    assert [(one.name, *one.labels, one.extra["reviewed"]) for one in found] == [
        ("a.wav", "bird", "yes"),
        ("b.wav", "cat", "yes"),
    ]
    assert len((tmp_path / "labels.answers.jsonl").read_text().splitlines()) == 2
    earmark("review", queue, "--static", "again.html", "-n", 1)
    (clip,) = page_of(tmp_path / "again.html")[0]["clips"]
    assert (clip["revision"], clip["answer"]["labels"]) == (1, ["bird"])


def test_an_answer_beyond_the_end_of_its_file_is_named_and_none_is_saved(earmark, queue, tmp_path):
    earmark("review", queue, "--static", "page.html")
    file = answers(page_of(tmp_path / "page.html")[0], tmp_path, "bird", "cat")
    document = json.loads(file.read_text())
    document["answers"][1].update(start=0.5, end=30.0)
    file.write_text(json.dumps(document))
    result = earmark("review", queue, "--answers", file)
    assert result.exit_code == 1
    last = result.stderr.splitlines()[-1]
    assert all(one in last for one in (f"{file}, answer 2", "b.wav", "[0.5-30 s]", "1.00 s"))
    assert (tmp_path / "labels.answers.jsonl").read_bytes() == b""


def test_the_page_has_one_policy_and_nothing_of_others(earmark, queue, tmp_path):
    earmark("review", queue, "--static", "page.html", "-n", 1)
    text = (tmp_path / "page.html").read_text()
    (policy,) = re.findall(r'Security-Policy" content="([^"]+)"', text)
    rules = dict(one.strip().split(" ", 1) for one in policy.split(";"))
    assert rules["default-src"] == "'none'"
    assert rules["script-src"].startswith("'sha256-")
    assert "connect-src" not in rules
    assert not re.search(r"^(import|export) ", text, re.M)
    assert not re.search(r'(src|href)="(?!data:|#)', text)


@pytest.mark.parametrize(
    ("arguments", "culprit"),
    [
        (["nowhere.csv"], "nowhere.csv"),
        (["queue.csv", "-o", "labels.txt"], "labels.txt"),
        (["queue.csv", "--vectors", "nowhere.parquet"], "nowhere.parquet"),
        (["queue.csv", "--static", "a.html", "--answers", "a.json"], "--answers"),
        (["queue.csv", "--answers", "nowhere.json"], "nowhere.json"),
        (["queue.csv", "--answers", "queue.csv"], "queue.csv"),
        (["predictions.csv"], "--data"),
    ],
)
def test_wrong_usage_is_one_line(earmark, queue, tmp_path, arguments, culprit):
    (tmp_path / "predictions.csv").write_text("path,label,predicted,correct\n")
    result = earmark("review", *arguments)
    assert result.exit_code in (1, 2)
    assert culprit in result.stderr.splitlines()[-1]


def test_the_extra_is_named(earmark, queue, monkeypatch):
    monkeypatch.delitem(sys.modules, "earmark.labelling.review.run", raising=False)
    monkeypatch.setitem(sys.modules, "uvicorn", None)
    result = earmark("review", queue)
    assert result.exit_code == 2, result.stderr
    assert "pip install 'earmark[serve]'" in result.stderr.splitlines()[-1]
