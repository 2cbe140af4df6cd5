"""Events are posted as JSON; a server that fails is asked again, one that refuses is not."""

import http.server
import json
import threading

import pytest

from earmark.errors import ConfigError
from earmark.events.webhook import webhook

NONSENSE = 0


@pytest.fixture
def server(monkeypatch):
    monkeypatch.setattr("earmark.events.outbox.FIRST_WAIT_SECONDS", 0.01)

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self):
            content = self.rfile.read(int(self.headers["content-length"]))
            got.append((self.path, self.headers["content-type"], json.loads(content)))
            status = statuses.pop(0) if statuses else 200
            if status == NONSENSE:
                self.wfile.write(b"nonsense\r\n\r\n")
                return
            self.send_response(status)
            self.send_header("Location", "/elsewhere")
            self.send_header("Content-Length", "0")
            self.end_headers()
            if len(got) == server.expected:
                done.set()

        def log_message(self, *_):
            pass

    got, statuses, done = [], [], threading.Event()
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.got, server.statuses, server.done, server.expected = got, statuses, done, 1
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


def test_an_event_is_posted(server):
    with webhook(f"http://127.0.0.1:{server.server_port}/hook?key=secret") as outbox:
        outbox.put({"label": "speech"})
        assert server.done.wait(10)
    assert server.got == [("/hook?key=secret", "application/json", {"label": "speech"})]


def test_failures_are_tried_again_and_refusals_are_not(server, caplog):
    server.statuses += [503, 429, NONSENSE, 200, 404, 302]
    server.expected = 7
    with webhook(f"http://127.0.0.1:{server.server_port}/hook?key=secret") as outbox:
        for number in range(4):
            outbox.put({"number": number})
        assert server.done.wait(10)
    assert [one[2]["number"] for one in server.got] == [0, 0, 0, 0, 1, 2, 3]
    assert {one[0] for one in server.got} == {"/hook?key=secret"}
    assert outbox.num_dropped == 2
    assert "secret" not in caplog.text


@pytest.mark.parametrize(
    "url",
    [
        "example.org/hook",
        "file:///etc/passwd",
        "ftp://a/b",
        "http://",
        "http://[",
        "http://a:99999/",
        "http://a/b c",
    ],
)
def test_other_addresses_are_refused(url):
    with pytest.raises(ConfigError, match="--webhook"):
        webhook(url)
