"""A full queue refuses at once, says when to come back, and takes requests again."""

import threading
import time

from earmark.server.limits import Limits


def test_a_full_queue_refuses_and_recovers(serve, wav, held):
    with serve(limits=Limits(workers=1, queue=2)) as served:
        release, sound, answers = held(served.service), wav(), []

        def ask():
            answers.append(served.client.post("/v1/predict", content=sound))

        threads = [threading.Thread(target=ask) for _ in range(2)]
        for one in threads:
            one.start()
        while served.service.admission._taken < 2:
            time.sleep(0.01)
        refused = served.client.post("/v1/predict", content=sound)
        assert refused.status_code == 429
        assert int(refused.headers["retry-after"]) >= 1
        assert served.client.get("/healthz").status_code == 200
        release.set()
        for one in threads:
            one.join()
        assert [one.status_code for one in answers] == [200, 200]
        assert served.client.post("/v1/predict", content=sound).status_code == 200
        metrics = served.client.get("/metrics").text
        assert "earmark_rejected_total 1.0" in metrics
        assert "earmark_queued 0.0" in metrics
