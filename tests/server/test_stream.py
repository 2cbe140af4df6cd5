"""Live sound over a web socket gives the windows of the file."""

import json
import os
import time
from contextlib import ExitStack

import numpy as np
import pytest
from starlette.websockets import WebSocketDisconnect

from earmark.audio.reading import load_audio
from earmark.inference.classifier import load_model
from earmark.server.limits import Limits


@pytest.fixture
def sound(tmp_path, wav):
    path = tmp_path / "a.wav"
    path.write_bytes(wav(2.0))
    return path


def messages(socket):
    """All that come until the socket closes."""
    found = []
    try:
        while True:
            found.append(socket.receive_json())
    except WebSocketDisconnect as closed:
        return found, closed.code


@pytest.mark.parametrize("is_query", [True, False], ids=["query", "message"])
@pytest.mark.parametrize("sample_format", ["s16le", "f32le"])
def test_windows_come_as_for_the_file(client, sound, sample_format, is_query):
    samples = load_audio(sound).samples
    data = samples.astype("<f4").tobytes()
    if sample_format == "s16le":
        data = np.rint(samples * 2.0**15).astype("<i2").tobytes()
    request = {"rate": 16_000, "format": sample_format, "hop_seconds": 0.2}
    query = "?" + "&".join(f"{key}={value}" for key, value in request.items()) if is_query else ""
    with client.websocket_connect(f"/v1/stream{query}") as socket:
        if not is_query:
            socket.send_json(request)
        for first in range(0, len(data), 3001):
            socket.send_bytes(data[first : first + 3001])
        socket.send_text("end")
        (ready, *windows, end), code = messages(socket)
    assert ready["event"] == "ready"
    assert ready["labels"] == ["music", "speech"]
    assert (end, code) == ({"event": "end"}, 1000)
    expected = list(load_model("speech-music").windows(sound, hop_seconds=0.2))
    assert len(windows) == len(expected) > 4
    for one, window in zip(windows, expected, strict=True):
        assert one["event"] == "window"
        assert (one["start"], one["end"]) == pytest.approx(window[:2], abs=1e-3)
        assert list(one["probabilities"].values()) == pytest.approx(window.probabilities, abs=1e-4)
        assert one["labels"] == list(window.labels)


def test_a_window_comes_as_soon_as_its_samples_are_there(client):
    with client.websocket_connect("/v1/stream?rate=16000&hop_seconds=1") as socket:
        assert socket.receive_json()["event"] == "ready"
        socket.send_bytes(bytes(2 * 18_000))
        assert socket.receive_json()["abstained"] == "silence"
        socket.send_text("end")


def test_an_empty_message_is_not_the_end(client):
    with client.websocket_connect("/v1/stream?rate=16000&hop_seconds=1") as socket:
        for data in (b"", bytes(2 * 9_000), b"", bytes(2 * 9_000)):
            socket.send_bytes(data)
        assert [socket.receive_json()["event"] for _ in range(2)] == ["ready", "window"]
        socket.send_text("end")


def test_all_streams_that_are_allowed_are_predicted_at_the_same_time(serve):
    # More than the threads that an event loop starts by itself.
    number = (os.cpu_count() or 1) + 5
    limits = Limits(workers=1, streams=number)
    with serve(limits=limits) as served, ExitStack() as opened:
        for _ in range(number):
            socket = opened.enter_context(
                served.client.websocket_connect("/v1/stream?rate=16000&hop_seconds=1")
            )
            assert socket.receive_json()["event"] == "ready"
        # The others are open, and have sent nothing yet.
        socket.send_bytes(bytes(2 * 18_000))
        socket.send_text("end")
        assert [one["event"] for one in messages(socket)[0]][-1] == "end"


@pytest.mark.parametrize(
    ("query", "first", "code"),
    [
        ("?rate=10", None, 1008),
        ("?rate=16000&format=mp3", None, 1008),
        ("?rate=16000&volume=11", None, 1008),
        ("?rate=16000&model=none", None, 1008),
        ("", "no json", 1003),
        ("", "[1]", 1003),
        ("", "[" * 100_000, 1003),
        ("", json.dumps({"rate": "fast"}), 1008),
        ("", json.dumps({"rate": 16_000, "hop_seconds": -1}), 1008),
    ],
)
def test_a_wrong_request_is_one_line(client, query, first, code):
    with client.websocket_connect(f"/v1/stream{query}") as socket:
        if first is not None:
            socket.send_text(first)
        found, closed = messages(socket)
    assert closed == code
    (error,) = found
    assert error["event"] == "error"
    assert "\n" not in error["error"]


def test_bad_samples_are_one_line(client):
    with client.websocket_connect("/v1/stream?rate=16000&format=f32le") as socket:
        socket.send_bytes(np.full(16_000, np.nan, "<f4").tobytes())
        found, code = messages(socket)
    assert (found[-1]["event"], code) == ("error", 1008)


def test_silent_clients_and_too_many_are_sent_away(serve):
    with serve(limits=Limits(workers=1, streams=1, idle_seconds=0.4)) as served:
        url = "/v1/stream?rate=16000"
        with served.client.websocket_connect(url) as one:
            assert one.receive_json()["event"] == "ready"
            with served.client.websocket_connect(url) as other:
                found, code = messages(other)
            assert (found[0]["event"], code) == ("error", 1013)
            found, code = messages(one)
        assert (found[0]["event"], code) == ("error", 1001)
        while served.service.num_streams:
            time.sleep(0.01)
        with served.client.websocket_connect(url) as one:
            assert one.receive_json()["event"] == "ready"


def test_a_client_that_goes_away_leaves_nothing(served):
    with served.client.websocket_connect("/v1/stream?rate=16000") as socket:
        socket.send_bytes(bytes(64_000))
        assert socket.receive_json()["event"] == "ready"
    while served.service.num_streams:
        time.sleep(0.01)
