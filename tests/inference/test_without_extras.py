"""Prediction in an environment with the base dependencies only."""

import json
import subprocess
import sys

import pytest
import soundfile

EXTRAS = (
    *("torch", "scipy", "sklearn", "matplotlib", "jaxtyping", "loky", "threadpoolctl"),
    *("safetensors", "onnx", "pandas", "optuna", "pyarrow", "sounddevice", "jinja2"),
)
SLOW = ("av", "miniaudio", "rich", "unittest.mock")
"""Modules that the label of a WAV file need not wait for."""


@pytest.fixture
def run(tmp_path, write_clip):
    """Runs a command in a process that cannot import the extras; gives its standard output."""
    write_clip(tmp_path / "a.wav", 3.0, kind="noise")

    def run(*arguments, after="", blocked=EXTRAS):
        program = (
            f"import sys\nsys.modules.update(dict.fromkeys({blocked!r}))\n"
            "from earmark.cli import cli\n"
            f"cli.main({list(arguments)!r}, standalone_mode=False)\n{after}"
        )
        command = [sys.executable, "-c", program]
        return subprocess.run(
            command, cwd=tmp_path, check=True, capture_output=True, text=True
        ).stdout

    return run


def test_a_label_and_segments(run, tmp_path):
    arguments = ("predict", "speech-music", "a.wav")
    output = run(*arguments, "--segments", "--json", "--segments-to", "out",
                 "--segments-format", "csv")  # fmt: skip
    result = json.loads(output)
    assert set(result["probabilities"]) == {"music", "speech"}
    assert "segments" in result
    assert (tmp_path / "out" / "a.wav.csv").read_text().startswith("start,end,label")


def test_a_flac_file(run, tmp_path):
    soundfile.write(tmp_path / "b.flac", *soundfile.read(tmp_path / "a.wav"))
    assert json.loads(run("predict", "speech-music", "b.flac", "--json"))["path"] == "b.flac"


def test_a_label_alone_waits_for_no_slow_import(run):
    after = f"print([one for one in {SLOW!r} if one in sys.modules])"
    *_, imported = run("predict", "speech-music", "a.wav", after=after).splitlines()
    assert imported == "[]"


def test_the_public_api(run):
    after = (
        "import earmark\nmodel = earmark.load_model('speech-music')\n"
        "print(type(earmark.predict(model, 'a.wav', segments=True)[0]).__name__)"
    )
    *_, name = run("predict", "speech-music", "a.wav", after=after).splitlines()
    assert name == "Prediction"
