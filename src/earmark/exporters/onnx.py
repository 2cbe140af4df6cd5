"""Export to ONNX: a graph is written only if its outputs match those of the original."""

import json
import logging
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import onnx

from earmark.errors import ConfigError, ExportError
from earmark.exporters.accuracy_cost import AccuracyCost
from earmark.exporters.graph_form import INPUTS, GraphForm, input_sizes
from earmark.exporters.onnx_graph import OPSET, build_graph
from earmark.exporters.original import (
    LICENCE,
    QUANTIZATION,
    WEIGHTS_DIGEST,
    Original,
    open_original,
    read_metadata,
)
from earmark.exporters.parity import TOLERANCE, Parity, compare_outputs
from earmark.exporters.quantization import Quantization, quantize_original
from earmark.exporters.targets import ExportOptions
from earmark.inference.classifier import Classifier
from earmark.inference.onnx_backend import read_onnx, start_session
from earmark.models.spec import ModelSpec
from earmark.system.files import atomic_write

logger = logging.getLogger(__name__)


@dataclass(frozen=True, repr=False)
class Exported:
    """An exported model.

    Args:
        path: The file.
        form: What its graph takes.
        spec: Of the model.
        num_bytes: Size of the file.
        parity: The comparison with the original, or with the quantized network.
        quantized: What quantization has cost; None without it.

    Example:
        >>> from earmark.config import Config
        >>> spec = ModelSpec(Config(), ("music", "speech"), window_frames=51)
        >>> Exported(Path("a.onnx"), GraphForm(), spec, 70_000, Parity(17, 2e-6, 1e-4))
        a.onnx: 70,000 bytes, takes waveform (batch, samples), opset 18; differs by up to 2.0e-06
    """

    path: Path
    form: GraphForm
    spec: ModelSpec
    num_bytes: int
    parity: Parity
    quantized: "Quantized | None" = None

    def to_dict(self) -> dict[str, Any]:
        """The document that ``export --json`` prints."""
        return {
            "path": str(self.path),
            "takes": self.form.takes,
            "shape": self.form.shape(self.spec),
            "opset": OPSET,
            "num_bytes": self.num_bytes,
            **asdict(self.parity),
            **({"quantization": asdict(self.quantized)} if self.quantized else {}),
        }

    def __repr__(self) -> str:
        line = (
            f"{self.path}: {self.num_bytes:,} bytes, takes {self.form.describe(self.spec)}, opset "
            f"{OPSET}; differs by up to {self.parity.largest_difference:.1e}"
        )
        return f"{line}\n{self.quantized}" if self.quantized else line


@dataclass(frozen=True)
class Quantized:
    """What quantization has done.

    Args:
        scheme: ``int8``.
        num_bytes_before: Size of the same file without it.
        cost: In accuracy and log-loss.
    """

    scheme: str
    num_bytes_before: int
    cost: AccuracyCost

    def __str__(self) -> str:
        return f"{self.scheme}: {self.num_bytes_before:,} bytes without; {self.cost}"


def export_onnx(model: Path | str, output: Path, options: ExportOptions) -> Exported:
    """Exports a model to one ``.onnx`` file.

    Before it is written, the outputs are compared with those of the original on noise and real
    recordings from 0.1 s to 10 minutes; those of a quantized network with its own, and its
    accuracy with the original's. An earlier export of the same weights in the same form is
    replaced.

    Args:
        model: As for `earmark.exporters.targets.export`.
        output: The ``.onnx`` file to write.
        options: For the form see `GraphForm`, for ``quantize`` see `Quantization`.

    Raises:
        CheckpointError: The model cannot be opened.
        ConfigError: The name of the output does not end in ``.onnx``, or another file has it; or
            an option is unknown or does not fit the others.
        DataError: There are no validation recordings to quantize with.
        ExportError: A probability differs by more than `TOLERANCE`, or quantization costs too much
            accuracy; nothing is written.
    """
    if output.suffix.lower() != ".onnx":
        raise ConfigError(f"{output}: the name of an exported model must end in .onnx")
    form, quantization = GraphForm.of(options), Quantization.of(options)
    original = open_original(model)
    if not options.get("overwrite"):
        _refuse_other_file(output, original, form, is_quantized=quantization is not None)
    logger.info("exporting, and comparing the outputs with those of the original")
    licence = options.get("licence") or original.licence
    origin = {LICENCE: licence, WEIGHTS_DIGEST: original.weights_digest}
    quantized = None
    if quantization is not None:
        num_bytes = len(_content(original, form, origin))
        original, cost = quantize_original(model, original, quantization)
        cost.refuse_drop(output, quantization.max_accuracy_drop)
        quantized = Quantized(quantization.scheme, num_bytes, cost)
        original = replace(original, quantization=json.dumps(asdict(quantized)))
    content = _content(original, form, origin)
    parity = _require_parity(output, content, original, form)
    atomic_write(output, content)
    return Exported(output, form, original.spec, len(content), parity, quantized)


def _content(original: Original, form: GraphForm, origin: dict[str, str]) -> bytes:
    more = {QUANTIZATION: original.quantization} if original.quantization else {}
    graph = build_graph(original.network(), original.spec, form, {**origin, **more})
    return graph.SerializeToString()


def _require_parity(path: Path, content: bytes, original: Original, form: GraphForm) -> Parity:
    """Compares a graph with its original.

    Raises:
        ExportError: They differ.
    """
    exported = Classifier(*read_onnx(content, str(path)))
    session = start_session(content, str(path)) if form.takes == "waveform" else None
    parity = compare_outputs(original.reference, exported, session)
    # Not ">", which is false for NaN.
    if not parity.largest_difference <= TOLERANCE:
        raise ExportError(
            f"{path}: not written: exported outputs differ from the original's by up to "
            f"{parity.largest_difference:.2g} (limit {TOLERANCE:g}); report it"
        )
    return parity


def _refuse_other_file(
    path: Path, original: Original, form: GraphForm, *, is_quantized: bool
) -> None:
    """Refuses to replace anything but an export of the same weights in the same form."""
    if not path.exists():
        return
    try:
        file = onnx.load(path, load_external_data=False)
    except Exception as error:  # noqa: BLE001 - whatever it is, it stays
        reason = getattr(error, "strerror", None) or "is not an ONNX file"
        raise _other_file(path, f"exists and {reason}") from None
    metadata = read_metadata(file)
    if metadata.get(WEIGHTS_DIGEST) != original.weights_digest:
        raise _other_file(path, "exists and is not an export of this model")
    (found,) = (one.name for one in file.graph.input)
    sizes = tuple(one if isinstance(one, int) else None for one in form.shape(original.spec))
    if found != INPUTS[form.takes] or input_sizes(file.graph) != sizes:
        raise _other_file(path, f"exists and takes another input, {found}")
    if (QUANTIZATION in metadata) != (is_quantized or bool(original.quantization)):
        other = "quantized" if QUANTIZATION in metadata else "not quantized"
        raise _other_file(path, f"exists and is {other}")


def _other_file(path: Path, why: str) -> ConfigError:
    return ConfigError(f"{path}: {why}; choose another name, or replace it with --overwrite")
