"""What int8 costs: accuracy, log-loss and size of models, quantized in several ways.

``python benchmarks/quantization.py MODEL DATA --store STORE``

``static`` is what ``export --quantize int8`` does. All are measured on the validation clips of
DATA, and calibrated with its training clips; no test recording is read. ``ms`` is the processor
time of the network for a window, and ``temperature`` the one that would calibrate its logits best.
"""

import argparse
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
import onnx
from onnx import helper
from onnxruntime import quantization

from earmark.exporters.accuracy_cost import measure_cost
from earmark.exporters.graph_form import GraphForm
from earmark.exporters.onnx_graph import IR_VERSION, OPSET, build_graph
from earmark.exporters.original import open_original
from earmark.exporters.quantization import CALIBRATION_WINDOWS, QUANTIZED, quantize_network
from earmark.exporters.validation import read_clips
from earmark.inference.onnx_backend import read_onnx
from machine import describe_machine

Quantize = Callable[[onnx.GraphProto, np.ndarray], onnx.GraphProto]


def static(**options: Any) -> Quantize:
    """As the export does, with other options of the quantizer."""

    def quantize(network: onnx.GraphProto, windows: np.ndarray) -> onnx.GraphProto:
        plain = quantization.quantize_static

        def changed(*arguments: Any, **given: Any) -> None:
            plain(*arguments, **{**given, **options})

        with mock.patch.object(quantization, "quantize_static", changed):
            return quantize_network(network, windows)

    return quantize


def dynamic(network: onnx.GraphProto, windows: np.ndarray) -> onnx.GraphProto:
    """Weights in int8, activations with a scale for each batch."""
    opsets = [helper.make_opsetid("", OPSET)]
    model = helper.make_model(network, opset_imports=opsets, ir_version=IR_VERSION)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "quantized.onnx")
        quantization.quantize_dynamic(
            *(model, path),
            op_types_to_quantize=list(QUANTIZED),
            per_channel=True,
            weight_type=quantization.QuantType.QInt8,
        )
        return onnx.load(path).graph


WAYS: dict[str, Quantize] = {
    "float": lambda network, windows: network,
    "static": static(),
    "static, one scale a tensor": static(per_channel=False),
    "static, least to largest": static(calibrate_method=quantization.CalibrationMethod.MinMax),
    "dynamic": dynamic,
}


def main() -> None:
    """Prints a row for each way."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("model")
    parser.add_argument("data", type=Path)
    parser.add_argument("--store", type=Path)
    arguments = parser.parse_args()
    original = open_original(arguments.model)
    clips = read_clips(arguments.model, original.spec, arguments.data, arguments.store)
    windows = clips.sample_windows(CALIBRATION_WINDOWS)
    many = np.concatenate([windows] * 4)
    print(describe_machine("onnxruntime"))
    print(f"{arguments.model}, {len(clips.validation)} validation clips\n")
    print("| network | kB | accuracy | log-loss | other decisions | temperature | ms |")
    print("|---|---|---|---|---|---|---|")
    for name, quantize in WAYS.items():
        network = quantize(original.network(), windows)
        content = build_graph(network, original.spec, GraphForm("log-mel"), {}).SerializeToString()
        _, backend = read_onnx(content, name, num_threads=1)
        cost = measure_cost(original.backend, backend, clips)
        started_at = time.process_time()
        backend(many)
        milliseconds = (time.process_time() - started_at) / len(many) * 1000
        print(
            f"| {name} | {len(content) / 1000:.0f} | {cost.after.accuracy:.1%} | "
            f"{cost.after.log_loss:.4f} | {cost.num_changed} | {cost.after.temperature:.3f} | "
            f"{milliseconds:.2f} |"
        )


if __name__ == "__main__":
    main()
