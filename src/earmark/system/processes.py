"""The processes of ``torchrun``: how they meet, and what is reported when one of them ends."""

import json
import os
import re
import time
import uuid
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
_POLL_SECONDS = 0.02


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
        store, rank, number = next(torch.distributed.rendezvous("env://", timeout=STEP_TIMEOUT))
        store = torch.distributed.PrefixStore(_agree_on_prefix(store, rank, number), store)
        torch.distributed.init_process_group(
            backend, store=store, rank=rank, world_size=number, timeout=STEP_TIMEOUT
        )
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
        raise TrainingError(
            f"process {rank} has lost the connection to another process, whose own error or log "
            f"says why ({_detail(error)}); the same command resumes"
        ) from error
    finally:
        torch.distributed.destroy_process_group()


def _agree_on_prefix(store: torch.distributed.Store, rank: int, number: int) -> str:
    """A prefix for keys that no process has used before, the same in all processes.

    ``torchrun`` keeps its store when it starts the processes again. Without a prefix of their own
    they may read the addresses of processes that have died, and wait for them.

    The first process publishes a prefix together with a random name of each process, until all
    have found their own name with it.

    Args:
        store: Shared by the processes, and by those that have died.
        rank: Of this process.
        number: Of processes.

    Raises:
        ConfigError: Processes are missing.
    """
    name, deadline = uuid.uuid4().hex, time.monotonic() + STEP_TIMEOUT.total_seconds()
    store.set(f"earmark/name/{rank}", name)
    published: list[str] = []
    prefix = ""
    while time.monotonic() < deadline:
        if rank == 0:
            names = [store.get(f"earmark/name/{one}").decode() for one in range(number)]
            if names != published:
                prefix, published = uuid.uuid4().hex, names
                store.set("earmark/prefix", json.dumps({"prefix": prefix, "names": names}))
            if all(store.check([f"{prefix}/seen/{one}"]) for one in range(1, number)):
                store.set(f"{prefix}/agreed", "")
                return prefix
        else:
            found = json.loads(store.get("earmark/prefix"))
            if found["names"][rank : rank + 1] == [name]:
                store.set(f"{found['prefix']}/seen/{rank}", "")
                if store.check([f"{found['prefix']}/agreed"]):
                    return found["prefix"]
        time.sleep(_POLL_SECONDS)
    raise ConfigError(f"process {rank} has waited in vain for the others; start all {number}")


def _is_lost_connection(error: BaseException | None) -> bool:
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
        if file and not _is_lost_connection(error.__cause__):
            name = "" if isinstance(error, EarmarkError) else f"{type(error).__name__}: "
            document = {"message": f"{name}{error}", "timestamp": int(time.time())}
            Path(file).write_text(json.dumps(document), encoding="utf-8")
        raise
