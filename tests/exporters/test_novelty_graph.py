import numpy as np
import onnxruntime
import pytest
from onnx import helper

from earmark.exporters.novelty_graph import novelty_graph
from earmark.exporters.onnx_graph import IR_VERSION, OPSET
from earmark.tasks.novelty import fit_novelty
from earmark.tasks.task import BINARY, MULTI_CLASS, MULTI_LABEL


@pytest.mark.parametrize("task", [BINARY, MULTI_CLASS, MULTI_LABEL], ids=lambda task: task.name)
def test_the_operators_give_the_scores_of_python_near_and_far(task, rng):
    labels = 2 if task is BINARY else 4
    outputs = task.num_outputs(labels)
    targets = np.eye(labels)[np.arange(200) % labels]
    # Classes that vary differently, far from the origin, where single precision is coarse.
    spread = targets @ np.geomspace(1, 20, labels)
    embeddings = 100 + 10 * targets @ rng.normal(size=(labels, 12))
    embeddings += spread[:, None] * rng.normal(size=(200, 12))
    embeddings = embeddings.astype(np.float32)
    logits = rng.normal(0, 3, (200, outputs)).astype(np.float32)
    novelty = fit_novelty(embeddings, logits, targets, task)
    assert novelty.scales.max() > 2 * novelty.scales.min()
    model = helper.make_model(
        novelty_graph(novelty),
        opset_imports=[helper.make_opsetid("", OPSET)],
        ir_version=IR_VERSION,
    )
    session = onnxruntime.InferenceSession(
        model.SerializeToString(), providers=["CPUExecutionProvider"]
    )
    for distance in (1, 100):
        inputs = {"embedding": distance * embeddings, "logits": distance * logits}
        (found,) = session.run(None, inputs)
        expected = novelty.score(inputs["embedding"], inputs["logits"])
        np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-5)
