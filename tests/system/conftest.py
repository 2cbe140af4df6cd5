"""Work for worker processes, in a module that they can import."""

import importlib
from pathlib import Path
from types import ModuleType

import pytest

HOSTILE = """
import logging, os, pathlib, signal, sys, time, warnings

def work(item, send):
    command, _, argument = str(item).partition(" ")
    if command == "parts":
        for number in range(int(argument)):
            send(number)
    if command == "signal":
        os.kill(os.getpid(), getattr(signal, argument))
    if command == "abort":
        os.write(2, argument.encode())
        os.abort()
    if command == "exit":
        os._exit(int(argument))
    if command == "hang":
        time.sleep(600)
    if command == "slow":
        for _ in range(5):
            time.sleep(0.5)
            send(None)
    if command == "memory":
        bytearray(int(argument) << 20)
    if command == "raise":
        raise KeyError(argument)
    if command == "once":
        path = pathlib.Path(argument)
        if not path.exists():
            path.touch()
            os.abort()
    if command == "late":
        for number in range(5):
            send(number)
        path = pathlib.Path(argument)
        if not path.exists():
            path.touch()
            os.abort()
    if command == "chatter":
        os.write(1, b"chatter")
        os.write(2, b"chatter")
        print("chatter")
    if command == "log":
        logging.getLogger("earmark.somewhere").warning("%s", argument)
        logging.getLogger("earmark.somewhere").debug("not this")
    if command == "pid":
        return os.getpid()
    if command == "folder":
        return os.getcwd()
    return item

class Unpicklable(Exception):
    def __init__(self, one, two):
        super().__init__(one)

def raise_unpicklable(item, send):
    raise Unpicklable("one", "two")
"""


@pytest.fixture
def hostile(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """A module whose function ``work`` does what an item says."""
    name = f"hostile_{tmp_path.stat().st_ino}"
    (tmp_path / f"{name}.py").write_text(HOSTILE)
    monkeypatch.syspath_prepend(tmp_path)
    return importlib.import_module(name)


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Workers may be silent for 1.5 s."""
    monkeypatch.setattr("earmark.system.workers.pool.PATIENCE_SECONDS", 1.5)
    monkeypatch.setattr("earmark.system.workers.pool.BATCH_PATIENCE_SECONDS", 1.5)
    monkeypatch.setattr("earmark.system.workers.pool.WATCH_SECONDS", 0.25)
