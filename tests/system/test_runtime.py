import contextlib

import pytest
import torch

from earmark.system.runtime import Runtime, pick_precision

CPU = torch.device("cpu")


def test_the_precision_is_the_named_one():
    assert pick_precision("float32", CPU) is torch.float32
    assert pick_precision("bfloat16", CPU) is torch.bfloat16


@pytest.mark.parametrize("has_it", [True, False])
def test_auto_takes_bfloat16_where_the_processor_has_it(monkeypatch, has_it):
    monkeypatch.setattr("torch.cpu._is_avx512_bf16_supported", lambda: has_it)
    assert pick_precision("auto", CPU) is (torch.bfloat16 if has_it else torch.float32)
    assert pick_precision("auto", torch.device("mps")) is torch.float32


def test_one_process_has_no_gradients_to_gather():
    context = Runtime(CPU).sync_gradients(torch.nn.Linear(1, 1), now=False)
    assert isinstance(context, contextlib.nullcontext)
