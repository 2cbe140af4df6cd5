"""`earmark manifest`, and data with patterns of file names in the commands that read them."""

import csv
import io
import json
import shlex

import pytest

from earmark.cli import COMMANDS
from earmark.data.manifest import read_manifest

PATTERN = "{label}_{speaker}_*"


@pytest.fixture
def named(tmp_path, write_clip):
    """NAMED/{no,yes}_{anna,ben,carl,dora}_{0,1}.wav: too few speakers to search for shortcuts."""
    for number, who in enumerate(("anna", "ben", "carl", "dora")):
        for label, kind in {"no": "tone", "yes": "noise"}.items():
            for take in range(2):
                path = tmp_path / "named" / f"{label}_{who}_{take}.wav"
                write_clip(path, kind=kind, seed=4 * number + 2 * take + (label == "no"))
    return tmp_path / "named"


def rows(text):
    return list(csv.DictReader(io.StringIO(text)))


def test_what_was_understood_goes_to_standard_output(earmark, named):
    result = earmark("manifest", named, "--label-from", PATTERN)
    assert result.exit_code == 0
    first, *_ = rows(result.stdout)
    assert first == {"path": "named/no_anna_0.wav", "label": "no", "group": "anna"}
    assert "no_anna_0.wav: label no, group anna" in result.stderr
    assert result.stderr.count("\n") <= 6


def test_the_manifest_is_written_where_it_is_asked_for(earmark, named, tmp_path):
    target = tmp_path / "lists" / "all.csv"
    command = ("manifest", named, "--label-from", PATTERN, "-o", target)
    assert earmark(*command).exit_code == 0
    assert read_manifest(target).labels == ("no", "yes")
    assert rows(target.read_text())[0]["path"] == "../named/no_anna_0.wav"
    assert earmark(*command).exit_code == 0
    target.write_text("mine")
    assert earmark(*command).exit_code == 2
    assert target.read_text() == "mine"
    assert earmark("manifest", named, "--label-from", PATTERN, "-o", tmp_path).exit_code == 2


@pytest.mark.parametrize("command", ["check", "prepare", "manifest"])
def test_the_refusal_of_a_flat_folder_gives_the_command_that_works(earmark, named, command):
    result = earmark(command, named, "--quiet")
    assert result.exit_code == 1
    *_, last = result.stderr.splitlines()
    words = shlex.split(last.partition("earmark: try: earmark ")[2])
    assert words[0] == command
    assert earmark(*words).exit_code == 0


def test_check_warns_about_likely_groups(earmark, named):
    options = ("--json", "--label-from", "{label}_*")
    (finding,) = (
        one
        for one in json.loads(earmark("check", named, *options).stdout)["findings"]
        if one["kind"] == "likely_groups"
    )
    assert finding["severity"] == "warning"
    assert len(finding["paths"]) == 16
    assert '--group-from "*_{speaker}_*"' in finding["message"]
    document = json.loads(earmark("check", named, *options, "--group-from", "*_{speaker}_*").stdout)
    assert "likely_groups" not in {one["kind"] for one in document["findings"]}


@pytest.mark.usefixtures("quick_report")
def test_a_run_is_tested_on_its_data_as_they_were_named(earmark, named, tmp_path, fast):
    run = tmp_path / "run"
    trained = earmark("train", named, "-o", run, "--label-from", PATTERN, *fast)
    assert trained.exit_code == 0, trained.output
    assert f'named --label-from "{PATTERN}"' in trained.stdout
    stored = (run / "naming.json").read_text()
    test = earmark("evaluate", run, named, "--device", "cpu", "--json")
    assert test.exit_code == 0, test.output
    # The run goes on from its own table, and from no other naming.
    resumed = earmark("train", run / "recordings.csv", "-o", run, *fast)
    assert resumed.exit_code == 0, resumed.output
    assert (run / "naming.json").read_text() == stored
    other = earmark("train", named, "-o", run, "--label-from", "{label}_*", *fast)
    assert other.exit_code == 1


def test_every_command_that_reads_data_takes_the_patterns(earmark):
    without = {"demo", "predict", "listen", "serve", "export", "model", "recipe", "import", "merge"}
    without |= {"embed", "search", "suggest", "review"}
    for command in COMMANDS:
        shown = earmark(command, "--help").stdout
        assert ("--label-from" in shown) is (command not in without)
        assert ("--group-from" in shown) is (command not in without)


@pytest.mark.parametrize("pattern", ["label", "{label", "{speaker}_*"])
def test_a_wrong_pattern_is_wrong_usage(earmark, named, pattern):
    assert earmark("check", named, "--label-from", pattern).exit_code == 2
