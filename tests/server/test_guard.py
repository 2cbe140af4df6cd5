"""The service without the token, and pages of other sites."""

import pytest
from starlette.websockets import WebSocketDisconnect

from earmark.server.app import Access

TOKEN = "0123456789abcdef"
RIGHT = {"Authorization": f"Bearer {TOKEN}"}


@pytest.fixture(scope="module")
def guarded():
    from contextlib import ExitStack

    from starlette.testclient import TestClient

    from earmark.server.app import make_app
    from earmark.server.metrics import Metrics
    from earmark.server.registry import ModelRegistry, Opening
    from earmark.server.service import Service

    metrics = Metrics()
    service = Service(ModelRegistry(["speech-music"], Opening(), metrics), _limits(), metrics)
    access = Access(TOKEN, origins=("https://friend.example",))
    with ExitStack() as opened:
        yield opened.enter_context(TestClient(make_app(service, access)))


def _limits():
    from earmark.server.limits import Limits

    return Limits(workers=1)


def test_all_but_health_needs_the_token(guarded, wav):
    for path in ("/v1/models", "/metrics", "/openapi.json", "/", "/nothing"):
        assert guarded.get(path).status_code == 401
    for wrong in ("Bearer x", f"Basic {TOKEN}", f"Bearer {TOKEN}x", "Bearer \u00e9"):
        answer = guarded.get("/v1/models", headers={"Authorization": wrong.encode("latin-1")})
        assert answer.status_code == 401
        assert answer.headers["www-authenticate"] == "Bearer"
    assert guarded.get("/healthz").status_code == guarded.get("/readyz").status_code == 200
    assert guarded.get("/v1/models", headers=RIGHT).status_code == 200
    assert guarded.post("/v1/predict", content=wav(), headers=RIGHT).status_code == 200
    document = guarded.get("/openapi.json", headers=RIGHT).json()
    assert document["components"]["securitySchemes"]["token"]["scheme"] == "bearer"


def test_a_web_socket_needs_the_token_too(guarded):
    with pytest.raises(WebSocketDisconnect), guarded.websocket_connect("/v1/stream?rate=16000"):
        pass
    with guarded.websocket_connect("/v1/stream?rate=16000", headers=RIGHT) as socket:
        assert socket.receive_json()["event"] == "ready"


def test_pages_of_other_sites_may_ask_only_if_they_are_allowed(guarded, client, wav):
    friend, stranger = "https://friend.example", "https://stranger.example"
    answer = guarded.get("/v1/models", headers={**RIGHT, "Origin": friend})
    assert answer.headers["access-control-allow-origin"] == friend
    asked = {"Origin": friend, "Access-Control-Request-Method": "POST"}
    assert guarded.options("/v1/predict", headers=asked).status_code == 200
    assert guarded.get("/v1/models", headers={**RIGHT, "Origin": stranger}).status_code == 403
    refused = client.post("/v1/predict", content=wav(), headers={"Origin": friend})
    assert refused.status_code == 403
    assert "access-control-allow-origin" not in refused.headers
    own = client.get("/v1/models", headers={"Origin": "http://testserver"})
    assert own.status_code == 200
    headers = {"Origin": stranger}
    with (
        pytest.raises(WebSocketDisconnect),
        client.websocket_connect("/v1/stream?rate=16000", headers=headers),
    ):
        pass


def test_on_the_loopback_interface_other_host_names_are_refused(serve):
    with serve(access=Access(hosts=["Box.example"]), base_url="http://localhost") as served:

        def status(host):
            return served.client.get("/v1/models", headers={"Host": host}).status_code

        right = ("localhost", "LOCALHOST:8000", "127.0.0.1:8000", "[::1]:8000", "box.example:80")
        assert {status(host) for host in right} == {200}
        # The last ones make no address.
        wrong = ("evil.example", "localhost.evil.example", "box.example.org", "", "[", "a b")
        assert {status(host) for host in wrong} == {403}
        headers = {"Host": "evil.example", "Origin": "http://evil.example"}
        with (
            pytest.raises(WebSocketDisconnect),
            served.client.websocket_connect("/v1/stream?rate=16000", headers=headers),
        ):
            pass


def test_an_origin_that_is_no_address_is_that_of_another_site(client):
    for origin in ("http://[", "null", ""):
        assert client.get("/v1/models", headers={"Origin": origin}).status_code == 403
