"""What happens when a command fails, is interrupted or loses its reader."""

import subprocess
import sys

import pytest

from earmark.errors import DataError


@pytest.fixture
def run_failing(earmark, tmp_path, monkeypatch):
    """A function that runs a command whose first step raises an error."""

    def run(error, *arguments):
        def fail(*_, **__):
            raise error

        monkeypatch.setattr("earmark.data.manifest.read_folder", fail)
        monkeypatch.setattr("earmark.data.manifest.read_table", fail)
        places = {"data": tmp_path, "run": tmp_path / "run"}
        return earmark(*(one.format(**places) for one in arguments))

    return run


@pytest.mark.parametrize(
    ("arguments", "is_resumable"),
    [
        (("prepare", "{data}"), True),
        (("train", "{data}", "-o", "{run}"), True),
        (("train", "{data}", "-o", "{run}", "--overwrite"), False),
        (("demo", "-o", "{run}"), True),
        (("demo", "-o", "{run}", "--overwrite"), False),
        (("check", "{data}"), True),
        (("tune", "{data}", "-o", "{run}"), True),
        (("cross-validate", "{data}", "-o", "{run}"), True),
        (("cross-validate", "{data}"), False),
    ],
)
def test_an_interruption_names_how_to_resume_where_that_is_possible(
    run_failing, arguments, is_resumable
):
    result = run_failing(KeyboardInterrupt(), *arguments)
    assert result.exit_code == 130
    assert result.stderr.count("\n") == 1
    assert ("resume" in result.stderr) is is_resumable


@pytest.mark.parametrize(
    ("error", "parts"),
    [
        (KeyError("x\ny"), ("internal error", "KeyError", "x\\ny", "--debug")),
        (ValueError("a\nb"), ("internal error", "ValueError", "a b", "--debug")),
        (ModuleNotFoundError("no x", name="x"), ("internal error", "no x")),
        (MemoryError(), ("train.batch_size",)),
        (OSError(28, "No space left", "x.csv"), ("error: x.csv: No space left",)),
        (OSError("no reason"), ("error: no reason",)),
        (FileExistsError(17, "File exists", "x"), ("error: x: ",)),
        (DataError("a\nb.wav: bad"), ("error: a b.wav: bad",)),
    ],
)
def test_every_error_is_one_line(run_failing, error, parts):
    result = run_failing(error, "check", "{data}")
    assert result.exit_code == 1
    assert result.stderr.startswith("earmark: ")
    assert result.stderr.count("\n") == 1
    assert all(part in result.stderr for part in parts)
    debugged = run_failing(error, "check", "{data}", "--debug")
    assert debugged.exit_code == 1
    assert debugged.stderr.startswith("Traceback")
    assert debugged.stderr.endswith(result.stderr)


def test_an_extra_that_is_missing_is_wrong_usage(run_failing):
    result = run_failing(ModuleNotFoundError("", name="torch.nn"), "check", "{data}")
    assert result.exit_code == 2
    assert "check needs PyTorch: pip install 'earmark[train]'" in result.stderr


def test_a_reader_that_has_gone_ends_the_command_quietly(tmp_path, write_clip):
    sound = str(write_clip(tmp_path / "a.wav"))
    arguments = ["predict", "speech-music", sound, "--json", "--quiet"]
    command = [sys.executable, "-m", "earmark", *arguments]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        process.stdout.close()
        assert process.stderr.read() == b""
        assert process.wait() == 141
