import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from earmark.training.augment.frequency_warp import FrequencyWarp


@settings(max_examples=30)
@given(st.floats(0.05, 4.0), st.integers(1, 80), st.integers(0, 9))
def test_frequency_warp_maps_the_bands_linearly_and_keeps_the_lowest(make, amount, n_mels, seed):
    ramp = torch.arange(float(n_mels))[:, None].expand(4, 1, -1, 3)
    batch = make.batch_of(ramp, torch.zeros(4, 2))
    choices = make.drawn(FrequencyWarp(amount), batch, seed)
    factors = choices["factors"]
    assert (factors <= 1 + amount + 1e-5).all()
    assert (factors >= 1 / (1 + amount) - 1e-5).all()
    wanted = (torch.arange(n_mels) / factors[:, None]).clamp(max=n_mels - 1)
    after = FrequencyWarp(amount).apply(batch, choices).log_mel
    torch.testing.assert_close(after, wanted[:, None, :, None].expand_as(after))
