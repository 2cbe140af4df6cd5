"""Both exported graphs and PyTorch, side by side: seconds for sounds of several lengths.

``python benchmarks/onnx_graphs.py [--model NAME]``

From samples to probabilities: the graph that takes the waveform; the log-mel graph behind the numpy
front end, which is what ``predict`` runs; and the same in PyTorch. Weights are random, which costs
the same.
"""

import argparse
from functools import partial

import numpy as np
import torch

from earmark.config import load_config
from earmark.exporters.graph_form import GraphForm
from earmark.exporters.onnx_graph import build_graph, network_graph
from earmark.features.windows import crop_frames
from earmark.inference.classifier import Classifier
from earmark.inference.onnx_backend import WAVEFORM, read_onnx, start_session
from earmark.inference.torch_backend import TorchBackend
from earmark.models.checkpoint import new_network
from earmark.models.spec import ModelSpec
from machine import describe_machine, fastest_seconds

SECONDS = (1, 10, 60, 600)


def main() -> None:
    """Prints a row for each length."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", default="audio_cnn")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--rounds", type=int, default=5)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    config = load_config(settings=[f"model.name={arguments.model}"])
    spec = ModelSpec(config, ("music", "speech"), crop_frames(config))
    network = new_network(spec).eval()
    graph = network_graph(network, spec)
    whole = build_graph(graph, spec, GraphForm(), {}).SerializeToString()
    inner = build_graph(graph, spec, GraphForm("log-mel"), {}).SerializeToString()
    session = start_session(whole, "waveform", arguments.threads)
    in_onnx = Classifier(*read_onnx(inner, "log-mel", arguments.threads))
    in_torch = Classifier(spec, TorchBackend(network, torch.device("cpu")))
    print(describe_machine("torch", "onnxruntime", "numpy", "scipy"))
    print(
        f"{arguments.model}, threads: {arguments.threads}, fastest of {arguments.rounds} rounds\n"
    )
    print("| seconds of sound | waveform graph, ms | log-mel graph, ms | PyTorch, ms |")
    print("|---|---|---|---|")
    for seconds in SECONDS:
        sound = _sound(seconds)
        work = (
            partial(session.run, None, {WAVEFORM: sound[None]}),
            partial(in_onnx.predict, sound),
            partial(in_torch.predict, sound),
        )
        cells = [f"{fastest_seconds(one, arguments.rounds) * 1e3:.1f}" for one in work]
        print(f"| {seconds} | {' | '.join(cells)} |")


def _sound(seconds: int) -> np.ndarray:
    return np.random.default_rng(0).normal(0, 0.1, seconds * 16_000).astype(np.float32)


if __name__ == "__main__":
    main()
