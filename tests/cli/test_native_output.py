"""What C libraries write does not reach the output of a command; these need processes."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile

from earmark.cli.native_output import hide_native_output

NATIVE = "import os; os.write(1, b'native out\\n'); os.write(2, b'native err\\n')\n"


def run(code, **environment):
    return subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        env={**os.environ, **environment},
    )


def run_earmark(*arguments):
    return subprocess.run(
        [sys.executable, "-m", "earmark", *map(str, arguments)], capture_output=True, text=True
    )


@pytest.fixture(scope="module")
def damaged(tmp_path_factory) -> list[Path]:
    """Two mp3 files with 200 damaged bytes each, of which libmpg123 complains."""
    folder = tmp_path_factory.mktemp("damaged")
    rng = np.random.default_rng(0)
    paths = []
    for number in range(2):
        path = folder / f"{number}.mp3"
        soundfile.write(path, rng.normal(0, 0.2, 44_100), 22_050)
        content = bytearray(path.read_bytes())
        for index in rng.integers(1000, len(content), 200):
            content[index] = rng.integers(256)
        path.write_bytes(content)
        paths.append(path)
    return paths


@pytest.mark.parametrize("unbuffered", ["", "1"])
def test_only_python_writes_to_the_standard_streams(unbuffered):
    code = (
        "import sys; from earmark.cli.native_output import hide_native_output\n"
        "print('before'); hide_native_output()\n"
        f"{NATIVE}print('è'); print('after', file=sys.stderr)\n"
    )
    result = run(code, PYTHONUNBUFFERED=unbuffered, PYTHONIOENCODING="utf-8")
    assert (result.stdout, result.stderr) == ("before\nè\n", "after\n")


def test_text_that_a_library_has_buffered_stays_away_at_the_end():
    if sys.platform == "win32":
        pytest.skip("loads the C library of POSIX")
    code = (
        "import ctypes; from earmark.cli.native_output import hide_native_output\n"
        "hide_native_output(); ctypes.CDLL(None).puts(b'native'); print('{}')\n"
    )
    assert run(code).stdout == "{}\n"


def test_threads_and_child_processes_are_covered():
    code = (
        "import subprocess, sys, threading\n"
        "from earmark.cli.native_output import hide_native_output\n"
        "hide_native_output()\n"
        "def work():\n"
        f"    {NATIVE}"
        "threads = [threading.Thread(target=work) for _ in range(8)]\n"
        "for one in threads:\n"
        "    one.start(); print('x')\n"
        "for one in threads:\n"
        "    one.join()\n"
        f"subprocess.run([sys.executable, '-c', {NATIVE!r}])\n"
    )
    result = run(code)
    assert (result.stdout, result.stderr) == ("x\n" * 8, "")


def test_a_crash_is_still_reported():
    code = (
        "import faulthandler; from earmark.cli.native_output import hide_native_output\n"
        "hide_native_output(); faulthandler._sigsegv()\n"
    )
    result = run(code)
    assert result.returncode != 0
    assert "Fatal Python error" in result.stderr


def test_streams_that_are_not_of_the_process_stay_as_they_are():
    before = sys.stdout, sys.stderr
    hide_native_output()
    assert (sys.stdout, sys.stderr) == before


def test_decoders_do_not_write_into_the_output_of_a_command(damaged):
    result = run_earmark("predict", "speech-music", *damaged, "--json")
    lines = [json.loads(line) for line in result.stdout.splitlines()]
    assert [one["path"] for one in lines] == [str(one) for one in damaged]
    assert all(str(damaged[0].parent) in line or "files" in line for line in errors(result))


def test_debug_shows_what_decoders_write(damaged):
    result = run_earmark("predict", "speech-music", damaged[0], "--json", "--debug")
    assert any("mpg123" in line or "resync" in line for line in errors(result))


def errors(result):
    return result.stderr.splitlines()
