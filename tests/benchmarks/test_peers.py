"""The table of peers that train: what each is given, what counts as right, and what is kept."""

import csv
import json
import sys
from pathlib import Path

import pytest

from earmark.errors import DataError

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"
FACTS = {
    "network": "net",
    "parameters": 1234,
    "front_end": "16 kHz",
    "length": "2 of 5 epochs",
    "versions": "peer 1.0",
}


@pytest.fixture(autouse=True)
def _importable(monkeypatch):
    """Lets a test import the scripts as they import each other."""
    monkeypatch.syspath_prepend(BENCHMARKS)


@pytest.fixture
def folds(tmp_path):
    rows = [(f"{label}{fold}.wav", label, fold) for fold in "123" for label in "ab"]
    path = tmp_path / "sounds.csv"
    with path.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([("path", "label", "fold"), *rows])
    for name, _, _ in rows:
        (tmp_path / name).touch()
    return path


def test_the_next_fold_validates(folds):
    from peers.training import read_tests

    first, last = read_tests(f"{folds}:1:3")
    assert (first.data, first.name, last.name) == ("sounds", "1", "3")
    assert {one.fold: one.split for one in last.manifest.recordings} == {
        "1": "validation",
        "2": "train",
        "3": "test",
    }


def test_data_without_splits_need_a_fold_that_exists(folds):
    from peers.training import read_tests

    with pytest.raises(DataError, match=r"sounds\.csv"):
        read_tests(str(folds))
    with pytest.raises(DataError, match="'4'"):
        read_tests(f"{folds}:4")


def test_a_peer_is_given_the_three_splits_and_is_run_once(folds, tmp_path):
    from peers.training import Settings, format_row, read_tests, run_peer

    python = tmp_path / "python"
    python.write_text(
        f"#!{sys.executable}\n"
        "import csv, json, os, pathlib, sys\n"
        "rows = list(csv.DictReader(open(sys.argv[2])))\n"
        "out = pathlib.Path(sys.argv[3])\n"
        "out.mkdir()\n"
        "test = [row['path'] for row in rows if row['split'] == 'test']\n"
        "lines = ''.join(f'{path},a\\n' for path in test)\n"
        "(out / 'predictions.csv').write_text('path,label\\n' + lines)\n"
        "assert os.environ['OMP_NUM_THREADS'] == '3'\n"
        "assert sys.argv[4:] == ['--seed', '7', '--cap-minutes', '0.5']\n"
        f"(out / 'facts.json').write_text({json.dumps(FACTS)!r})\n"
    )
    python.chmod(0o755)
    settings = Settings({"autrainer": str(python)}, tmp_path / "out", 7, 3, 0.5)
    (test,) = read_tests(f"{folds}:2")
    result = run_peer("autrainer", test, settings)
    assert (result["num_right"], result["num_clips"]) == (1, 2)
    assert result["minutes"] > 0
    assert "| sounds | 2 | autrainer | net, 1,234 | 16 kHz | 2 of 5 epochs | 1 of 2 | 50.0 |" in (
        format_row("autrainer", test, result)
    )
    python.unlink()
    assert run_peer("autrainer", test, settings) == result


def test_a_peer_that_predicts_too_little_is_an_error(folds, tmp_path):
    from peers.training import count_right, read_tests

    (test,) = read_tests(f"{folds}:2")
    (tmp_path / "predictions.csv").write_text(f"path,label\n{tmp_path / 'a2.wav'},a\n")
    with pytest.raises(KeyError, match=r"b2\.wav"):
        count_right(test.manifest, tmp_path / "predictions.csv")


def test_only_known_peers_are_taken(folds, monkeypatch):
    from peers import training

    arguments = ["training.py", f"{folds}:1", "--out", "out", "--peer", "other=python"]
    monkeypatch.setattr(sys, "argv", arguments)
    with pytest.raises(SystemExit) as done:
        training.main()
    assert done.value.code == 2


def test_a_job_writes_predictions_and_facts(folds, tmp_path, monkeypatch):
    from peers.job import Facts, run_job

    table = tmp_path / "recordings.csv"
    table.write_text("path,label,split,group\n/x.wav,b,test,g\n/y.wav,a,train,g\n")
    monkeypatch.setattr(sys, "argv", ["job.py", str(table), str(tmp_path / "job")])
    seen = []

    def train(job):
        seen.append((job.labels(), job.read("train"), job.read("validation"), job.cap_seconds))
        return dict.fromkeys((path for path, _ in job.read("test")), "a"), Facts(**FACTS)

    run_job(train, "words")
    assert seen == [(["a", "b"], [("/y.wav", "a")], [], 1500.0)]
    assert (tmp_path / "job/predictions.csv").read_text() == "path,label\n/x.wav,a\n"
    assert json.loads((tmp_path / "job/facts.json").read_text()) == FACTS
