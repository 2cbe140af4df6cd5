"""Against a real S3 server on this machine, over a line that fails."""

import contextlib
import os
import socket
import threading
import uuid

import numpy as np
import pytest
import soundfile

import earmark
from earmark.audio.reading import load_audio
from earmark.system.remote import transport
from earmark.system.remote.path import to_path
from earmark.system.workers.fork_server import fork_server

pytestmark = [
    pytest.mark.slow,
    # Of moto and botocore.
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]
s3fs = pytest.importorskip("s3fs", reason="pip install s3fs, see CONTRIBUTING.md")
moto_server = pytest.importorskip("moto.server", reason="pip install 'moto[server]'")


class FaultyLine:
    """Passes connections on to a server; drops, delays or cuts some of them.

    Args:
        port: Of the server.
    """

    def __init__(self, port):
        self._port = port
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self.fault = lambda number: None
        self.num_connections = 0
        self.num_received = 0
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self):
        self._listener.close()

    def _accept(self):
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            self.num_connections += 1
            fault = self.fault(self.num_connections)
            threading.Thread(target=self._serve, args=(client, fault), daemon=True).start()

    def _serve(self, client, fault):
        with client, socket.create_connection(("127.0.0.1", self._port)) as server:
            if fault == "drop":
                return
            if fault == "500":
                client.recv(1 << 16)
                client.sendall(
                    b"HTTP/1.1 500 Oops\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
                )
                return
            if fault == "slow":
                threading.Event().wait(0.5)
            limit = 70_000 if fault == "cut" else 1 << 60
            back = threading.Thread(target=self._pass_on, args=(server, client, limit), daemon=True)
            back.start()
            self._pass_on(client, server, 1 << 60)
            back.join()

    def _pass_on(self, source, target, limit):
        passed = 0
        try:
            while passed < limit and (block := source.recv(1 << 16)):
                target.sendall(block)
                passed += len(block)
                self.num_received += len(block) if target.getpeername()[1] != self._port else 0
        except OSError:
            pass
        for one in (source, target):
            with contextlib.suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)


@pytest.fixture(scope="module")
def s3_server():
    server = moto_server.ThreadedMotoServer(port=0, verbose=False)
    server.start()
    yield server.get_host_and_port()[1]
    server.stop()


@pytest.fixture
def bucket(s3_server, tmp_path, monkeypatch):
    """The line, the file system without faults, and the name of an empty bucket."""
    line = FaultyLine(s3_server)
    for name, value in {
        "AWS_ACCESS_KEY_ID": "testing",
        "AWS_SECRET_ACCESS_KEY": "s3cr3tV4lue",
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_ENDPOINT_URL": f"http://127.0.0.1:{line.port}",
        "EARMARK_REMOTE_CACHE": str(tmp_path / "remote"),
        "EARMARK_REMOTE_SECONDS": "5",
    }.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(transport, "FIRST_PAUSE_SECONDS", 0.05)
    transport._connected.cache_clear()
    # Its workers have the environment in which it started.
    fork_server.stop()
    files = s3fs.S3FileSystem(
        endpoint_url=f"http://127.0.0.1:{s3_server}", skip_instance_cache=True
    )
    name = f"b{uuid.uuid4().hex}"
    files.mkdir(name)
    yield line, files, name
    transport._connected.cache_clear()
    fork_server.stop()
    line.close()


FAULTS = {
    "none": lambda number: None,
    "drops": lambda number: "drop" if number % 2 else None,
    "errors": lambda number: "500" if number % 3 else None,
    "slow": lambda number: "slow",
    "cuts": lambda number: "cut" if number % 2 else None,
}


@pytest.mark.parametrize("fault", FAULTS)
def test_samples_are_those_of_the_local_file(bucket, tmp_path, rng, fault):
    line, files, name = bucket
    path = tmp_path / "a.flac"
    soundfile.write(path, 0.1 * rng.standard_normal(1_000_000).clip(-3, 3), 48_000)
    files.put(str(path), f"{name}/x/a.flac")
    line.fault = FAULTS[fault]
    url = f"s3://{name}/x/a.flac"
    for excerpt in ({"start": 15.0, "end": 16.0}, {}):
        assert np.array_equal(
            load_audio(url, **excerpt).samples, load_audio(path, **excerpt).samples
        )


def test_an_excerpt_takes_a_part(bucket, tmp_path, rng):
    line, files, name = bucket
    path = tmp_path / "a.wav"
    soundfile.write(path, 0.1 * rng.standard_normal(3_000_000).clip(-3, 3), 48_000)
    files.put(str(path), f"{name}/a.wav")
    line.num_received = 0
    load_audio(f"s3://{name}/a.wav", start=40.0, end=42.0)
    assert line.num_received < 0.25 * path.stat().st_size


def test_a_folder_of_a_bucket_is_prepared_checked_and_predicted(bucket, sound_folder, tmp_path):
    line, files, name = bucket
    files.put(f"{sound_folder}/", f"{name}/data/", recursive=True)
    line.fault = lambda number: ("drop", "500", None, None)[number % 4]
    store = tmp_path / "store"
    local = earmark.prepare(earmark.read_manifest(sound_folder), store=store)
    manifest = earmark.read_manifest(f"s3://{name}/data")
    remote = earmark.prepare(manifest, store=tmp_path / "other")
    assert remote.keys == local.keys
    assert not remote.skipped
    assert earmark.check(manifest, store=tmp_path / "other") is not None
    found = earmark.predict("speech-music", f"s3://{name}/data/testing/*/*.wav")
    expected = earmark.predict("speech-music", sound_folder / "testing")
    assert [one.probabilities for one in found] == [one.probabilities for one in expected]


def test_an_object_that_changes_is_not_read_stale(bucket):
    _, files, name = bucket
    path = to_path(f"s3://{name}/a.txt")
    for content in (b"old!", b"new!"):
        files.pipe(f"{name}/a.txt", content)
        assert path.read_bytes() == content


def test_a_run_folder_of_a_bucket_is_a_model(bucket, sound_folder, write_run):
    _, files, name = bucket
    run_folder = write_run(sound_folder)
    files.put(f"{run_folder}/", f"{name}/run/", recursive=True)
    sound = sorted(sound_folder.rglob("*.wav"))[0]
    expected = earmark.load_model(run_folder).predict(sound)
    for model in (f"s3://{name}/run", f"s3://{name}/run/best.safetensors"):
        assert earmark.load_model(model).predict(sound) == expected


def test_what_may_not_be_read_is_named_without_the_key(bucket):
    _, _, name = bucket
    secret = os.environ["AWS_SECRET_ACCESS_KEY"]
    for url in (f"s3://{name}/none.wav", f"s3://me:{secret}@no-such-bucket-{name}/a.wav"):
        [failed] = earmark.predict("speech-music", url)
        assert failed.fault == "missing"
        assert secret not in failed.error
