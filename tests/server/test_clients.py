"""The clients in `examples/clients` get what the service answers."""

import http.client
import json
import os
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest
import soundfile

pytestmark = pytest.mark.slow

CLIENTS = Path(__file__).parents[2] / "examples" / "clients"
TOKEN = "0123456789abcdef"


@pytest.fixture(scope="module")
def address():
    """Of a service in a process of its own, with a token."""
    command = [sys.executable, "-m", "earmark", "serve", "speech-music", "--port", "0"]
    process = subprocess.Popen(
        [*command, "--workers", "1"],
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "EARMARK_TOKEN": TOKEN},
    )
    found = None
    while not found:
        found = re.search(r"http://([\d.]+:\d+)", process.stderr.readline())
    yield found[1]
    process.terminate()
    process.communicate(timeout=30)
    assert process.returncode == 0


@pytest.fixture
def run(address):
    """Runs a client and gives its lines."""

    def run(*command, data=None, status=0):
        result = subprocess.run(
            command,
            input=data,
            capture_output=True,
            env={**os.environ, "EARMARK_TOKEN": TOKEN, "EARMARK_URL": f"http://{address}"},
            check=False,
        )
        assert result.returncode == status, result.stderr.decode()
        return result.stdout.decode().splitlines()

    return run


@pytest.fixture
def files(tmp_path, wav):
    (tmp_path / "a.wav").write_bytes(wav(2.0))
    (tmp_path / "b.flac").write_bytes(wav(1.0, format="FLAC"))
    (tmp_path / "bad.wav").write_bytes(b"no sound")
    return sorted(tmp_path.glob("*.*"))


def test_python(run, address, files):
    script = CLIENTS / "predict.py"
    url = ("--url", f"http://{address}")
    lines = run(sys.executable, script, *files, *url, status=1)
    assert [Path(line.split("\t")[0]) for line in lines] == files
    assert "not a sound file" in lines[2]
    run(sys.executable, script, files[0], *url, "--model", "speech-music")


@pytest.mark.skipif(shutil.which("node") is None, reason="needs Node")
def test_node(run, address, files):
    lines = run("node", CLIENTS / "predict.mjs", "--url", f"http://{address}", *files, status=1)
    assert [line.split("\t")[0] for line in lines] == [one.name for one in files]
    assert "not a sound file" in lines[2]


@pytest.mark.skipif(shutil.which("curl") is None, reason="needs curl")
def test_curl(run, files):
    documents = list(map(json.loads, run(CLIENTS / "predict.sh", *files)))
    seconds = [one["results"][0].get("duration_seconds") for one in documents]
    assert seconds == [2.0, 1.0, None]


def test_live_sound(run, address, files):
    samples, rate = soundfile.read(files[0], dtype="int16")
    script, url = CLIENTS / "listen.py", f"ws://{address}"
    lines = run(
        *(sys.executable, script, "--url", url, "--rate", str(rate)), data=samples.tobytes()
    )
    events = [json.loads(line)["event"] for line in lines]
    assert events == ["ready", *["window"] * (len(lines) - 2), "end"]
    assert len(lines) > 5


@pytest.mark.skipif(shutil.which("schemathesis") is None, reason="needs schemathesis")
def test_any_request_that_the_openapi_document_allows_and_many_that_it_does_not(address, tmp_path):
    result = subprocess.run(
        [
            *("schemathesis", "run", f"http://{address}/openapi.json"),
            *("--header", f"Authorization: Bearer {TOKEN}", "--seed", "1", "--max-examples", "30"),
            # Any bytes are a valid body, and few are sound.
            *("--exclude-checks", "positive_data_acceptance", "--request-timeout", "30"),
        ],
        # It keeps notes where it runs.
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 0, result.stdout[-3000:]


def test_a_service_answers_while_bodies_are_cut_off(address, files):
    content = files[0].read_bytes()
    for _ in range(20):
        connection = http.client.HTTPConnection(address)
        connection.putrequest("POST", "/v1/predict")
        connection.putheader("Authorization", f"Bearer {TOKEN}")
        connection.putheader("Content-Length", str(len(content)))
        connection.endheaders()
        connection.send(content[:1000])
        connection.close()
    time.sleep(0.2)
    connection = http.client.HTTPConnection(address)
    connection.request("POST", "/v1/predict", content, {"Authorization": f"Bearer {TOKEN}"})
    assert connection.getresponse().status == 200
    connection.close()
