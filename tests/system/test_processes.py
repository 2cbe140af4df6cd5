"""How processes of torchrun meet, and what they report when one of them ends."""

import json
import socket
import threading

import pytest
import torch

from earmark.errors import ConfigError, DataError, TrainingError
from earmark.system import processes
from earmark.system.processes import (
    may_restart,
    own_device,
    process_group,
    reported_to_torchrun,
)

CPU = torch.device("cpu")
GLOO = (
    "[/build/gloo/transport/tcp/pair.cc:553] Connection closed by peer [127.0.0.1]:1. This is "
    "typically caused by a remote worker crashing."
)


@pytest.fixture
def alone(monkeypatch):
    """The environment of the only process of a group."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    variables = {"RANK": 0, "WORLD_SIZE": 1, "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port}
    for name, value in variables.items():
        monkeypatch.setenv(name, str(value))


def agree(store, number, late=-1):
    """The prefixes that processes agree on; one of them may begin when the others wait."""
    found = [""] * number
    begun = threading.Barrier(number)

    def run(rank):
        begun.wait()
        if rank == late:
            store.wait([f"earmark/name/{(rank + 1) % number}"])
        found[rank] = processes._agree_on_prefix(store, rank, number)

    threads = [threading.Thread(target=run, args=(rank,)) for rank in range(number)]
    for one in threads:
        one.start()
    for one in threads:
        one.join(20)
    return found


@pytest.mark.parametrize("late", [0, 1, 2])
def test_processes_that_are_started_again_never_use_the_keys_of_dead_ones(late):
    store = torch.distributed.HashStore()
    prefixes = [agree(store, 3, late) for _ in range(4)]
    assert all(len(set(one)) == 1 and one[0] for one in prefixes)
    assert len({one[0] for one in prefixes}) == 4


def test_processes_that_do_not_come_are_an_error(monkeypatch):
    monkeypatch.setattr(processes, "STEP_TIMEOUT", processes.STEP_TIMEOUT * 0)
    with pytest.raises(ConfigError, match="process 1"):
        processes._agree_on_prefix(torch.distributed.HashStore(), 1, 2)


def test_a_failed_collective_is_a_lost_connection(alone):
    with (
        pytest.raises(TrainingError, match="Connection closed by peer") as error,
        process_group(CPU),
    ):
        raise RuntimeError(GLOO)
    assert "pair.cc" not in str(error.value)


def test_another_error_of_a_process_stays_what_it_is(alone):
    with pytest.raises(RuntimeError, match="shapes differ"), process_group(CPU):
        raise RuntimeError("shapes differ")


def test_a_first_process_that_cannot_be_reached_is_an_error(alone, monkeypatch):
    def refuse(*_, **__):
        raise torch.distributed.DistNetworkError("connection refused")

    monkeypatch.setattr("torch.distributed.rendezvous", refuse)
    with pytest.raises(ConfigError, match=r"127\.0\.0\.1:.*refused"), process_group(CPU):
        pass


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (DataError("a.wav: the file is empty"), "a.wav: the file is empty"),
        (KeyError("x"), "KeyError: 'x'"),
    ],
)
def test_torchrun_gets_the_error_of_the_process_that_failed_first(
    tmp_path, monkeypatch, error, message
):
    file = tmp_path / "error.json"
    monkeypatch.setenv("TORCHELASTIC_ERROR_FILE", str(file))
    with pytest.raises(type(error)), reported_to_torchrun():
        raise error
    assert json.loads(file.read_text())["message"] == message


def test_a_lost_connection_is_no_cause_for_torchrun(alone, tmp_path, monkeypatch):
    file = tmp_path / "error.json"
    monkeypatch.setenv("TORCHELASTIC_ERROR_FILE", str(file))
    with pytest.raises(TrainingError), reported_to_torchrun(), process_group(CPU):
        raise RuntimeError(GLOO)
    assert not file.exists()


def test_without_torchrun_no_error_is_left(monkeypatch):
    monkeypatch.delenv("TORCHELASTIC_ERROR_FILE", raising=False)
    with pytest.raises(DataError), reported_to_torchrun():
        raise DataError("a.wav")


def test_each_process_of_a_machine_has_a_cuda_device_of_its_own(monkeypatch):
    chosen = []
    monkeypatch.setattr("torch.cuda.device_count", lambda: 2)
    monkeypatch.setattr("torch.cuda.set_device", chosen.append)
    monkeypatch.setenv("LOCAL_RANK", "1")
    assert own_device(torch.device("cuda")) == torch.device("cuda", 1)
    assert chosen == [torch.device("cuda", 1)]
    monkeypatch.setenv("LOCAL_RANK", "2")
    with pytest.raises(ConfigError, match="2 CUDA devices"):
        own_device(torch.device("cuda"))
    assert own_device(CPU) == CPU


@pytest.mark.parametrize(
    ("variables", "expected"),
    [
        ({}, False),
        ({"TORCHELASTIC_MAX_RESTARTS": "0", "TORCHELASTIC_RESTART_COUNT": "0"}, False),
        ({"TORCHELASTIC_MAX_RESTARTS": "3", "TORCHELASTIC_RESTART_COUNT": "0"}, True),
        ({"TORCHELASTIC_MAX_RESTARTS": "0", "TORCHELASTIC_RESTART_COUNT": "1"}, True),
    ],
)
def test_restarts_are_known_from_the_environment(monkeypatch, variables, expected):
    for name in ("TORCHELASTIC_MAX_RESTARTS", "TORCHELASTIC_RESTART_COUNT"):
        monkeypatch.delenv(name, raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert may_restart() is expected
