"""Export to C99: header and source are written only if compiled they predict as the original."""

import logging
import re
import tempfile
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from earmark._version import __version__
from earmark.errors import ConfigError
from earmark.exporters.accuracy_cost import AccuracyCost, measure_cost
from earmark.exporters.c.novelty import read_novelty
from earmark.exporters.c.parity import CodeParity, compare_code
from earmark.exporters.c.read_graph import read_network
from earmark.exporters.c.source import Source, write_source
from earmark.exporters.c.toolchain import Flash, find_compiler, measure_flash
from earmark.exporters.c.weights import quantize_graph
from earmark.exporters.original import Original, open_original
from earmark.exporters.quantization import Quantization
from earmark.exporters.targets import ExportOptions
from earmark.exporters.validation import read_clips
from earmark.system.files import atomic_write

logger = logging.getLogger(__name__)

DEFAULT_NAME = "model"
# fmt: off
_LIBRARY_HEADERS = frozenset((
    "alloca", "assert", "complex", "ctype", "endian", "errno", "features", "fenv", "float",
    "inttypes", "limits", "locale", "math", "setjmp", "signal", "stdarg", "stdbool",
    "stddef", "stdint", "stdio", "stdlib", "string", "strings", "tgmath", "time", "wchar",
    "wctype",
))
# fmt: on
"""A model of such a name would hide the header of the C library from who compiles with ``-I``."""


@dataclass(frozen=True, repr=False)
class ExportedCode:
    """A model in C.

    Args:
        path: The folder.
        name: Of the two files, and the beginning of all public names.
        ram_bytes: Size of the state of a clip.
        flash: Code and tables; None if they could not be measured.
        parity: The comparison with the original, or with the quantized network; None without.
        quantized: What weights in 8 bits cost; None for float32.

    Example:
        >>> flash = Flash(81_000, "Cortex-M4F")
        >>> ExportedCode(Path("out"), "model", 37_300, flash, CodeParity(16, 2e-7, 1e-5))
        out/model.h, out/model.c: 81,000 bytes of flash (Cortex-M4F), 37,300 bytes of RAM; differs \
by up to 2.0e-07
    """

    path: Path
    name: str
    ram_bytes: int
    flash: Flash | None
    parity: CodeParity | None
    quantized: AccuracyCost | None = None

    def to_dict(self) -> dict[str, Any]:
        """The document that ``export --json`` prints."""
        return {
            "path": str(self.path),
            "files": [f"{self.name}.h", f"{self.name}.c"],
            "ram_bytes": self.ram_bytes,
            "flash_bytes": self.flash.num_bytes if self.flash else None,
            "processor": self.flash.processor if self.flash else None,
            **(asdict(self.parity) if self.parity else {"num_sounds": 0}),
            **({"quantization": asdict(self.quantized)} if self.quantized else {}),
        }

    def __repr__(self) -> str:
        files = ", ".join(str(self.path / f"{self.name}{suffix}") for suffix in (".h", ".c"))
        flash = "flash not measured"
        if self.flash:
            flash = f"{self.flash.num_bytes:,} bytes of flash ({self.flash.processor})"
        parity = "not verified"
        if self.parity:
            parity = f"differs by up to {self.parity.largest_difference:.1e}"
        line = f"{files}: {flash}, {self.ram_bytes:,} bytes of RAM; {parity}"
        return f"{line}\nint8: {self.quantized}" if self.quantized else line


def export_c(model: Path | str, output: Path, options: ExportOptions) -> ExportedCode:
    """Exports a model to a folder with one header and one source in C99.

    Before they are written, they are compiled and their outputs compared with those of the
    original on noise and real recordings; those of weights in 8 bits with a network of the same
    rounded weights, and its accuracy with the original's.

    Args:
        model: As for `earmark.exporters.targets.export`.
        output: The folder.
        options: ``name``, ``quantize`` and its own, and ``verify``.

    Raises:
        CheckpointError: The model cannot be opened.
        ConfigError: The folder holds another model; there is no C compiler; or an option is unknown
            or does not fit the others.
        DataError: There are no validation recordings to measure the cost of quantization on.
        ExportError: Outputs differ, the network has an operator that is not known in C, or
            quantization costs too much accuracy; nothing is written.
    """
    name, quantization = _valid_name(options.get("name", DEFAULT_NAME)), Quantization.of(options)
    if options.get("verify", True):
        find_compiler()
    original = open_original(model)
    original.require_log_mel("c")
    if original.quantization:
        raise ConfigError(f"--to c: {model} is quantized; export the model it came from")
    _refuse_other_file(output, name, original, overwrite=options.get("overwrite", False))
    weights, cost = {}, None
    if quantization is not None:
        graph, weights = quantize_graph(original.network())
        rounded = original.with_network(graph)
        clips = read_clips(model, original.spec, quantization.data, quantization.store)
        cost = measure_cost(original.backend, rounded.backend, clips)
        cost.refuse_drop(output, quantization.max_accuracy_drop)
        original = rounded
    graph = original.network()
    network = replace(read_network(graph, weights), novelty=read_novelty(graph))
    source = write_source(original.spec, network, name)
    exported = _verify(source, original, ExportedCode(output, name, 0, None, None, cost), options)
    licence = options.get("licence") or original.licence
    _write(exported, source, _comment(exported, original, licence))
    return exported


