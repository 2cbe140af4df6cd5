"""What `earmark serve` starts, and what stops it before it starts."""

import importlib
import json
import os
import re
import signal
import subprocess
import sys
import urllib.request

import pytest


@pytest.mark.parametrize(
    ("arguments", "culprit"),
    [
        (["nowhere.onnx"], "nowhere.onnx"),
        (["speech-music", "speech-music"], "speech-music"),
        (["speech-music", "--token-file", "nowhere"], "nowhere"),
        (["speech-music", "--set", "train.epochs=3"], "train.epochs"),
        (["speech-music", "--timeout", "nan"], "--timeout"),
        (["speech-music", "--max-seconds", "inf"], "--max-seconds"),
    ],
)
def test_wrong_usage_is_one_line(earmark, arguments, culprit):
    result = earmark("serve", *arguments)
    assert result.exit_code in (1, 2)
    assert culprit in result.stderr.splitlines()[-1]


@pytest.mark.parametrize("package", ["fastapi", "uvicorn", "prometheus_client"])
def test_the_extra_is_named(earmark, monkeypatch, package):
    for name in [one for one in sys.modules if one.startswith("earmark.server")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, package, None)
    result = earmark("serve", "speech-music")
    assert result.exit_code == 2
    assert "pip install 'earmark[serve]'" in result.stderr.splitlines()[-1]


def test_a_slash_at_the_end_of_an_origin_does_not_count(earmark, monkeypatch):
    given = []
    # Not by its path: another test has it imported anew.
    run = importlib.import_module("earmark.server.run")
    monkeypatch.setattr(run, "serve", lambda _, access, __: given.append(access) or True)
    result = earmark("serve", "speech-music", "--cors-origin", "https://a.example/")
    assert result.exit_code == 0, result.output
    assert given[0].origins == ["https://a.example"]


@pytest.mark.slow
def test_a_process_without_torch_serves_until_it_is_terminated(tmp_path, write_clip):
    path = write_clip(tmp_path / "a.wav")
    program = (
        "import sys\nsys.modules.update(dict.fromkeys(('torch', 'scipy', 'sklearn', 'onnx')))\n"
        "from earmark.cli import main\nmain(['serve', 'speech-music', '--port', '0'])"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", program],
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "EARMARK_TOKEN": "0123456789abcdef"},
    )
    lines = []
    for line in process.stderr:
        lines.append(json.loads(line))
        if found := re.search(r"http://[\d.:]+", lines[-1]["message"]):
            break
    request = urllib.request.Request(
        f"{found[0]}/v1/predict",
        data=path.read_bytes(),
        headers={"Authorization": "Bearer 0123456789abcdef"},
    )
    with urllib.request.urlopen(request) as answer:
        assert json.load(answer)["results"][0]["duration_seconds"] == 1.0
    process.send_signal(signal.SIGTERM)
    _, rest = process.communicate(timeout=30)
    assert process.returncode == 0
    assert "a.wav" not in rest
