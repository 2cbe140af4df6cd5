"""A service in this process, with a model that may be held back."""

import importlib
import io
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import SimpleNamespace

import numpy as np
import pytest
import soundfile
from starlette.testclient import TestClient

from earmark.inference.classifier import Classifier
from earmark.server.app import Access, make_app
from earmark.server.limits import Limits
from earmark.server.metrics import Metrics
from earmark.server.registry import ModelRegistry, Opening
from earmark.server.service import Service

CRASHING, HANGING = b"crash the decoder", b"hang the decoder"
HOSTILE_DECODER = f"""
import os, time
from earmark.features import extraction

def extract(log_mel, order, send):
    content = order.path.read_bytes()
    if {CRASHING!r} in content:
        os.abort()
    if {HANGING!r} in content:
        time.sleep(600)
    return extraction._extract(log_mel, order, send)
"""


@contextmanager
def running(
    *models: str, limits: Limits | None = None, access: Access | None = None, **options: object
) -> Iterator[SimpleNamespace]:
    """A client, and the service that it asks."""
    metrics = Metrics()
    registry = ModelRegistry(models or ("speech-music",), Opening(), metrics)
    service = Service(registry, limits or Limits(workers=2), metrics)
    app = make_app(service, access or Access())
    with TestClient(app, **options) as client:
        yield SimpleNamespace(client=client, service=service, app=app)


@pytest.fixture(scope="module")
def served() -> Iterator[SimpleNamespace]:
    with running() as one:
        yield one


@pytest.fixture(scope="module")
def client(served: SimpleNamespace) -> TestClient:
    return served.client


@pytest.fixture
def serve() -> Callable[..., object]:
    return running


def encoded(seconds: float = 1.0, *, rate: int = 16_000, seed: int = 0, **options: str) -> bytes:
    """Noise as a file; WAV by default."""
    samples = 0.1 * np.random.default_rng(seed).standard_normal(round(seconds * rate))
    file = io.BytesIO()
    soundfile.write(file, samples, rate, **{"format": "WAV", "subtype": "PCM_16", **options})
    return file.getvalue()


@pytest.fixture
def wav() -> Callable[..., bytes]:
    return encoded


@pytest.fixture
def held() -> Callable[[Service], threading.Event]:
    """A function that holds back all predictions of a service until the event that it returns."""

    def hold(service: Service) -> threading.Event:
        (model,) = service.models
        spec, release = model.classifier.spec, threading.Event()

        def wait(windows: np.ndarray) -> np.ndarray:
            assert release.wait(20)
            return np.zeros((len(windows), spec.num_outputs))

        model.classifier = Classifier(spec, wait)
        return release

    return hold


@pytest.fixture
def crashing(hostile_files) -> bytes:
    """A sound that aborts the process that decodes it."""
    return encoded() + CRASHING


@pytest.fixture
def hanging(hostile_files) -> bytes:
    """A sound that its decoder never comes back from."""
    return encoded() + HANGING


@pytest.fixture
def hostile_files(tmp_path, monkeypatch) -> None:
    """The decoder obeys the contents of files."""
    name = f"hostile_{tmp_path.stat().st_ino}"
    (tmp_path / f"{name}.py").write_text(HOSTILE_DECODER)
    monkeypatch.syspath_prepend(tmp_path)
    hostile = importlib.import_module(name)
    monkeypatch.setattr("earmark.features.extraction._extract", hostile.extract)
