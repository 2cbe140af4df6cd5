"""The routes of the page."""

import io
import json

import numpy as np
import pyarrow as pa
import pyarrow.parquet
import pytest
import soundfile
from starlette.testclient import TestClient

from earmark.audio.source import Excerpt
from earmark.labelling.review.app import Desk, make_app
from earmark.labelling.review.similar import hold_vectors
from earmark.labelling.review.sound import Sounds
from earmark.labelling.review.sources import read_queue

HOST = "http://localhost"


@pytest.fixture(scope="module")
def sounds():
    with Sounds() as opened:
        yield opened


@pytest.fixture
def ask(sounds, open_review, tmp_path):
    """Opens the page of the queue, or of another one; a client of it."""
    clients = []

    def start(queue, vectors=None):
        desk = Desk(open_review(queue), sounds, 1.0, vectors)
        clients.append(TestClient(make_app(desk), base_url=HOST))
        return clients[-1].__enter__()

    yield start
    for one in clients:
        one.__exit__(None, None, None)


@pytest.fixture
def client(ask, queue):
    return ask(queue)


def post(client, answer):
    return client.post("/v1/answers", content=answer.model_dump_json())


def test_the_page_and_its_files_come_from_here_only(client):
    page = client.get("/")
    assert page.headers["content-type"].startswith("text/html")
    for name in ("app.js", "style.css", "shared/base.css", "shared/elements.js"):
        found = client.get(f"/{name}")
        assert found.status_code == 200
        assert found.headers["x-content-type-options"] == "nosniff"
    others = ("/nothing.js", "/../queue.csv", "/shared/../../queue.py", "/queue.csv", "/index")
    assert {client.get(one).status_code for one in others} == {404}


def test_the_queue_has_no_folder_of_this_machine(client, tmp_path):
    found = client.get("/v1/queue")
    assert str(tmp_path) not in json.dumps(found.json()["clips"])
    clips = found.json()["clips"]
    assert [one["name"] for one in clips] == ["a.wav", "b.wav", "long.wav", "long.wav"]
    assert [one["start"] for one in clips] == [0, 0, 1, 3]
    assert clips[0]["probability"] == 0.9


def test_a_clip_comes_with_what_surrounds_it(client, queue, tmp_path):
    samples, rate = soundfile.read(tmp_path / "long.wav")
    key = queue.items[2].key
    view = client.get(f"/v1/clips/{key}").json()
    assert (view["start"], view["end"], view["is_at_end"]) == (0, 3, False)
    sound, _ = soundfile.read(io.BytesIO(client.get(f"/v1/clips/{key}/sound").content))
    np.testing.assert_array_equal(sound, samples[: 3 * rate])
    moved = client.get(f"/v1/clips/{key}?start=4&end=9").json()
    assert (moved["start"], moved["end"], moved["is_at_end"]) == (4, 6, True)


def test_sound_comes_in_parts(client, queue):
    address = f"/v1/clips/{queue.items[0].key}/sound"
    whole = client.get(address).content
    size = len(whole)
    for header, part in {
        "bytes=0-99": slice(0, 100),
        "bytes=100-": slice(100, size),
        "bytes=-44": slice(size - 44, size),
        f"bytes=10-{size + 5}": slice(10, size),
    }.items():
        found = client.get(address, headers={"Range": header})
        assert found.status_code == 206
        assert found.content == whole[part]
        start, end, _ = part.indices(size)
        assert found.headers["content-range"] == f"bytes {start}-{end - 1}/{size}"
    for header in ("bytes=0-1,5-6", "items=0-3", "bytes=-"):
        assert client.get(address, headers={"Range": header}).content == whole
    assert client.get(address, headers={"Range": f"bytes={size}-"}).status_code == 416


@pytest.mark.parametrize(
    "query",
    ["start=x", "start=-1", "start=2&end=1", "start=0&end=121", "end=nan", "start=0&end=1e400"],
)
def test_wrong_spans_are_refused(client, queue, query):
    found = client.get(f"/v1/clips/{queue.items[0].key}?{query}")
    assert found.status_code == 422
    assert found.json()["error"]


def test_a_bad_file_is_an_error_of_its_own(ask, tmp_path, queue_file):
    (tmp_path / "bad.wav").write_text("no sound")
    queue_file.write_text("path\nbad.wav\nmissing.wav\na.wav\n")
    queue = read_queue(queue_file)
    client = ask(queue)
    assert len(client.get("/v1/queue").json()["clips"]) == 3
    found = [client.get(f"/v1/clips/{one.key}") for one in queue.items]
    assert [one.status_code for one in found] == [422, 422, 200]
    assert [one.json().get("fault") for one in found[:2]] == ["undecodable", "missing"]
    # A person may still answer, as from the name.
    assert client.get(f"/v1/clips/{queue.items[0].key}/sound").status_code == 422


