"""A service that is asked to stop finishes what it has accepted."""

import socket
import threading
import time

import httpx2
import pytest
import uvicorn

from earmark.errors import ConfigError
from earmark.server.app import Access, make_app
from earmark.server.limits import Limits
from earmark.server.metrics import Metrics
from earmark.server.registry import ModelRegistry, Opening
from earmark.server.run import Address, serve
from earmark.server.service import Service


def test_addresses_of_this_machine():
    assert [Address(one).is_loopback for one in ("::1", "localhost", "0.0.0.0", "example.org")] == [
        True,
        True,
        False,
        False,
    ]


def test_an_address_that_is_taken_is_wrong_usage(stopped_service):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(ConfigError, match=str(port)):
            serve(stopped_service, Access(), Address(port=port))
    with pytest.raises(ConfigError):
        serve(stopped_service, Access(), Address("host.invalid"))


@pytest.fixture
def stopped_service():
    metrics = Metrics()
    return Service(ModelRegistry(["speech-music"], Opening(), metrics), Limits(workers=1), metrics)


@pytest.fixture
def server(stopped_service):
    service = stopped_service
    config = uvicorn.Config(make_app(service, Access()), port=0, log_config=None, access_log=False)
    server = uvicorn.Server(config)
    server.service = service
    thread = threading.Thread(target=server.run)
    thread.start()
    while not server.started:
        assert thread.is_alive()
        time.sleep(0.01)
    server.url = f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    yield server
    server.should_exit = True
    thread.join()


def is_open(url):
    try:
        httpx2.get(f"{url}/healthz", timeout=5)
    # A connection that the kernel took while the listener closed is reset, or never answered.
    except httpx2.TransportError:
        return False
    return True


def test_a_shutdown_finishes_accepted_requests_and_takes_no_others(server, wav, held):
    release, answers = held(server.service), []

    def ask():
        answers.append(httpx2.post(f"{server.url}/v1/predict", content=wav(), timeout=30))

    threads = [threading.Thread(target=ask) for _ in range(2)]
    for one in threads:
        one.start()
    while server.service.admission._taken < 2:
        time.sleep(0.01)
    server.should_exit = True
    while is_open(server.url):
        time.sleep(0.02)
    release.set()
    for one in threads:
        one.join()
    assert [one.status_code for one in answers] == [200, 200]