def _valid_name(name: str) -> str:
    if not re.fullmatch(r"[a-z][a-z0-9_]{0,30}", name):
        raise ConfigError(
            f"--name {name}: not a name for C; use up to 31 lower-case letters, digits and _, a "
            "letter first"
        )
    if name in _LIBRARY_HEADERS:
        raise ConfigError(f"--name {name}: {name}.h is a header of the C library; use another name")
    return name


def _verify(
    source: Source, original: Original, exported: ExportedCode, options: ExportOptions
) -> ExportedCode:
    with tempfile.TemporaryDirectory() as text:
        folder, parity = Path(text), None
        _write(replace(exported, path=folder), source, [])
        if options.get("verify", True):
            logger.info("compiling, and comparing the outputs with those of the original")
            parity = compare_code(folder, exported.name, original.reference)
        flash = measure_flash(folder, exported.name)
    return replace(exported, flash=flash, parity=parity, ram_bytes=source.state_bytes)


def _write(exported: ExportedCode, source: Source, facts: list[str]) -> None:
    lines = "\n".join(f" * {fact}".rstrip() for fact in facts) or " *"
    whole = source.with_comment(lines, f"/* See {exported.name}.h. */")
    exported.path.mkdir(parents=True, exist_ok=True)
    atomic_write(exported.path / f"{exported.name}.c", whole.source)
    atomic_write(exported.path / f"{exported.name}.h", whole.header)


def _comment(exported: ExportedCode, original: Original, licence: str) -> list[str]:
    """What the header says about the model; one line a fact."""
    spec, parity, flash = original.spec, exported.parity, exported.flash
    weights = "8-bit weights, scaled for each channel" if exported.quantized else "float32 weights"
    size = f"{flash.num_bytes:,} bytes, compiled for {flash.processor}" if flash else "not measured"
    facts = [
        f"An audio classifier by earmark {__version__}, {spec.task.title}, {weights}.",
        f"Labels: {_plain(', '.join(spec.labels))}.",
        f"Licence of the weights: {_plain(licence)}.",
        _digest_line(original),
        "",
        f"Flash: {size}.",
        f"RAM: {exported.ram_bytes:,} bytes for the state, and the stack.",
    ]
    if parity is None:
        facts.append("NOT VERIFIED: exported with --no-verify, never compared with the original.")
    else:
        facts += [
            f"Verified on {parity.num_sounds} sounds: for the same frames, no probability differs "
            "from the",
            f"original's by more than {parity.largest_difference:.1e}; for the same samples, by "
            f"{parity.largest_difference_from_predict:.1e}.",
        ]
    if exported.quantized:
        facts += [f"Cost of 8-bit weights: {exported.quantized}."]
    return facts


def _plain(text: str) -> str:
    """Text that cannot end a comment."""
    return " ".join(text.replace("*/", "* /").replace("/*", "/ *").split())


def _digest_line(original: Original) -> str:
    return f"Weights: {original.weights_digest}."


def _refuse_other_file(output: Path, name: str, original: Original, *, overwrite: bool) -> None:
    """Refuses to replace anything but an export of the same weights."""
    if output.exists() and not output.is_dir():
        raise ConfigError(f"{output}: is a file; give a folder for --to c")
    for path in (output / f"{name}.h", output / f"{name}.c"):
        header = output / f"{name}.h"
        if overwrite or not path.exists():
            continue
        try:
            is_ours = f" * {_digest_line(original)}\n" in header.read_text("utf-8")
        except (OSError, UnicodeDecodeError):
            is_ours = False
        if not is_ours:
            raise ConfigError(
                f"{path}: exists and is not an export of this model; choose another folder or "
                "--name, or replace it with --overwrite"
            )
