"""What the endpoints answer: documents as of `predict --json`, or one line about what is wrong."""

import threading

import pytest

import earmark
from earmark.server import schemas


@pytest.fixture
def file(tmp_path, wav):
    path = tmp_path / "a.wav"
    path.write_bytes(wav(2.5))
    return path


@pytest.mark.parametrize(("route", "segments"), [("predict", False), ("segments", True)])
def test_a_body_is_predicted_as_the_file_is(client, file, route, segments):
    answer = client.post(f"/v1/{route}", content=file.read_bytes())
    assert answer.status_code == 200
    (result,) = answer.json()["results"]
    expected = earmark.predict("speech-music", file, segments=segments)[0].to_dict()
    assert result.pop("model") == "speech-music"
    assert result.keys() == expected.keys()
    assert result.pop("path") == "-"
    assert result.pop("probabilities") == pytest.approx(expected.pop("probabilities"), abs=1e-5)
    del expected["path"]
    assert result == expected
    assert set(expected) <= set(schemas.Result.model_fields)


def test_files_come_back_in_order_under_their_names_and_one_that_fails_costs_no_other(client, wav):
    names = ["b.wav", "../a \udcff☃.flac", "bad.mp3", "b.wav"]
    contents = [wav(1.0), wav(1.5, format="FLAC"), b"no sound at all", wav(2.0)]
    # The name as its UTF-8 bytes: a lone surrogate is not valid in a request.
    names[1] = "../a ☃.flac"
    files = [("file", pair) for pair in zip(names, contents, strict=True)]
    answer = client.post("/v1/predict", files=files)
    assert answer.status_code == 200
    results = answer.json()["results"]
    assert [one["path"] for one in results] == names
    assert [one.get("duration_seconds") for one in results] == [1.0, 1.5, None, 2.0]
    assert results[2]["fault"] == "undecodable"
    assert results[2]["error"].startswith("bad.mp3: ")


def test_a_parameter_that_is_unknown_is_refused(client, wav):
    answer = client.post("/v1/predict?models=other", content=wav())
    assert answer.status_code == 422
    assert "models" in answer.json()["error"]


def test_where_every_file_fails_the_status_says_so(client):
    answer = client.post("/v1/predict", content=b"no sound")
    assert answer.status_code == 422
    assert answer.json()["results"][0]["error"].startswith("-: ")


@pytest.mark.parametrize(
    "playlist", ["#EXTM3U\n#EXTINF:9,\nhttp://127.0.0.1:9/a.ts\n", "ffconcat version 1.0\nfile a\n"]
)
def test_a_playlist_opens_nothing_else(client, playlist):
    (result,) = client.post("/v1/predict", content=playlist.encode()).json()["results"]
    assert result["fault"] == "undecodable"


def test_models_are_asked_by_name_and_share_what_is_decoded(serve, wav, monkeypatch):
    with serve("speech-music", "other=speech-music") as served:
        client, jobs = served.client, []
        original = served.service.predictor._decode
        monkeypatch.setattr(
            *(served.service.predictor, "_decode"),
            lambda *arguments: jobs.append(1) or original(*arguments),
        )
        names = [one["name"] for one in client.get("/v1/models").json()["models"]]
        assert names == ["speech-music", "other"]
        answer = client.post("/v1/predict?model=other&model=speech-music", content=wav())
        results = answer.json()["results"]
        assert [one["model"] for one in results] == ["other", "speech-music"]
        assert results[0]["probabilities"] == results[1]["probabilities"]
        assert len(jobs) == 1
        (one,) = client.post("/v1/predict", content=wav()).json()["results"]
        assert one["model"] == "speech-music"
        unknown = client.post("/v1/predict?model=none", content=wav())
        assert unknown.status_code == 404
        assert "other" in unknown.json()["error"]


def test_many_requests_at_the_same_time_get_their_own_answers(client, wav):
    sounds = {seconds: wav(seconds) for seconds in (1.0, 1.5, 2.0, 2.5, 3.0)}
    found = {}

    def ask(seconds):
        answer = client.post("/v1/predict", content=sounds[seconds])
        found[seconds] = answer.json()["results"][0]["duration_seconds"]

    threads = [threading.Thread(target=ask, args=(seconds,)) for seconds in sounds]
    for one in threads:
        one.start()
    for one in threads:
        one.join()
    assert found == {seconds: seconds for seconds in sounds}


def test_the_description_of_a_model(client):
    (model,) = client.get("/v1/models").json()["models"]
    assert schemas.Model.model_validate(model, strict=True).sample_rate == 16_000


def test_health_and_metrics(client, wav):
    assert client.get("/healthz").json() == client.get("/readyz").json() == {"status": "ok"}
    client.post("/v1/predict", content=wav())
    text = client.get("/metrics").text
    assert 'earmark_requests_total{route="/v1/predict",status="200"}' in text
    assert 'earmark_files_total{outcome="predicted"}' in text
    assert "earmark_batch_windows_bucket" in text


def test_a_wrong_parameter_path_or_method_is_one_line(client, wav):
    many = "&".join(f"model={number}" for number in range(20))
    answers = {
        422: client.post(f"/v1/predict?{many}", content=wav()),
        404: client.get("/v1/nothing"),
        405: client.get("/v1/predict"),
    }
    for status, answer in answers.items():
        assert answer.status_code == status
        assert set(answer.json()) == {"error"}


def test_the_openapi_document_has_examples_and_every_answer(client):
    document = client.get("/openapi.json").json()
    assert set(document["paths"]) >= {"/v1/predict", "/v1/segments", "/v1/models", "/readyz"}
    example = document["components"]["schemas"]["Result"]["examples"][0]
    assert schemas.Result.model_validate(example).label is None
    assert {"200", "413", "422", "429", "504"} <= set(
        document["paths"]["/v1/predict"]["post"]["responses"]
    )


def test_the_index_names_the_models(client):
    answer = client.get("/")
    assert answer.headers["content-type"].startswith("text/html")
    assert "speech-music" in answer.text


def test_a_folder_can_be_the_page(serve, tmp_path):
    from earmark.server.app import Access

    (tmp_path / "index.html").write_text("<h1>page</h1>")
    with serve(access=Access(page=tmp_path)) as served:
        assert served.client.get("/").text == "<h1>page</h1>"
        assert served.client.get("/healthz").json() == {"status": "ok"}
