"""What `--engine` and `--address` do, with threads in place of Ray."""

import json
from concurrent.futures import ThreadPoolExecutor

import pytest


@pytest.fixture
def addresses(monkeypatch):
    """The addresses of clusters that were asked for; each is a pool of threads."""

    def start(address):
        found.append(address)
        return ThreadPoolExecutor(2)

    found = []
    monkeypatch.setattr("earmark.system.ray_executor.RayExecutor", start)
    monkeypatch.setattr("earmark.system.executors.CHUNK_ITEMS", 2)
    return found


def test_the_table_has_the_bytes_of_the_local_engine(earmark, sounds, tmp_path, addresses):
    (sounds / "bad.wav").touch()
    for name, options in (("local", ()), ("ray", ("--address", "10.0.0.1:6379"))):
        words = ("predict", "speech-music", "in", "-o", f"{name}.csv", "--engine", name)
        assert earmark(*words, *options).exit_code == 1
    assert (tmp_path / "ray.csv").read_bytes() == (tmp_path / "local.csv").read_bytes()
    assert addresses == ["10.0.0.1:6379"]


def test_features_come_from_an_engine(earmark, sound_folder, addresses):
    for number in (24, 0):
        result = earmark("prepare", sound_folder, "-o", "store", "--json", "--engine", "ray")
        assert json.loads(result.stdout)["num_computed"] == number
    assert addresses == [None, None]


def test_an_address_is_that_of_ray(earmark, sounds):
    words = ("predict", "speech-music", "in", "--address", "10.0.0.1:6379")
    assert earmark(*words).exit_code == 2


def test_standard_input_is_not_sent(earmark, addresses):
    assert earmark("predict", "speech-music", "-", "--engine", "ray").exit_code == 2
    assert addresses == []
