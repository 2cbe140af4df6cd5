"""The tutorial on the loop around labels, run as it is written, with short trainings."""

import json
import re
import shlex
from pathlib import Path

import pytest
from click.testing import CliRunner

from earmark.cli import cli

PAGE = Path(__file__).parents[1] / "docs" / "tutorials" / "from_recordings.md"
FAST = (
    "--set",
    "recipe.name=classic",
    "--set",
    "train.epochs=3",
    "--set",
    "evaluate.baseline=false",
)


def blocks(language):
    return re.findall(rf"^```{language}\n(.*?)^```", PAGE.read_text(encoding="utf-8"), re.M | re.S)


def run(*words):
    result = CliRunner().invoke(cli, [str(one) for one in words])
    assert result.exit_code == 0, result.output
    return result


def correct(table, new_table):
    """Writes what a review would: all clips, with the labels of the package."""
    from earmark.data.demo import demo_data
    from earmark.data.manifest import read_manifest

    with demo_data() as data:
        recordings = read_manifest(data).recordings
    rows = [f"pile/{one.path.name},{one.labels[0]},{one.group}" for one in recordings]
    Path(new_table).write_text("\n".join(["path,label,group", *rows]) + "\n")
    return Path(table).read_text().count("\n"), len(rows) + 1


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_the_loop_goes_once_around(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for block in blocks("python"):
        exec(compile(block, str(PAGE), "exec"), {})
    before, after = correct("labels.csv", "labels2.csv")
    assert before < after
    lines = [
        line.removeprefix("$ earmark ") for one in blocks("console") for line in one.splitlines()
    ]
    for line in lines:
        words = shlex.split(line)
        starts = words[0] in ("train", "cross-validate") and "--from" not in words
        run(*words, *(FAST if starts else ()))
    assert "<audio" in Path("check.html").read_text()
    found = json.loads(run("compare", "run", "run2", "--json").stdout)
    assert found["num_unknown"] == 0
    assert found["num_clips"] > 0
