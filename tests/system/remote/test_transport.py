import pickle
import re

import pytest

from earmark.errors import AudioError, ConfigError, RemoteError
from earmark.system.remote import transport
from earmark.system.remote.path import to_path

CONTENT = bytes(range(256)) * 2000


@pytest.mark.parametrize("failure", [500, 503, 429, "drop"])
def test_a_request_that_fails_by_chance_is_made_again(file_server, failure):
    file_server.files["/a.wav"] = CONTENT
    file_server.fail = lambda number, _: failure if number < 4 else None
    assert to_path(f"{file_server.url}/a.wav").read_bytes() == CONTENT


def test_a_body_that_is_cut_is_asked_for_again(file_server):
    file_server.files["/a.wav"] = CONTENT
    gets = iter(["cut", "cut"])
    file_server.fail = lambda _, method: next(gets, None) if method == "GET" else None
    assert to_path(f"{file_server.url}/a.wav").read_bytes() == CONTENT


@pytest.mark.parametrize(
    ("failure", "error"), [(404, FileNotFoundError), (403, PermissionError), (416, RemoteError)]
)
def test_a_final_answer_is_taken_at_once(file_server, failure, error):
    file_server.fail = lambda *_: failure
    with pytest.raises(error):
        to_path(f"{file_server.url}/a.wav").stat()
    # A server may refuse HEAD and not GET.
    assert len(file_server.requests) == 2


def test_a_server_that_stays_away_is_named_without_secrets(file_server):
    file_server.fail = lambda *_: "drop"
    url = f"{file_server.url}/a.wav?sig=s3cr3t".replace("http://", "http://me:pw5@")
    with pytest.raises(RemoteError) as caught:
        to_path(url).open("rb")
    error = caught.value
    assert isinstance(error, AudioError)
    assert error.fault == "missing"
    assert str(error).startswith(f"{file_server.url}/a.wav: ")
    assert not re.search("s3cr3t|pw5|sig=", f"{error} {error!r} {error.strerror}")
    assert str(pickle.loads(pickle.dumps(error))) == str(error)


def test_a_slow_server_is_given_up(file_server, monkeypatch):
    monkeypatch.setenv("EARMARK_REMOTE_SECONDS", "0.5")
    monkeypatch.setattr(transport, "_pauses", lambda attempts: iter(()))
    file_server.fail = lambda *_: file_server.stopped.wait(10) or "drop"
    with pytest.raises(RemoteError):
        to_path(f"{file_server.url}/a.wav").stat()


def test_a_length_that_is_not_given_is_an_error(file_server):
    file_server.files["/a.wav"] = CONTENT
    file_server.has_length = False
    with pytest.raises(RemoteError, match="length"):
        to_path(f"{file_server.url}/a.wav").open("rb")


def test_what_is_missing_is_named_with_how_to_install_it(monkeypatch):
    def without(scheme):
        raise ImportError

    transport._connected.cache_clear()
    monkeypatch.setattr("fsspec.get_filesystem_class", without)
    with pytest.raises(ConfigError, match=r"earmark\[remote\]"):
        to_path("s3://bucket/a.wav").stat()
    for scheme, package in {"gs": "gcsfs", "hf": "huggingface_hub"}.items():
        with pytest.raises(ConfigError, match=package):
            to_path(f"{scheme}://bucket/a.wav").stat()
