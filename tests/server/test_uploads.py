"""Limits on bodies: what is too large is refused, and nothing stays on disk."""

import pytest

from earmark.server.limits import Limits

LIMITS = Limits(workers=1, body_bytes=40_000, files=2)


@pytest.fixture
def bounded(serve):
    with serve(limits=LIMITS) as one:
        yield one


def test_bodies_within_limits_and_beyond(bounded, wav):
    client, sound = bounded.client, wav(1.0)
    declared = client.post("/v1/predict", content=wav(2.0))
    assert declared.status_code == 413
    assert declared.headers["connection"] == "close"
    chunks = (sound[first : first + 1000] for first in range(0, len(sound), 1000))
    assert client.post("/v1/predict", content=chunks).status_code == 200
    endless = (bytes(1000) for _ in range(1000))
    assert client.post("/v1/predict", content=endless).status_code == 413
    files = [("file", ("a.wav", wav(0.2))) for _ in range(3)]
    assert client.post("/v1/predict", files=files[:2]).status_code == 200
    many = client.post("/v1/predict", files=files)
    assert many.status_code == 422
    assert "files" in many.json()["error"].lower()
    for content, headers in (
        (b"", {}),
        (b"--x--\r\n", {"content-type": "multipart/form-data; boundary=x"}),
        (b"nonsense", {"content-type": "multipart/form-data"}),
        (
            b'--x\r\nContent-Disposition: form-data; name="\xff"\r\n\r\n1\r\n--x--\r\n',
            {"content-type": "multipart/form-data; charset=undefined; boundary=x"},
        ),
    ):
        answer = client.post("/v1/predict", content=content, headers=headers)
        assert answer.status_code == 422
        assert "\n" not in answer.json()["error"]
    assert list(bounded.service.spool.iterdir()) == []
