"""Front end and pooling in a graph equal those of a prediction."""

import numpy as np
import onnx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import helper

from earmark.config import load_config
from earmark.exporters.front_end_graph import front_end_graph
from earmark.exporters.onnx_graph import IR_VERSION, OPSET, pooling_graph
from earmark.features.log_mel import LogMel, extract_blocks
from earmark.features.windows import cut_window, window_starts
from earmark.inference.onnx_backend import LOG_MEL, LOGITS, WAVEFORM, start_session
from earmark.models.spec import ModelSpec
from earmark.tasks.pooling import clip_logits
from earmark.tasks.task import BINARY, TASKS

FRONT_ENDS = (
    [],
    ["features.n_fft=600", "features.win_length=400", "features.power=1.0", "predict.overlap=0.5"],
    ["features.hop_length=1200", "features.mel_scale=htk", "features.mel_norm=none"],
)


def session(graph):
    opset = [helper.make_opsetid("", OPSET)]
    model = helper.make_model(graph, opset_imports=opset, ir_version=IR_VERSION)
    onnx.checker.check_model(model, full_check=True)
    return start_session(model.SerializeToString(), "test")


def make_spec(task=BINARY, texts=(), labels=("a", "b"), temperature=1.0):
    return ModelSpec(load_config(settings=texts), labels, 51, task, temperature=temperature)


@pytest.mark.parametrize("texts", FRONT_ENDS, ids=["default", "half overlap", "long hops"])
def test_windows_are_those_of_a_prediction(rng, texts):
    spec = make_spec(texts=texts)
    front_end, log_mel = session(front_end_graph(spec)), LogMel(spec.config.features)
    for num_samples in (1600, 8000, 16_000, 16_320, 16_321, 50_000, 100_000):
        sounds = rng.normal(0, 0.1, (2, num_samples)).astype(np.float32)
        expected = []
        for sound in sounds:
            frames = extract_blocks([sound], log_mel).frames
            starts = window_starts(len(frames), 51, spec.config.predict.overlap)
            expected += [cut_window(frames, start, 51) for start in starts]
        (windows,) = front_end.run([LOG_MEL], {WAVEFORM: sounds})
        # A few values lie where rounding to float16 may go either way.
        np.testing.assert_allclose(windows[:, 0], expected, rtol=0, atol=0.07)
        assert (windows[:, 0] == expected).mean() > 0.98


def test_silence_is_at_the_floor():
    (windows,) = session(front_end_graph(make_spec())).run(
        None, {WAVEFORM: np.zeros((1, 16_000), np.float32)}
    )
    np.testing.assert_array_equal(windows, np.full((1, 1, 40, 51), -100.0))


@pytest.mark.parametrize("pooling", ["mean", "max", "attention"])
@pytest.mark.parametrize("task", TASKS.values(), ids=TASKS)
def test_pooling_gives_the_probabilities_of_a_prediction(task, pooling):
    labels = ("a", "b") if task is BINARY else ("a", "b", "c")
    spec = make_spec(task, [f"predict.pooling={pooling}"], labels, temperature=1.7)
    graph = session(pooling_graph(spec))

    @settings(max_examples=25)
    @given(st.integers(1, 3), st.integers(1, 9), st.floats(0.1, 40), st.integers(0, 99))
    def check(num_clips, num_windows, scale, seed):
        shape = (num_clips * num_windows, spec.num_outputs)
        logits = np.random.default_rng(seed).normal(0, scale, shape).astype(np.float32)
        clips = np.repeat(np.arange(num_clips), num_windows)
        pooled = clip_logits(logits, clips, task=task, pooling=pooling)
        sounds = np.zeros((num_clips, 1600), np.float32)
        (probabilities,) = graph.run(None, {WAVEFORM: sounds, LOGITS: logits})
        # ONNX has no expm1, which the weights of nearly certain windows need for their last digits.
        np.testing.assert_allclose(probabilities, spec.rule.decide(pooled).probabilities, atol=1e-5)

    check()
