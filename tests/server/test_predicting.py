"""Sound that is too much, too slow or deadly for its decoder fails alone."""

import threading
import time

import numpy as np
import pytest

from earmark.inference.classifier import Classifier
from earmark.server.limits import Limits


@pytest.mark.parametrize(
    "limits",
    [Limits(workers=1, sound_seconds=3.0), Limits(workers=1, decoded_bytes=4 * 16_000 * 3)],
    ids=["seconds", "bytes"],
)
def test_a_small_file_of_much_sound_is_not_decoded_to_its_end(serve, wav, limits):
    with serve(limits=limits) as served:
        content = wav(60.0, format="FLAC")
        (result,) = served.client.post("/v1/predict", content=content).json()["results"]
        assert result["fault"] == "limit"
        assert served.client.post("/v1/predict", content=wav(2.0)).status_code == 200


def test_a_decoder_that_dies_costs_its_own_file_only(serve, wav, crashing):
    with serve(limits=Limits(workers=2)) as served:
        answers = {}

        def ask(name, content):
            answers[name] = served.client.post("/v1/predict", content=content)

        contents = {f"good {number}": wav(1.0, seed=number) for number in range(4)}
        contents["bad"] = crashing
        threads = [threading.Thread(target=ask, args=one) for one in contents.items()]
        for one in threads:
            one.start()
        for one in threads:
            one.join()
        bad = answers.pop("bad")
        assert bad.status_code == 422
        assert bad.json()["results"][0]["fault"] == "crashed"
        assert {one.status_code for one in answers.values()} == {200}
        assert served.client.post("/v1/predict", content=wav()).status_code == 200


def test_a_worker_that_is_killed_by_chance_costs_nothing(serve, wav):
    with serve(limits=Limits(workers=1)) as served:
        (pool,) = served.service.predictor._pools.values()
        (worker,) = pool._workers._all
        worker.process.kill()
        assert served.client.post("/v1/predict", content=wav()).status_code == 200


def test_a_decoder_that_hangs_is_replaced(serve, wav, hanging, monkeypatch):
    monkeypatch.setattr("earmark.system.workers.pool.WATCH_SECONDS", 0.1)
    with serve(limits=Limits(workers=1, request_seconds=1.0)) as served:
        assert served.client.post("/v1/predict", content=hanging).status_code in (422, 504)
        while served.client.post("/v1/predict", content=wav()).status_code != 200:
            pass


def test_what_takes_too_long_is_given_up(serve, wav, held):
    with serve(limits=Limits(workers=1, request_seconds=0.5)) as served:
        (model,) = served.service.models
        original, release = model.classifier, held(served.service)
        started_at = time.monotonic()
        answer = served.client.post("/v1/predict", content=wav())
        assert answer.status_code == 504
        assert time.monotonic() - started_at < 10
        release.set()
        model.classifier = original
        assert served.client.post("/v1/predict", content=wav()).status_code == 200


def test_logits_that_are_not_finite_are_an_error_of_the_file_and_the_model(serve, wav):
    with serve("speech-music", "broken=speech-music") as served:
        _, broken = served.service.models
        spec = broken.classifier.spec
        broken.classifier = Classifier(
            spec, lambda windows: np.full((len(windows), spec.num_outputs), np.nan)
        )
        url = "/v1/predict?model=broken&model=speech-music"
        answer = served.client.post(url, content=wav())
        bad, good = answer.json()["results"]
        assert (answer.status_code, bad["model"], bad["fault"]) == (200, "broken", "not_finite")
        assert (good["model"], good["duration_seconds"]) == ("speech-music", 1.0)
        bad, good = served.client.post(url, content=b"no sound").json()["results"]
        assert bad["fault"] == good["fault"] == "undecodable"
