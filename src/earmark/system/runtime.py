"""Devices, seeds, and what processes that train together exchange."""

import hashlib
import logging
import platform
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
import torch
import torch.distributed
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from earmark.errors import ConfigError
from earmark.system.processes import (
    local_rank,
    own_device,
    process_group,
    reported_to_torchrun,
    world_size,
)
from earmark.system.progress import SILENT, Reporter

logger = logging.getLogger(__name__)

Module = TypeVar("Module", bound=nn.Module)
Value = TypeVar("Value")

DEVICES = ("auto", "cpu", "cuda", "mps")


@dataclass(frozen=True)
class Runtime:
    """The device of this process, and its place among the processes that train together.

    Args:
        device: Device of modules and batches.
        rank: Number of this process, from 0.
        world_size: Number of processes.
        reporter: Shows progress; silent in all processes but the first.
        local_rank: Number of this process among those of its machine.
        group: All processes, for waiting while the first one works alone; None for one process.
    """

    device: torch.device
    rank: int = 0
    world_size: int = 1
    reporter: Reporter = SILENT
    local_rank: int = 0
    group: torch.distributed.ProcessGroup | None = None

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

    def from_main(self, compute: Callable[[], Value]) -> Value:
        """What the first process computes, in all processes.

        So they cannot disagree, on machines that differ or that do not share a disk.

        Args:
            compute: Called in the first process only; its value is pickled for the others.
        """
        if self.world_size == 1:
            return compute()
        values = [compute() if self.is_main else None]
        cpu = torch.device("cpu")
        torch.distributed.broadcast_object_list(values, src=0, group=self.group, device=cpu)
        return values[0]  # pyrefly: ignore[bad-return]

    def require_same(self, seen: Mapping[str, object]) -> None:
        """Checks that all processes have the same, such as settings and recordings.

        Otherwise they would train on parts that do not fit together, and nothing would show it.

        Args:
            seen: What it is called in an error, to a value whose `repr` tells it from others.

        Raises:
            ConfigError: A process has something else than the first; raised in all of them.
        """
        if self.world_size == 1:
            return
        digests = {name: _digest(value) for name, value in seen.items()}
        everywhere: list[tuple[str, dict[str, str]]] = [("", {})] * self.world_size
        torch.distributed.all_gather_object(everywhere, (platform.node(), digests), self.group)
        first_host, expected = everywhere[0]
        for rank, (host, found) in enumerate(everywhere):
            names = [name for name in expected if found[name] != expected[name]]
            if names:
                raise ConfigError(
                    f"{', '.join(names)}: those of process {rank} on {host} are not those of "
                    f"process 0 on {first_host}; give all machines the same files and options"
                )

    @contextmanager
    def main_first(self) -> Iterator[None]:
        """Context that the first process enters alone, then the first one of each machine.

        The others follow when these have left. They find in the store what the first has put there,
        be it on a disk that all machines share or on one of their own.
        """
        place = 0 if self.is_main else 1 if self.local_rank == 0 else 2
        for _ in range(place):
            self.wait()
        yield
        for _ in range(2 - place):
            self.wait()

    def wait(self) -> None:
        """Waits until every process has called this."""
        if self.world_size > 1:
            torch.distributed.barrier(self.group)


def _digest(value: object) -> str:
    return hashlib.sha256(repr(value).encode(errors="surrogateescape")).hexdigest()


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
        ConfigError: The device is not available, the environment of ``torchrun`` is incomplete, or
            the other processes cannot be reached.
        TrainingError: The connection to another process was lost.
    """
    with reported_to_torchrun():
        number = world_size()
        chosen = pick_device(device)
        if number == 1:
            yield Runtime(chosen, reporter=reporter)
            return
        chosen = own_device(chosen)
        with process_group(chosen) as group:
            rank = torch.distributed.get_rank()
            shown = reporter if rank == 0 else SILENT
            yield Runtime(chosen, rank, number, shown, local_rank(), group)


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


def warn_of_emulation(precision: str, device: torch.device) -> None:
    """Warns of a precision that the device only imitates, with the right results but slowly.

    Args:
        precision: As of `pick_precision`.
        device: The device of the network.
    """
    may_lack = device.type in {"cpu", "cuda"}
    if precision == "bfloat16" and may_lack and not describe_device(device).has_bfloat16:
        logger.warning(
            "train.precision = bfloat16: this processor is not known to have it, and may take ten "
            "times as long as for float32; auto takes it where it is fast"
        )


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
