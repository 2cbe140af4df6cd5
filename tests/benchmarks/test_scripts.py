"""Every benchmark can be imported, and explains itself where it takes arguments."""

import importlib
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
BENCHMARKS = ROOT / "benchmarks"
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
ELSEWHERE = {ROOT / one for one in PROJECT["tool"]["pyrefly"]["project-excludes"]}
"""Scripts that run in an environment of their own."""
IN_NEED_OF_VOCODER = ("singing", "talking")
"""Scripts that import one of those."""


@pytest.mark.parametrize(
    "name",
    [
        path.relative_to(BENCHMARKS).with_suffix("").as_posix()
        for path in sorted(BENCHMARKS.rglob("*.py"))
        if path not in ELSEWHERE and path.stem not in ("__init__", *IN_NEED_OF_VOCODER)
    ],
)
def test_a_benchmark_can_be_imported_and_explains_itself(name, monkeypatch, capsys):
    monkeypatch.syspath_prepend(BENCHMARKS)
    module = importlib.import_module(name.replace("/", "."))
    assert module.__doc__
    if hasattr(module, "argparse") and hasattr(module, "main"):
        monkeypatch.setattr(sys, "argv", [f"{name}.py", "--help"])
        with pytest.raises(SystemExit) as done:
            module.main()
        assert done.value.code == 0
        assert "usage: " in capsys.readouterr().out
