"""The processes of ``torchrun``: how they meet, and what is reported when one of them ends."""

import json
import os
import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

import torch
import torch.distributed

from earmark.errors import ConfigError, EarmarkError, TrainingError

_TORCHRUN_VARIABLES = ("RANK", "LOCAL_RANK", "MASTER_ADDR", "MASTER_PORT")
STEP_TIMEOUT = timedelta(minutes=30)
"""How long a process waits for the others within an epoch: then their machine is lost."""
ALONE_TIMEOUT = timedelta(days=7)
"""How long the others wait while the first process works alone, as when it computes features."""


def world_size() -> int:
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


def local_rank() -> int:
    """Number of this process among those of its machine."""
    return int(os.environ.get("LOCAL_RANK", "0"))


def own_device(device: torch.device) -> torch.device:
    """The device of this process, where those of a machine share its CUDA devices.

    Args:
        device: The device that was chosen.

    Raises:
        ConfigError: More processes were started on this machine than it has CUDA devices.
    """
    if device.type != "cuda":
        return device
    number, available = local_rank(), torch.cuda.device_count()
    if number >= available:
        raise ConfigError(
            f"process {number + 1} of a machine with {available} CUDA devices: each needs its own; "
            f"start {available}, or choose --device cpu"
        )
    device = torch.device("cuda", number)
    torch.cuda.set_device(device)
    return device


def may_restart() -> bool:
    """Whether ``torchrun`` starts the processes again when one dies, or has done so."""
    names = ("TORCHELASTIC_MAX_RESTARTS", "TORCHELASTIC_RESTART_COUNT")
    return any(os.environ.get(name, "0") != "0" for name in names)


@contextmanager
def process_group(device: torch.device) -> Iterator[torch.distributed.ProcessGroup]:
    """Joins the other processes until the context ends.

    Args:
        device: Where gradients are; values on the CPU are exchanged as well.

    Yields:
        The group whose collectives wait for `ALONE_TIMEOUT`; all others wait for `STEP_TIMEOUT`.

    Raises:
        ConfigError: The first process cannot be reached.
        TrainingError: The connection to another process was lost.
    """
    backend = "cpu:gloo,cuda:nccl" if device.type == "cuda" else "gloo"
    try:
        torch.distributed.init_process_group(backend, timeout=STEP_TIMEOUT)
    except torch.distributed.DistError as error:
        place = f"{os.environ['MASTER_ADDR']}:{os.environ['MASTER_PORT']}"
        raise ConfigError(
            f"cannot join the other processes at {place}: {_detail(error)}"
        ) from error
    try:
        group = torch.distributed.new_group(timeout=ALONE_TIMEOUT, backend="gloo")
        assert isinstance(group, torch.distributed.ProcessGroup)
        yield group
    except RuntimeError as error:
        if not _is_lost_connection(error):
            raise
        rank = torch.distributed.get_rank()
        raise LostConnectionError(
            f"process {rank} has lost the connection to another process, whose own error or log "
            f"says why ({_detail(error)}); the same command resumes"
        ) from error
    finally:
        torch.distributed.destroy_process_group()


class LostConnectionError(TrainingError):
    """Another process has ended or cannot be reached: the cause is there."""


def _is_lost_connection(error: RuntimeError) -> bool:
    """Whether a collective failed. Gloo raises plain errors, which name its source file."""
    return isinstance(error, torch.distributed.DistError) or "gloo/" in str(error)


def _detail(error: RuntimeError) -> str:
    """What happened, without the source file before it and the advice after it."""
    text = re.sub(r"^\[[^\]]*\]\s*", "", " ".join(str(error).split()))
    return text.partition(". ")[0]


@contextmanager
def reported_to_torchrun() -> Iterator[None]:
    """Leaves an error for the summary of ``torchrun``, which names the process that failed first.

    A lost connection is not left: the process at the other end has failed before.
    """
    try:
        yield
    except Exception as error:
        file = os.environ.get("TORCHELASTIC_ERROR_FILE")
        if file and not isinstance(error, LostConnectionError):
            name = "" if isinstance(error, EarmarkError) else f"{type(error).__name__}: "
            document = {"message": f"{name}{error}", "timestamp": int(time.time())}
            Path(file).write_text(json.dumps(document), encoding="utf-8")
        raise
