import math

import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from earmark.training.augment.time import Roll, Shorten, TimeStretch


@settings(max_examples=30)
@given(st.floats(0.05, 4.0), st.integers(2, 80), st.integers(0, 9))
def test_time_stretch_is_a_linear_map_of_time_within_the_sound(make, amount, window_frames, seed):
    num_frames = math.ceil(window_frames * (1 + amount))
    ramp = torch.arange(float(num_frames)).expand(4, 1, 3, -1)
    augmentation = TimeStretch(amount, window_frames)
    batch = make.batch_of(ramp, torch.zeros(4, 2))
    choices = make.drawn(augmentation, batch, seed)
    stretched = augmentation.apply(batch, choices).log_mel[:, 0, 0]
    assert stretched.shape == (4, window_frames)
    assert stretched.min() >= 0
    assert stretched.max() <= num_frames - 1
    lengths = choices["lengths"]
    assert (lengths <= window_frames * (1 + amount) + 1e-3).all()
    assert (lengths >= min(window_frames / (1 + amount), num_frames) - 1e-3).all()
    steps = stretched.diff(dim=1)
    expected = ((lengths - 1) / (window_frames - 1))[:, None].clamp(min=0)
    torch.testing.assert_close(steps, expected.expand_as(steps), atol=1e-3, rtol=1e-3)


@settings(max_examples=30)
@given(st.floats(0.02, 1.0), st.integers(0, 20))
def test_shorten_crops_a_batch_to_one_length(make, least, seed):
    ramp = torch.arange(65.0).expand(4, 1, 3, -1)
    augmentation = Shorten(least)
    batch = make.batch_of(ramp, torch.zeros(4, 2))
    cut = augmentation.apply(batch, make.drawn(augmentation, batch, seed)).log_mel
    assert max(1, round(65 * least) - 1) <= cut.shape[3] <= 65
    assert torch.equal(cut.diff(dim=3), torch.ones_like(cut)[..., 1:])
    assert cut.min() >= 0
    assert cut.max() <= 64


def test_roll_moves_frames_and_keeps_them_all(make):
    batch = make.windows()
    augmentation = Roll(1.0)
    choices = make.drawn(augmentation, batch)
    rolled = augmentation.apply(batch, choices).log_mel
    for row, shift in enumerate(choices["shifts"]):
        frames = round(float(shift) * 65)
        assert torch.equal(rolled[row], batch.log_mel[row].roll(frames, dims=2))
