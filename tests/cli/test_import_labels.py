import csv
import io
import json

import pytest


@pytest.fixture
def field(tmp_path, write_clip):
    """FIELD/{a,b}.wav of 3 s with a label track each, of which that of b is broken."""
    for name in "ab":
        write_clip(tmp_path / "field" / f"{name}.wav", 3.0, 8000)
    (tmp_path / "field" / "a.txt").write_text("1\t2\twren\n")
    (tmp_path / "field" / "b.txt").write_text("2\t1\twren\n" * 7)
    return tmp_path / "field"


def test_the_manifest_goes_to_standard_output(earmark, field):
    result = earmark("import", field / "a.txt")
    assert result.exit_code == 0, result.output
    found = list(csv.DictReader(io.StringIO(result.stdout)))
    assert [(one["path"], one["label"]) for one in found] == [
        ("field/a.wav", "_background_"),
        ("field/a.wav", "wren"),
        ("field/a.wav", "_background_"),
    ]


def test_what_fails_is_named_and_the_rest_is_written(earmark, field, tmp_path):
    command = ("import", field, "-o", tmp_path / "m.csv")
    result = earmark(*command)
    assert result.exit_code == 1
    assert result.stderr.count("b.txt, row") == 5
    assert "2 more" in result.stderr
    assert (tmp_path / "m.csv").read_text().count("field/a.wav") == 3
    document = json.loads(earmark(*command, "--json").stdout)
    assert {key: document[key] for key in ("num_excerpts", "labels", "num_recordings")} == {
        "num_excerpts": 3,
        "labels": {"_background_": 2, "wren": 1},
        "num_recordings": 1,
    }
    assert len(document["failed"]) == 7
    (tmp_path / "m.csv").write_text("mine")
    assert earmark(*command).exit_code == 2
    assert (tmp_path / "m.csv").read_text() == "mine"


def test_columns_and_settings(earmark, field):
    table = field.parent / "all.csv"
    table.write_text('"Begin, by hand (s)",Stop,Who\n0.5,1.5,wren\n')
    options = (
        "--columns",
        'start="Begin, by hand (s)",end=Stop,label=Who',
        "--whole",
        "--no-background",
    )
    result = earmark("import", table, "--audio", field / "a.wav", *options)
    assert result.exit_code == 0, result.output
    assert result.stdout.splitlines()[1] == "field/a.wav,wren,0.5,1.5"


def test_names(earmark, field):
    result = earmark("import", field, "--pattern", "{label}.wav")
    assert result.exit_code == 0, result.output
    assert "a.wav: label a" in result.stderr
    assert result.stdout.splitlines()[1:] == ["field/a.wav,a", "field/b.wav,b"]


@pytest.mark.parametrize(
    "options",
    [
        ("--json",),
        ("--columns", "start"),
        ("--columns", "start=a,start=b"),
        ("--columns", "begin=a"),
        ("--window", "0"),
        ("--pattern", "{label}", "--whole"),
        ("--pattern", "label"),
    ],
)
def test_wrong_usage(earmark, field, options):
    assert earmark("import", field, *options).exit_code == 2


def test_nothing_to_import(earmark, field, tmp_path):
    assert earmark("import", field / "b.txt", "-o", tmp_path / "m.csv").exit_code == 1
    result = earmark("import", field / "b.txt", "-o", tmp_path / "m.csv", "--json")
    assert result.exit_code == 1
    assert json.loads(result.stdout)["manifest"] is None
    assert not (tmp_path / "m.csv").exists()


def test_a_pattern_without_a_label_needs_folders(earmark, tmp_path, write_clip):
    write_clip(tmp_path / "a.7.wav")
    result = earmark("import", tmp_path, "--pattern", "{name}.{take}.wav")
    assert result.exit_code == 1
    assert "{label}" in result.stderr
