"""The verb `export`, and the table of what a model can be exported to."""

from collections.abc import Mapping
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Protocol, TypedDict, Unpack, runtime_checkable

from earmark.errors import ConfigError, needs_extra

if TYPE_CHECKING:
    from earmark.data.manifest import Manifest

GraphInput = Literal["waveform", "log-mel"]


class ExportOptions(TypedDict, total=False):
    """Options of `export`; which ones a target takes is in `TARGETS`, and all take the last two.

    Args:
        takes: Input of the graph: ``waveform``, with the front end inside, by default; or
            ``log-mel``, the network alone.
        static: Fix all shapes: batches of one waveform that is as long as a window, or of one
            window.
        seconds: Fix all shapes for one waveform of this length.
        quantize: ``int8``: convolutions and products in 8-bit integers.
        data: Recordings to calibrate quantization with (those of the training split) and to
            measure its cost on (validation); by default those of the run folder.
        store: Folder of their features; the shared one by default.
        max_accuracy_drop: Largest drop in validation accuracy by quantization; 0.01 by default.
        name: Of files and functions in C; ``model`` by default.
        verify: Whether code in C is compiled and compared with the original, as by default.
        runtime: Where the runtime of a page is, see `earmark.exporters.web.runtime.find_runtime`.
        licence: Licence of the weights, for the metadata; by default what an exported model
            states.
        overwrite: Replace the output, whatever it is.
    """

    takes: GraphInput
    static: bool
    seconds: float
    quantize: Literal["int8"]
    data: "Path | str | Manifest"
    store: Path | str
    max_accuracy_drop: float
    name: str
    verify: bool
    runtime: Path | str
    licence: str
    overwrite: bool


@runtime_checkable
class ExportResult(Protocol):
    """What was written; its ``repr`` is the line that the command prints."""

    @property
    def path(self) -> Path:
        """The file or folder."""
        ...

    def to_dict(self) -> dict[str, Any]:
        """The document that ``export --json`` prints."""
        ...


@runtime_checkable
class Export(Protocol):
    """Writes a model as the files of a target."""

    def __call__(self, model: Path | str, output: Path, options: ExportOptions) -> ExportResult:
        """Writes them.

        Args:
            model: As for `export`.
            output: The file or folder to write.
            options: Those that were given, of the ones that the target takes.
        """
        ...


@dataclass(frozen=True)
class Target:
    """A kind of output.

    Args:
        function: Module below `earmark.exporters` and name of an `Export`, imported when it is
            used.
        options: Those that it takes besides `COMMON_OPTIONS`.
        suffixes: Endings of the names of outputs that mean this target.
    """

    function: tuple[str, str]
    options: tuple[str, ...] = ()
    suffixes: tuple[str, ...] = ()

    def load(self) -> Export:
        """Imports its function."""
        module, name = self.function
        return getattr(import_module(f"earmark.exporters.{module}"), name)


COMMON_OPTIONS = ("licence", "overwrite")
DEFAULT_TARGET = "onnx"
TARGETS: Mapping[str, Target] = {
    DEFAULT_TARGET: Target(
        ("onnx", "export_onnx"),
        ("takes", "static", "seconds", "quantize", "data", "store", "max_accuracy_drop"),
        (".onnx",),
    ),
    "c": Target(
        ("c.export", "export_c"),
        ("name", "verify", "quantize", "data", "store", "max_accuracy_drop"),
    ),
    "web": Target(("web.export", "export_web"), ("runtime",)),
}
COMMAND_LINE_NAMES = {"takes": "input", "verify": "no-verify"}
"""Options that have another name on the command line."""


def export(
    model: Path | str,
    output: Path | str,
    *,
    to: str | None = None,
    **options: Unpack[ExportOptions],
) -> ExportResult:
    """Exports a model to files that need neither PyTorch nor earmark.

    They are written only if their outputs match those of the original. An earlier export of the
    same weights is replaced.

    Args:
        model: A run folder, a ``.safetensors`` or ``.onnx`` file, or the name of a model inside
            the package.
        output: The file or folder to write.
        to: One of `TARGETS`; by default the one that the suffix of the output means, or ``onnx``.
        options: See `ExportOptions`.

    Raises:
        CheckpointError: The model cannot be opened.
        ConfigError: The target is unknown or does not take an option; or the output has the wrong
            suffix, or is something else.
        ExportError: The outputs differ from those of the original; nothing is written.

    Example:
        >>> export("run", "model.onnx")  # doctest: +SKIP
        model.onnx: 70,274 bytes, takes waveform, opset 18; differs by up to 1.9e-06
        >>> export("run", "model.pt")
        Traceback (most recent call last):
        earmark.errors.ConfigError: model.pt: the name of an exported model must end in .onnx
    """
    path = Path(output)
    name = to or _target_of(path)
    if name not in TARGETS:
        raise ConfigError(f"--to {name}: unknown; choose {' or '.join(TARGETS)}")
    target = TARGETS[name]
    allowed = (*target.options, *COMMON_OPTIONS)
    for option in options:
        if option not in allowed:
            raise ConfigError(
                f"{_flag(option)}: not an option of --to {name}, which takes "
                f"{', '.join(map(_flag, allowed))}"
            )
    with needs_extra("export"):
        return target.load()(model, path, options)


def _target_of(output: Path) -> str:
    suffix = output.suffix.lower()
    meant = (name for name, target in TARGETS.items() if suffix in target.suffixes)
    return next(meant, DEFAULT_TARGET)


def _flag(option: str) -> str:
    return f"--{COMMAND_LINE_NAMES.get(option, option).replace('_', '-')}"
