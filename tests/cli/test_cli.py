"""The group of commands: its help, and the errors of every command."""

import os
import subprocess
import sys

import click
import pytest

from earmark.cli import COMMANDS, LazyGroup, cli


def test_help_loads_nothing_heavy():
    code = (
        "import sys; from earmark.cli import cli; cli.main(['--help'], standalone_mode=False);"
        "print([one for one in ('torch', 'numpy', 'rich', 'pydantic') if one in sys.modules])"
    )
    result = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert result.stdout.splitlines()[-1] == "[]"


def test_a_command_is_imported_when_it_is_asked_for():
    code = (
        "import sys; from earmark.cli import cli; cli.main(['model', '-h'], standalone_mode=False);"
        "print(sorted(one for one in sys.modules if one.startswith('earmark.cli.')))"
    )
    result = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert (
        result.stdout.splitlines()[-1]
        == "['earmark.cli.addresses', 'earmark.cli.model', 'earmark.cli.options']"
    )


def test_every_verb_is_in_the_help(earmark):
    text = earmark("--help").output
    for verb in COMMANDS:
        assert f"\n  {verb} " in text


@pytest.mark.parametrize("name", COMMANDS)
def test_each_command_and_each_of_its_options_has_a_help_text(name):
    command = cli.get_command(click.Context(cli), name)
    assert command.name == name
    assert command.get_short_help_str()
    for option in command.params:
        assert not isinstance(option, click.Option) or option.help, option.name


def test_an_unknown_command_is_wrong_usage(earmark):
    assert LazyGroup().get_command(click.Context(cli), "options") is None
    result = earmark("trian")
    assert result.exit_code == 2
    assert "trian" in result.stderr


def test_the_version_is_that_of_the_package(earmark):
    import earmark as package

    assert package.__version__ in earmark("--version").stdout


@pytest.mark.parametrize(
    ("arguments", "status", "culprit"),
    [
        (("train", "{missing}", "-o", "run"), 1, "nowhere"),
        (("train", "{data}", "-o", "run", "--set", "train.epoch=3"), 2, "train.epochs"),
        (("train", "{data}", "-o", "run", "--device", "tpu"), 2, "tpu"),
        (("train", "{data}", "-o", "run", "--config", "{missing}"), 2, "nowhere"),
        (("evaluate", "{missing}", "{data}"), 1, "nowhere"),
        (("predict", "{missing}", "{data}"), 1, "nowhere"),
        (("prepare", "{empty}"), 1, "empty"),
        (("model", "summary", "--set", "model.name=x"), 2, "'x'"),
        (("train", "{data}"), 2, "--output"),
        (("check", "{data}", "-o", "{empty}"), 2, "empty"),
        (("export", "{missing}", "-o", "model.pt"), 2, "model.pt"),
    ],
)
def test_errors_are_one_line_with_the_right_exit_status(
    earmark, tmp_path, sound_folder, arguments, status, culprit
):
    (tmp_path / "empty").mkdir()
    places = {"missing": tmp_path / "nowhere", "data": sound_folder, "empty": tmp_path / "empty"}
    result = earmark(*(one.format(**places) for one in arguments))
    assert result.exit_code == status
    assert culprit in result.stderr.splitlines()[-1]
    assert "Traceback" not in result.output
    assert result.stdout == ""


def test_debug_shows_the_traceback_and_keeps_the_exit_status(earmark):
    result = earmark("model", "summary", "--debug", "--set", "model.name=x")
    assert result.exit_code == 2
    assert "Traceback" in result.stderr


@pytest.mark.skipif(sys.platform == "win32", reason="names of files are always Unicode there")
def test_a_python_that_would_garble_names_is_refused_in_one_line(tmp_path):
    plain = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
    result = subprocess.run(
        [sys.executable, "-m", "earmark", "check", "."],
        capture_output=True,
        cwd=tmp_path,
        env=os.environ | plain,
        check=False,
    )
    assert result.returncode == 2
    assert result.stderr.count(b"\n") == 1
    assert b"PYTHONUTF8=1" in result.stderr