def test_an_answer_is_saved_and_a_late_one_is_shown(client, queue, answer, tmp_path):
    first = post(client, answer(queue, 0, "bird"))
    assert first.status_code == 200
    assert first.json()["revision"] == 1
    assert "bird" in first.json()["labels"]
    assert "bird" in (tmp_path / "labels.answers.jsonl").read_text()
    late = post(client, answer(queue, 0, "owl"))
    assert late.status_code == 409
    assert late.json()["answer"]["labels"] == ["bird"]
    assert [one["labels"] for one in late.json()["conflicts"]] == [["owl"]]
    changes = client.get("/v1/changes?since=0").json()
    assert changes["number"] == 2
    assert changes["clips"][queue.items[0].key]["revision"] == 1
    assert client.get("/v1/changes?since=2").json()["clips"] == {}


def test_a_segment_beyond_the_end_of_its_file_is_refused(client, queue, answer, tmp_path):
    for place in ({"start": 5.0, "end": 99.0}, {"start": 6.5}, {"start": 5.94, "end": 6.05}):
        found = post(client, answer(queue, 2, "bird", **place))
        assert found.status_code == 422
        assert found.json()["fault"] == "short"
        segment = str(Excerpt(place["start"], place.get("end")))
        assert all(
            one in found.json()["error"] for one in (str(tmp_path / "long.wav"), segment, "6.00 s")
        )
    assert (tmp_path / "labels.answers.jsonl").read_bytes() == b""
    # As far beyond as readers of excerpts tolerate.
    assert post(client, answer(queue, 2, "bird", start=5.0, end=6.05)).status_code == 200


def test_a_segment_of_a_file_without_sound_is_saved(ask, queue_file, tmp_path, answer):
    (tmp_path / "bad.wav").write_text("no sound")
    queue_file.write_text("path\nbad.wav\nmissing.wav\n")
    queue = read_queue(queue_file)
    client = ask(queue)
    for number in range(2):
        assert post(client, answer(queue, number, "bird", start=1.0, end=2.0)).status_code == 200


@pytest.mark.parametrize("body", ["", "{", "[]", '{"id": 1}', "x" * (1 << 20) + "xx"])
def test_what_is_no_answer_is_refused(client, body):
    found = client.post("/v1/answers", content=body)
    assert found.status_code in (413, 422)
    assert found.json()["error"]


def test_a_disk_that_is_full_is_said(client, queue, answer, monkeypatch):
    def fail(_):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr("os.fsync", fail)
        one = answer(queue, 0, "bird")
        assert post(client, one).status_code == 507
    assert post(client, one).status_code == 200


def test_pages_of_other_sites_and_other_names_of_this_machine_are_refused(client, queue, answer):
    body = answer(queue, 0, "bird").model_dump_json()
    headers = {"Origin": "https://stranger.example"}
    assert client.post("/v1/answers", content=body, headers=headers).status_code == 403
    assert client.get("/v1/queue", headers={"Host": "stranger.example"}).status_code == 403
    own = {"Origin": HOST}
    assert client.post("/v1/answers", content=body, headers=own).status_code == 200


def test_no_address_leads_to_other_files(client, queue):
    key = queue.items[0].key
    for path in ("/v1/clips/..%2fqueue.csv", "/v1/clips/queue.csv/sound", f"/v1/clips/{key}x"):
        assert client.get(path).status_code == 404
    assert client.get(f"/v1/clips/{key}/similar").status_code == 404
    assert client.get("/v1/windows/0/sound").status_code == 404


def test_similar_clips_are_linked_and_played(ask, queue, tmp_path):
    table = {
        "path": ["a.wav", "b.wav", "long.wav", "long.wav"],
        "start": [0.0, 0.0, 1.0, 5.0],
        "end": [1.0, 1.0, 2.0, 6.0],
        "embedding": pa.array(
            [[1.0, 0.0], [0.0, 1.0], [0.9, 0.1], [0.5, 0.5]], pa.list_(pa.float32(), 2)
        ),
    }
    pyarrow.parquet.write_table(pa.table(table), tmp_path / "vectors.parquet")
    client = ask(queue, hold_vectors(tmp_path / "vectors.parquet"))
    assert client.get("/v1/queue").json()["has_similar"]
    found = client.get(f"/v1/clips/{queue.items[0].key}/similar").json()["similar"]
    assert [one["row"] for one in found] == [2, 3, 1]
    assert [one["clip"] for one in found] == [queue.items[2].key, None, queue.items[1].key]
    assert found[0]["label"] == "cat"
    samples, rate = soundfile.read(tmp_path / "long.wav")
    sound, _ = soundfile.read(io.BytesIO(client.get("/v1/windows/3/sound").content))
    np.testing.assert_array_equal(sound, samples[5 * rate : 6 * rate])
    assert client.get("/v1/windows/4/sound").status_code == 404
