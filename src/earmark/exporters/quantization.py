"""Weights and activations of a network in 8-bit integers."""

import contextlib
import io
import logging
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnx.utils
from onnx import helper
from onnxruntime import quantization

from earmark.data.manifest import Manifest
from earmark.errors import ConfigError
from earmark.exporters.accuracy_cost import MAX_ACCURACY_DROP, AccuracyCost, measure_cost
from earmark.exporters.onnx_graph import IR_VERSION, OPSET
from earmark.exporters.original import Original
from earmark.exporters.targets import ExportOptions
from earmark.exporters.validation import read_clips
from earmark.inference.onnx_backend import EMBEDDING, LOG_MEL, LOGITS
from earmark.system.numbers import counted
from earmark.system.shapes import Float32

logger = logging.getLogger(__name__)

CALIBRATION_WINDOWS = 512
BATCH = 32
QUANTIZED = ("Conv", "Gemm", "MatMul")


@dataclass(frozen=True)
class Quantization:
    """How a network is quantized.

    Args:
        scheme: ``int8``.
        data: Recordings; by default those of the run folder.
        store: Folder of the feature store; the shared one by default.
        max_accuracy_drop: Largest drop in validation accuracy.
    """

    scheme: str = "int8"
    data: Path | str | Manifest | None = None
    store: Path | None = None
    max_accuracy_drop: float = MAX_ACCURACY_DROP

    @classmethod
    def of(cls, options: ExportOptions) -> "Quantization | None":
        """The one that options name; None for none.

        Raises:
            ConfigError: One is unknown or does not fit the others.
        """
        scheme = options.get("quantize")
        drop = options.get("max_accuracy_drop", MAX_ACCURACY_DROP)
        if scheme is None:
            for name in ("data", "store", "max_accuracy_drop"):
                if name in options:
                    raise ConfigError(
                        f"--{name.replace('_', '-')}: is for --quantize; leave it out"
                    )
            return None
        if scheme != "int8":
            raise ConfigError(f"--quantize {scheme}: unknown; choose int8")
        # NaN fails this comparison as well.
        if not 0 <= drop <= 1:
            raise ConfigError(f"--max-accuracy-drop {drop:g}: give a fraction from 0 to 1")
        store = options.get("store")
        return cls(scheme, options.get("data"), Path(store) if store else None, drop)


def quantize_original(
    model: Path | str, original: Original, quantization: Quantization
) -> tuple[Original, AccuracyCost]:
    """The model with a quantized network, and what that costs.

    Args:
        model: As for `earmark.exporters.targets.export`.
        original: The same, opened.
        quantization: How.

    Raises:
        ConfigError: The model is quantized already; or as `read_clips`.
        DataError: As `read_clips`.
    """
    if original.quantization:
        raise ConfigError(f"--quantize: {model} is quantized already; leave it out")
    clips = read_clips(model, original.spec, quantization.data, quantization.store)
    logger.info(
        f"quantizing with {counted(len(clips.training), 'training clip')}, measuring the cost on "
        f"{counted(len(clips.validation), 'validation clip')}"
    )
    network = quantize_network(original.network(), clips.sample_windows(CALIBRATION_WINDOWS))
    quantized = original.with_network(network)
    return quantized, measure_cost(original.backend, quantized.backend, clips)


def quantize_network(
    network: onnx.GraphProto, windows: Float32[np.ndarray, "windows mels frames"]
) -> onnx.GraphProto:
    """The network with its convolutions and products in 8-bit integers.

    Weights have a scale for each output channel, activations one each, which covers 99.999% of the
    values in the given windows. Pairs of standard operators (``QuantizeLinear``,
    ``DequantizeLinear``) mark them, so that any runtime computes the same up to rounding. Input,
    outputs, everything between and the novelty score stay float.

    Args:
        network: From windows of log-mel frames to logits and more.
        windows: Real ones, from recordings like those that will be predicted.
    """
    names = [one.name for one in network.output]
    kept = [name for name in (LOGITS, EMBEDDING) if name in names]
    whole = helper.make_model(
        network, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=IR_VERSION
    )
    inner = onnx.utils.Extractor(whole).extract_model([LOG_MEL], kept)
    with tempfile.TemporaryDirectory() as folder, _without_messages():
        path = Path(folder, "quantized.onnx")
        quantization.quantize_static(
            *(inner, path, _Windows(windows)),
            quant_format=quantization.QuantFormat.QDQ,
            op_types_to_quantize=list(QUANTIZED),
            per_channel=True,
            calibrate_method=quantization.CalibrationMethod.Percentile,
            activation_type=quantization.QuantType.QInt8,
            weight_type=quantization.QuantType.QInt8,
        )
        quantized = onnx.load(path).graph
    # What follows the logits and embeddings: the novelty score.
    made = {name for node in inner.graph.node for name in node.output}
    rest = [node for node in network.node if not made.intersection(node.output)]
    held = {one.name for one in quantized.initializer}
    used = {name for node in rest for name in node.input} - held
    return helper.make_graph(
        [*quantized.node, *rest],
        network.name,
        network.input,
        network.output,
        [*quantized.initializer, *(one for one in network.initializer if one.name in used)],
    )


class _Windows(quantization.CalibrationDataReader):
    def __init__(self, windows: Float32[np.ndarray, "windows mels frames"]) -> None:
        # The quantizer takes batches of one size only.
        whole = max(len(windows) // BATCH * BATCH, min(len(windows), BATCH))
        starts = range(0, whole, BATCH)
        self._batches = iter([windows[start : start + BATCH, None] for start in starts])

    def get_next(self) -> Any:
        batch = next(self._batches, None)
        return None if batch is None else {LOG_MEL: batch}


@contextlib.contextmanager
def _without_messages() -> Iterator[None]:
    """Hides what the quantizer logs and prints: advice, and what it does."""
    level = logging.root.level
    logging.root.setLevel(logging.ERROR)
    try:
        with contextlib.redirect_stdout(io.StringIO()):
            yield
    finally:
        logging.root.setLevel(level)
