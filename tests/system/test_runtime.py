"""Devices and precisions are chosen, and the variables of torchrun are checked."""

import contextlib

import pytest
import torch

from earmark.errors import ConfigError
from earmark.system.runtime import (
    Runtime,
    cpu_threads,
    describe_device,
    pick_device,
    pick_precision,
    running,
    seed_torch,
    start,
    warn_of_emulation,
)

CPU = torch.device("cpu")


def test_the_precision_is_the_named_one():
    assert pick_precision("float32", CPU) is torch.float32
    assert pick_precision("bfloat16", CPU) is torch.bfloat16


@pytest.mark.parametrize("has_it", [True, False])
def test_auto_takes_bfloat16_where_the_processor_has_it(monkeypatch, has_it):
    monkeypatch.setattr("torch.cpu._is_avx512_bf16_supported", lambda: has_it)
    assert pick_precision("auto", CPU) is (torch.bfloat16 if has_it else torch.float32)
    assert pick_precision("auto", torch.device("mps")) is torch.float32


@pytest.mark.parametrize(
    ("has_it", "precision", "device", "warned"),
    [
        (False, "bfloat16", "cpu", True),
        (True, "bfloat16", "cpu", False),
        (False, "auto", "cpu", False),
        (False, "float32", "cpu", False),
        (False, "bfloat16", "mps", False),
    ],
)
def test_a_precision_that_is_only_imitated_gets_a_warning(
    monkeypatch, caplog, has_it, precision, device, warned
):
    monkeypatch.setattr("torch.cpu._is_avx512_bf16_supported", lambda: has_it)
    warn_of_emulation(precision, torch.device(device))
    assert [one.levelname for one in caplog.records] == ["WARNING"] * warned


def test_one_process_has_no_gradients_to_gather():
    context = Runtime(CPU).sync_gradients(torch.nn.Linear(1, 1), enabled=False)
    assert isinstance(context, contextlib.nullcontext)


@pytest.mark.parametrize("world_size", ["2", "0", "-1", "many"])
def test_a_world_size_without_torchrun_is_refused(monkeypatch, world_size):
    for name in ("RANK", "LOCAL_RANK", "MASTER_ADDR", "MASTER_PORT"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("WORLD_SIZE", world_size)
    with pytest.raises(ConfigError, match=r"WORLD_SIZE=.*unset WORLD_SIZE"), start("cpu"):
        pass


@pytest.mark.parametrize("world_size", ["", "1"])
def test_a_world_size_of_one_is_a_single_process(monkeypatch, world_size):
    monkeypatch.setenv("WORLD_SIZE", world_size)
    with start("cpu") as runtime:
        assert (runtime.rank, runtime.world_size, runtime.is_main) == (0, 1, True)


def test_a_running_runtime_is_used_as_it_is():
    runtime = Runtime(CPU, rank=3, world_size=4)
    with running(runtime) as same:
        assert same is runtime
    with running("cpu") as started:
        assert started.device == CPU


def test_processes_that_see_the_same_go_on(monkeypatch):
    monkeypatch.setattr("torch.distributed.all_gather_object", gather({}))
    Runtime(CPU, rank=1, world_size=2).require_same({"settings": "a", "recordings": [1, 2]})
    Runtime(CPU).require_same({"settings": "a"})


@pytest.mark.parametrize("rank", [0, 1])
def test_a_process_that_sees_something_else_is_named_in_all_of_them(monkeypatch, rank):
    monkeypatch.setattr("torch.distributed.all_gather_object", gather({"recordings": "other"}))
    with pytest.raises(ConfigError, match=r"^recordings: .*process 1 on second .*0 on first"):
        Runtime(CPU, rank, 2).require_same({"settings": "a", "recordings": [1, 2]})


def gather(other):
    """What two processes have, of which the second has other digests."""

    def gather(everywhere, own, _):
        everywhere[:] = [("first", own[1]), ("second", {**own[1], **other})]

    return gather


def test_the_first_process_computes_for_all(monkeypatch):
    sent = []

    def broadcast(values, **_):
        sent.append(values[0])
        values[0] = 7

    monkeypatch.setattr("torch.distributed.broadcast_object_list", broadcast)
    assert Runtime(CPU).from_main(lambda: 5) == 5
    assert Runtime(CPU, 0, 2).from_main(lambda: 7) == 7
    assert Runtime(CPU, 1, 2).from_main(lambda: pytest.fail("not here")) == 7
    assert sent == [7, None]


def test_the_first_process_of_each_machine_goes_before_its_others():
    order = []

    class Process(Runtime):
        def wait(self):
            order.append("wait")

    for rank, local_rank in ((0, 0), (2, 0), (3, 1)):
        order.clear()
        with Process(CPU, rank, 4, local_rank=local_rank).main_first():
            order.append("work")
        assert order.index("work") == (0, None, 1, 2)[rank]
        assert len(order) == 3


def test_an_unknown_device_is_refused():
    with pytest.raises(ConfigError, match="tpu"):
        pick_device("tpu")


def test_a_device_that_is_not_available_is_refused(monkeypatch):
    monkeypatch.setattr("torch.backends.mps.is_available", lambda: False)
    with pytest.raises(ConfigError, match="mps"):
        pick_device("mps")


def test_seeds_are_combined():
    draws = []
    for seeds in ((1, 2), (2, 1), (1, 2)):
        seed_torch(*seeds)
        draws.append(torch.rand(()).item())
    assert draws[0] == draws[2] != draws[1]


def test_a_number_of_threads_holds_within_its_context():
    before = torch.get_num_threads()
    with cpu_threads(before + 1):
        assert torch.get_num_threads() == before + 1
    assert torch.get_num_threads() == before
    with cpu_threads(None):
        assert torch.get_num_threads() == before


@pytest.mark.parametrize("has_it", [True, False])
def test_a_device_is_described(monkeypatch, has_it):
    monkeypatch.setattr("torch.cpu._is_avx512_bf16_supported", lambda: has_it)
    described = describe_device(CPU)
    assert (described.type, described.memory_bytes) == ("cpu", None)
    assert described.has_bfloat16 is has_it
    monkeypatch.setattr("torch.cuda.mem_get_info", lambda _: (8 << 30, 16 << 30))
    monkeypatch.setattr("torch.cuda.is_bf16_supported", lambda *, including_emulation: has_it)
    described = describe_device(torch.device("cuda"))
    assert (described.type, described.memory_bytes) == ("cuda", 8 << 30)
    assert described.has_bfloat16 is has_it
