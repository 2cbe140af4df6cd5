"""Does a linear head on frozen vectors do as well here as in scikit-learn?

``python benchmarks/embedder_head.py DATA... --openwakeword FOLDER``

Each fold of a manifest is tested with `earmark train --embedder`, and with a logistic regression of
scikit-learn on the mean vector of each clip, on the same clips. FOLDER is an unpacked wheel of
openwakeword 0.4.0, which holds the speech embedding of Google as two graphs, put together here as
one from a waveform (Lin et al. 2020, arXiv:2002.01322). The weights are for research only.
"""

import argparse
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, compose, helper, numpy_helper
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from threadpoolctl import threadpool_limits

import earmark
from earmark.data.manifest import read_manifest
from earmark.features.embedder import EmbedderRequest, inspect_embedder
from earmark.inference.open_embedder import open_other_embedder
from earmark.training.cross_validation.run import Plan
from earmark.training.recipes.vectors import with_embedder
from machine import describe_machine

SAMPLE_RATE = 16_000
NUM_FRAMES, NUM_BANDS, DIMENSIONS = 76, 32, 96
NUM_SAMPLES = 512 + (NUM_FRAMES - 1) * 160
"""Of one window: that many frames of 32 ms, 10 ms apart."""
FULL_SCALE = 32_767.0


@dataclass(frozen=True)
class Clips:
    """The mean vector of each clip, its label and its fold."""

    vectors: np.ndarray
    labels: np.ndarray
    folds: np.ndarray


def main() -> None:
    """Prints a row for each manifest."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path, nargs="+", help="Manifests with folds.")
    parser.add_argument("--openwakeword", type=Path, required=True, metavar="FOLDER")
    parser.add_argument("--store", type=Path, help="Folder of the vectors.")
    parser.add_argument("--embedder", type=Path, default=Path("speech_embedding.onnx"))
    parser.add_argument("--epochs", type=int, default=100)
    arguments = parser.parse_args()
    print(describe_machine("scikit-learn", "onnxruntime", "torch"))
    write_embedder(arguments.openwakeword, arguments.embedder)
    print("\n| data | clips | earmark, head | scikit-learn, head | CPU s of the heads, each |")
    print("|---|---|---|---|---|")
    for data in arguments.data:
        print(_row(data, arguments.embedder, arguments.store, arguments.epochs), flush=True)


def _row(data: Path, embedder: Path, store: Path | None, epochs: int) -> str:
    request = EmbedderRequest(embedder)
    config = earmark.load_config(settings=[f"train.epochs={epochs}"])
    config = with_embedder(config, inspect_embedder(request))
    # So that the vectors are there before the clock starts.
    earmark.prepare(data, config, store=store)
    started_at = time.process_time()
    found = earmark.cross_validate(data, Plan(num_workers=1), config, store=store)
    ours, seconds = found.to_dict()["accuracy"], time.process_time() - started_at
    clips = embed_clips(data, request)
    started_at = time.process_time()
    with threadpool_limits(1):
        theirs = float(np.mean(predict_folds(clips) == clips.labels))
    cells = (
        data.stem,
        f"{len(clips.labels):,}",
        f"{100 * ours:.1f}%",
        f"{100 * theirs:.1f}%",
        f"{seconds:.0f}, {time.process_time() - started_at:.0f}",
    )
    return f"| {' | '.join(cells)} |"


def embed_clips(data: Path, request: EmbedderRequest) -> Clips:
    """The mean vector of each clip of a manifest.

    Args:
        data: With folds.
        request: The embedder.
    """
    recordings = read_manifest(data).recordings
    embedder = open_other_embedder(request).embedder
    vectors = [one.embeddings.vectors.mean(axis=0) for one in _embedded(embedder, recordings)]
    labels = np.array([one.labels[0] for one in recordings])
    return Clips(np.stack(vectors), labels, np.array([str(one.fold) for one in recordings]))


def _embedded(embedder, recordings: Sequence) -> Sequence:
    return list(embedder.embed_many([one.path for one in recordings]))


def predict_folds(clips: Clips) -> np.ndarray:
    """The label of each clip, by a regression on the clips of the other folds."""
    predicted = np.empty_like(clips.labels)
    for fold in np.unique(clips.folds):
        is_tested = clips.folds == fold
        model = make_pipeline(StandardScaler(), LogisticRegression(C=0.01, max_iter=2000))
        model.fit(clips.vectors[~is_tested], clips.labels[~is_tested])
        predicted[is_tested] = model.predict(clips.vectors[is_tested])
    return predicted


def write_embedder(folder: Path, output: Path) -> None:
    """Writes one graph from waveforms (1, samples) to vectors.

    Args:
        folder: With the two graphs, anywhere in it.
        output: The ``.onnx`` file.
    """
    mel, network = (
        compose.add_prefix(onnx.load(next(folder.rglob(f"{name}.onnx"))), f"{name}/")
        for name in ("melspectrogram", "embedding_model")
    )
    before = [
        helper.make_node("Mul", ["waveform", "full_scale"], [mel.graph.input[0].name]),
    ]
    between = [
        helper.make_node("Mul", [mel.graph.output[0].name, "tenth"], ["scaled"]),
        helper.make_node("Add", ["scaled", "two"], ["raised"]),
        helper.make_node("Reshape", ["raised", "windows"], [network.graph.input[0].name]),
    ]
    after = [
        helper.make_node("Reshape", [network.graph.output[0].name, "rows"], ["embedding"]),
    ]
    tables = {
        "full_scale": np.float32(FULL_SCALE),
        "tenth": np.float32(0.1),
        "two": np.float32(2.0),
        "windows": np.array([-1, NUM_FRAMES, NUM_BANDS, 1]),
        "rows": np.array([-1, DIMENSIONS]),
    }
    graph = helper.make_graph(
        [*before, *mel.graph.node, *between, *network.graph.node, *after],
        "speech_embedding",
        [helper.make_tensor_value_info("waveform", TensorProto.FLOAT, [1, NUM_SAMPLES])],
        [helper.make_tensor_value_info("embedding", TensorProto.FLOAT, [1, DIMENSIONS])],
        [
            *mel.graph.initializer,
            *network.graph.initializer,
            *(numpy_helper.from_array(np.asarray(values), name) for name, values in tables.items()),
        ],
    )
    model = helper.make_model(graph, opset_imports=mel.opset_import, ir_version=mel.ir_version)
    facts = {"sample_rate": str(SAMPLE_RATE), "licence": "CC-BY-NC-SA-4.0"}
    helper.set_model_props(model, facts)
    onnx.save(model, output)


if __name__ == "__main__":
    main()
