"""Device, seeds and processes: the only place that knows of distributed training."""

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
from earmark.system.memory import keep_freed_memory
from earmark.system.progress import SILENT, Reporter

Module = TypeVar("Module", bound=nn.Module)

DEVICES = ("auto", "cpu", "cuda", "mps")


@dataclass(frozen=True)
class Runtime:
    """Where this process computes, and which of how many it is.

    Args:
        device: Where modules and batches go.
        rank: Number of this process.
        world_size: Number of processes.
        reporter: Told of progress; only the first process has one that speaks.
    """

    device: torch.device
    rank: int = 0
    world_size: int = 1
    reporter: Reporter = SILENT

    @property
    def is_main(self) -> bool:
        """Whether this process writes the files and speaks to the user."""
        return self.rank == 0

    def wrap(self, model: nn.Module) -> nn.Module:
        """The module that averages gradients over the processes; itself when there is one."""
        if self.world_size == 1:
            return model
        return DistributedDataParallel(model)

    def sync_gradients(self, model: nn.Module, *, now: bool) -> AbstractContextManager[object]:
        """Around both passes of a batch: gradients are averaged over the processes, now or later.

        Args:
            model: What `wrap` gave.
            now: Whether a step follows; otherwise gradients only add up in each process.
        """
        if now or not isinstance(model, DistributedDataParallel):
            return nullcontext()
        return model.no_sync()

    def broadcast_buffers(self, model: nn.Module) -> None:
        """Gives every process the buffers of the first.

        Each process keeps batch statistics of its own share, so without this they would evaluate
        different networks, and the saved one would be neither of the others.
        """
        if self.world_size > 1:
            for buffer in model.buffers():
                torch.distributed.broadcast(buffer, src=0)

    def all_sum(self, values: Tensor) -> Tensor:
        """The sum over all processes, in place; a tensor on the CPU."""
        if self.world_size > 1:
            torch.distributed.all_reduce(values)
        return values

    def wait(self) -> None:
        """Waits until every process is here."""
        if self.world_size > 1:
            torch.distributed.barrier()


@contextmanager
def start(device: str = "auto", reporter: Reporter = SILENT) -> Iterator[Runtime]:
    """Opens the runtime: alone, or as one of the processes that ``torchrun`` started.

    Args:
        device: ``auto``, ``cpu``, ``cuda`` or ``mps``.
        reporter: Told of progress by the first process.

    Raises:
        ConfigError: The device is not at hand.
    """
    keep_freed_memory()
    world_size = int(os.environ.get("WORLD_SIZE", "1"))
    if world_size == 1:
        yield Runtime(pick_device(device), reporter=reporter)
        return
    chosen = pick_device(device)
    use_cuda = chosen.type == "cuda"
    if use_cuda:
        chosen = torch.device("cuda", int(os.environ["LOCAL_RANK"]))
        torch.cuda.set_device(chosen)
    # The others wait while the first computes features, which may take longer than the usual limit;
    # a process that dies is noticed by torchrun.
    torch.distributed.init_process_group(
        "cpu:gloo,cuda:nccl" if use_cuda else "gloo", timeout=timedelta(days=7)
    )
    try:
        rank = torch.distributed.get_rank()
        yield Runtime(chosen, rank, world_size, reporter if rank == 0 else SILENT)
    finally:
        torch.distributed.destroy_process_group()


def place(model: Module, device: torch.device) -> Module:
    """Moves a network to a device, its weights laid out so that channels are neighbours.

    Convolution and above all pooling are faster so, on every device.
    """
    model.to(device)
    for parameter in model.parameters():
        if parameter.dim() == 4:
            # Not contiguous(): with one input channel it finds nothing to do, and the next layers
            # would be laid out the slow way.
            parameter.data = parameter.data.to(memory_format=torch.channels_last)
    return model


def pick_precision(name: str, device: torch.device) -> torch.dtype:
    """Type of the numbers in the layers while training.

    Args:
        name: ``float32``, ``bfloat16``, or ``auto``: bfloat16 where the processor computes with it.
        device: Where the network is.
    """
    if name != "auto":
        return getattr(torch, name)
    fast = {
        "cuda": lambda: torch.cuda.is_bf16_supported(including_emulation=False),
        "cpu": torch.cpu._is_avx512_bf16_supported,
    }
    return torch.bfloat16 if fast.get(device.type, bool)() else torch.float32


def pick_device(name: str) -> torch.device:
    """The device of that name; ``auto`` takes the fastest at hand.

    Raises:
        ConfigError: It is not at hand, or no such device is known.
    """
    at_hand = {
        "cuda": torch.cuda.is_available(),
        "mps": torch.backends.mps.is_available(),
        "cpu": True,
    }
    if name == "auto":
        return torch.device(next(device for device, present in at_hand.items() if present))
    if name not in at_hand:
        raise ConfigError(f"--device {name}: choose one of {', '.join(DEVICES)}")
    if not at_hand[name]:
        raise ConfigError(f"--device {name}: this machine has none; use --device cpu or auto")
    return torch.device(name)


def seed_torch(*seeds: int) -> None:
    """Seeds torch from several numbers at once, such as a seed, an epoch and a rank.

    Seeding afresh for every epoch makes a resumed run equal the uninterrupted one without saving
    the state of any generator.
    """
    torch.manual_seed(int(np.random.SeedSequence(seeds).generate_state(1, np.uint64)[0] >> 1))
