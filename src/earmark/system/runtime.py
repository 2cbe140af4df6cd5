"""Devices, seeds and processes: the only module that handles distributed training."""

import os
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from datetime import timedelta
from typing import TypeVar

import numpy as np
import torch
import torch.distributed
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from earmark.errors import ConfigError
from earmark.system.progress import SILENT, Reporter

Module = TypeVar("Module", bound=nn.Module)

DEVICES = ("auto", "cpu", "cuda", "mps")
_TORCHRUN_VARIABLES = ("RANK", "LOCAL_RANK", "MASTER_ADDR", "MASTER_PORT")


@dataclass(frozen=True)
class Runtime:
    """The device of this process, and its place among the processes that train together.

    Args:
        device: Device of modules and batches.
        rank: Number of this process, from 0.
        world_size: Number of processes.
        reporter: Shows progress; silent in all processes but the first.
    """

    device: torch.device
    rank: int = 0
    world_size: int = 1
    reporter: Reporter = SILENT

    @property
    def is_main(self) -> bool:
        """Whether this process writes the files and shows the output."""
        return self.rank == 0

    def wrap(self, model: nn.Module) -> nn.Module:
        """Wraps a module to average gradients over the processes; one process returns it as is."""
        if self.world_size == 1:
            return model
        return DistributedDataParallel(model)

    def sync_gradients(self, model: nn.Module, *, enabled: bool) -> AbstractContextManager[object]:
        """Context of the forward and backward pass that controls when gradients are averaged.

        Args:
            model: The result of `wrap`.
            enabled: Whether to average over the processes, before a step; otherwise gradients
                accumulate in each process.
        """
        if enabled or not isinstance(model, DistributedDataParallel):
            return nullcontext()
        return model.no_sync()

    def broadcast_buffers(self, model: nn.Module) -> None:
        """Copies the buffers of the first process to all others.

        Each process collects batch statistics of its own part of the batches. Without this they
        would evaluate different networks, of which only one is saved.
        """
        if self.world_size > 1:
            for buffer in model.buffers():
                torch.distributed.broadcast(buffer, src=0)

    def all_sum(self, values: Tensor) -> Tensor:
        """Sums a tensor on the CPU over all processes, in place."""
        if self.world_size > 1:
            torch.distributed.all_reduce(values)
        return values

    @contextmanager
    def main_first(self) -> Iterator[None]:
        """Context that the first process enters alone; the others follow when it has left.

        They find in the store what it has put there.
        """
        if not self.is_main:
            self.wait()
        yield
        if self.is_main:
            self.wait()

    def wait(self) -> None:
        """Waits until every process has called this."""
        if self.world_size > 1:
            torch.distributed.barrier()


@contextmanager
def running(device: "str | Runtime" = "auto") -> Iterator[Runtime]:
    """The runtime of a verb: one that is running already, or one for the length of the context.

    Args:
        device: A runtime; or ``auto``, ``cpu``, ``cuda`` or ``mps``.

    Raises:
        ConfigError: As `start`.

    Example:
        >>> with running("cpu") as runtime, running(runtime) as same:
        ...     same is runtime
        True
    """
    if isinstance(device, Runtime):
        yield device
        return
    with start(device) as runtime:
        yield runtime


@contextmanager
def start(device: str = "auto", reporter: Reporter = SILENT) -> Iterator[Runtime]:
    """Starts a runtime: of a single process, or of one of those that ``torchrun`` started.

    Args:
        device: ``auto``, ``cpu``, ``cuda`` or ``mps``.
        reporter: Shows progress, in the first process.

    Raises:
        ConfigError: The device is not available, or the environment of ``torchrun`` is incomplete.
    """
    world_size = _world_size()
    if world_size == 1:
        yield Runtime(pick_device(device), reporter=reporter)
        return
    chosen = pick_device(device)
    use_cuda = chosen.type == "cuda"
    if use_cuda:
        chosen = torch.device("cuda", int(os.environ["LOCAL_RANK"]))
        torch.cuda.set_device(chosen)
    # The others wait while the first computes features, which may exceed the default timeout;
    # torchrun notices a process that dies.
    torch.distributed.init_process_group(
        "cpu:gloo,cuda:nccl" if use_cuda else "gloo", timeout=timedelta(days=7)
    )
    try:
        rank = torch.distributed.get_rank()
        yield Runtime(chosen, rank, world_size, reporter if rank == 0 else SILENT)
    finally:
        torch.distributed.destroy_process_group()


