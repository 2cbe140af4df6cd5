"""What happens when a command fails, is interrupted or loses its reader."""

import subprocess
import sys

import pytest
from click.testing import CliRunner

from earmark.cli import cli
from earmark.errors import DataError


@pytest.fixture
def earmark():
    def run(*arguments):
        return CliRunner().invoke(cli, [str(one) for one in arguments])

    return run


@pytest.mark.parametrize(
    ("arguments", "goes_on"),
    [
        (("prepare", "{data}"), True),
        (("train", "{data}", "-o", "{run}"), True),
        (("train", "{data}", "-o", "{run}", "--overwrite"), False),
        (("demo", "-o", "{run}"), True),
        (("demo", "-o", "{run}", "--overwrite"), False),
        (("check", "{data}"), True),
    ],
)
def test_interrupting_says_how_to_go_on_where_it_does(
    earmark, tmp_path, monkeypatch, arguments, goes_on
):
    def interrupted(*_, **__):
        raise KeyboardInterrupt

    # First, so that the module is not loaded while the other stands for what it imports.
    monkeypatch.setattr("earmark.demo.read_manifest", interrupted)
    monkeypatch.setattr("earmark.data.manifest.read_manifest", interrupted)
    places = {"data": tmp_path, "run": tmp_path / "run"}
    result = earmark(*(one.format(**places) for one in arguments))
    assert result.exit_code == 130
    how = "; resume with the same command" if goes_on else ""
    assert result.stderr == f"earmark: interrupted{how}\n"


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (
            KeyError("x\ny"),
            "internal error: KeyError: 'x\\ny'; run again with --debug and report it",
        ),
        (
            ValueError("a\nb"),
            "internal error: ValueError: a b; run again with --debug and report it",
        ),
        (MemoryError(), "error: out of memory; lower train.batch_size or train.crop_seconds"),
        (OSError(28, "No space left", "x.csv"), "error: x.csv: No space left"),
        (OSError("no reason"), "error: no reason"),
        (
            FileExistsError(17, "File exists", "x"),
            "error: x: is not a folder; choose another folder",
        ),
        (DataError("a\nb.wav: bad"), "error: a b.wav: bad"),
    ],
)
def test_whatever_fails_is_one_line(earmark, tmp_path, monkeypatch, error, message):
    def fail(*_, **__):
        raise error

    monkeypatch.setattr("earmark.data.manifest.read_manifest", fail)
    result = earmark("check", tmp_path)
    assert (result.exit_code, result.stderr) == (1, f"earmark: {message}\n")
    debugged = earmark("check", tmp_path, "--debug")
    assert debugged.exit_code == 1
    assert debugged.stderr.startswith("Traceback")
    assert debugged.stderr.endswith(f"earmark: {message}\n")


def test_a_reader_that_has_gone_ends_the_command_quietly(sound_folder):
    code = "import sys; from earmark.cli import main; main(sys.argv[1:])"
    command = [sys.executable, "-c", code, "check", str(sound_folder), "--json", "--quiet"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        process.stdout.close()
        assert process.stderr.read() == b""
        assert process.wait() == 141
