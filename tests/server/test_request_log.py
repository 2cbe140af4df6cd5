"""The log is JSON lines with neither names nor contents of files."""

import io
import json
import logging

from earmark.server.request_log import json_lines


def test_a_line_for_each_request_without_names(serve, wav):
    stream = io.StringIO()
    with json_lines(stream), serve() as served:
        files = [("file", ("secret.wav", wav())), ("file", ("hidden.mp3", b"not a sound"))]
        answer = served.client.post("/v1/predict", files=files)
        served.client.get("/secret.wav")
        served.client.get("/healthz")
        with served.client.websocket_connect("/v1/stream?rate=16000&secret=1"):
            pass
    assert "secret" not in stream.getvalue()
    assert "hidden" not in stream.getvalue()
    lines = [json.loads(line) for line in stream.getvalue().splitlines()]
    requests = {one["route"]: one for one in lines if one["message"] == "request"}
    assert set(requests) == {"/v1/predict", "other", "/v1/stream"}
    predict = requests["/v1/predict"]
    assert (predict["status"], predict["files"], predict["failed"]) == (200, 2, 1)
    assert predict["request"] == answer.headers["x-request-id"]
    assert requests["/v1/stream"]["status"] == 101


def test_a_bug_is_one_line_and_an_answer(serve, wav, monkeypatch):
    stream = io.StringIO()
    with json_lines(stream), serve(raise_server_exceptions=False) as served:
        monkeypatch.setattr(served.service.models, "find", None)
        answer = served.client.post("/v1/predict", content=wav())
        assert answer.status_code == 500
        assert set(answer.json()) == {"error"}


def test_loggers_are_as_before():
    logger = logging.getLogger("earmark")
    before = logger.handlers[:], logger.level, logger.propagate
    with json_lines(io.StringIO()):
        assert logger.handlers != before[0]
    assert (logger.handlers, logger.level, logger.propagate) == before