def _world_size() -> int:
    """Number of processes, as ``torchrun`` sets it.

    Raises:
        ConfigError: ``WORLD_SIZE`` is not a number, or was not set by ``torchrun``.
    """
    text = os.environ.get("WORLD_SIZE") or "1"
    if not text.isdecimal() or int(text) < 1:
        raise ConfigError(f"WORLD_SIZE={text}: not a number of processes; unset WORLD_SIZE")
    missing = [name for name in _TORCHRUN_VARIABLES if name not in os.environ]
    if int(text) > 1 and missing:
        raise ConfigError(
            f"WORLD_SIZE={text}, but {', '.join(missing)} are not set; unset WORLD_SIZE to use one "
            "process, or start the processes with torchrun"
        )
    return int(text)


@contextmanager
def cpu_threads(number: int | None) -> Iterator[None]:
    """Computes on the CPU with a number of threads for the length of the context.

    Args:
        number: How many; None leaves it as it is.
    """
    before = torch.get_num_threads()
    torch.set_num_threads(number or before)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def place(model: Module, device: torch.device) -> Module:
    """Moves a network to a device, with its weights in the memory format channels-last.

    This makes convolution and above all pooling faster, on every device.
    """
    model.to(device)
    for parameter in model.parameters():
        if parameter.dim() == 4:
            # Not contiguous(): it would leave weights with one input channel as they are, and the
            # next layers in the slow format.
            parameter.data = parameter.data.to(memory_format=torch.channels_last)
    return model


@dataclass(frozen=True)
class DeviceDescription:
    """What a device offers to a training.

    Args:
        type: ``cpu``, ``cuda`` or ``mps``.
        memory_bytes: Memory of its own that is free; None where it uses that of the machine.
        has_bfloat16: Whether it computes in bfloat16 faster than in float32.
    """

    type: str
    memory_bytes: int | None
    has_bfloat16: bool


def describe_device(device: torch.device) -> DeviceDescription:
    """What a device offers to a training.

    Args:
        device: The device.

    Example:
        >>> describe_device(torch.device("cpu")).memory_bytes is None
        True
    """
    if device.type == "cuda":
        free, _ = torch.cuda.mem_get_info(device)
        has_bfloat16 = torch.cuda.is_bf16_supported(including_emulation=False)
        return DeviceDescription("cuda", free, has_bfloat16)
    has_bfloat16 = device.type == "cpu" and torch.cpu._is_avx512_bf16_supported()
    return DeviceDescription(device.type, None, has_bfloat16)


def pick_precision(name: str, device: torch.device) -> torch.dtype:
    """The data type of the layers in training.

    Args:
        name: ``float32``, ``bfloat16``, or ``auto``: bfloat16 where the hardware supports it.
        device: The device of the network.
    """
    if name != "auto":
        return getattr(torch, name)
    return torch.bfloat16 if describe_device(device).has_bfloat16 else torch.float32


def pick_device(name: str) -> torch.device:
    """The device of a name; ``auto`` is the fastest one available.

    Raises:
        ConfigError: It is not available, or the name is unknown.
    """
    available = {
        "cuda": torch.cuda.is_available(),
        "mps": torch.backends.mps.is_available(),
        "cpu": True,
    }
    if name == "auto":
        return torch.device(next(device for device, present in available.items() if present))
    if name not in available:
        raise ConfigError(f"device {name}: unknown; choose one of {', '.join(DEVICES)}")
    if not available[name]:
        raise ConfigError(f"device {name}: not available on this machine; choose cpu or auto")
    return torch.device(name)


def seed_torch(*seeds: int) -> None:
    """Seeds torch from several numbers, such as a seed, an epoch and a rank.

    Seeding at every epoch makes a resumed run equal to an uninterrupted one, without saving the
    state of any generator.
    """
    torch.manual_seed(int(np.random.SeedSequence(seeds).generate_state(1, np.uint64)[0] >> 1))
