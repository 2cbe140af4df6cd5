from dataclasses import replace

import pytest
import torch

from earmark.errors import CheckpointError
from earmark.evaluation.loaded_model import LoadedModel
from earmark.system.runtime import Runtime


def test_the_network_has_the_weights_of_the_checkpoint_and_is_in_evaluation_mode(tested):
    assert not tested.model.network.training
    assert tested.model.spec is tested.checkpoint.spec
    for name, weights in tested.model.network.state_dict().items():
        assert torch.equal(weights, tested.checkpoint.model[name]), name


def test_one_process_shares_the_network_but_not_the_batches(tested):
    one_of_two = LoadedModel.build(tested.checkpoint, Runtime(torch.device("cpu"), 1, 2))
    alone = one_of_two.in_one_process
    assert (alone.runtime.rank, alone.runtime.world_size) == (0, 1)
    assert alone.network is one_of_two.network


def test_weights_that_do_not_fit_are_refused(tested):
    with pytest.raises(CheckpointError):
        LoadedModel.build(replace(tested.checkpoint, model={}), tested.runtime)
