import pytest
import torch

from earmark.training.augment.level import Filter, Gain, Noise


def test_gain_is_one_number_a_window_within_its_bounds(make):
    batch = make.windows()
    change = Gain(6.0).apply(batch, make.drawn(Gain(6.0), batch)).log_mel - batch.log_mel
    assert change.abs().max() <= 6.0 + 1e-4
    assert change.std(dim=(1, 2, 3)).max() < 1e-4
    assert len(change[:, 0, 0, 0].unique()) == 6


def test_filter_is_a_smooth_curve_over_the_bands_the_same_for_every_frame(make):
    batch = make.windows()
    change = Filter(8.0).apply(batch, make.drawn(Filter(8.0), batch)).log_mel - batch.log_mel
    assert change.std(dim=3).max() < 1e-4
    assert 1.0 < change.abs().max() <= 8.0 + 1e-4
    assert change[..., 0].diff(dim=2).abs().max() <= 16.0 / (39 / 4) + 1e-4


def test_noise_has_the_ratio_that_was_drawn_and_only_adds(make):
    batch = make.batch_of(torch.full((400, 1, 40, 60), -40.0), torch.zeros(400, 2))
    augmentation = Noise(1.0, 0.0)
    choices = make.drawn(augmentation, batch)
    after = augmentation.apply(batch, choices).log_mel
    assert (after >= batch.log_mel - 1e-4).all()
    added = make.energy(after) - make.energy(batch.log_mel)
    expected = make.energy(choices["curves"] - 40.0)
    torch.testing.assert_close(added.mean(dim=3)[:, 0].mean(), expected.mean(), rtol=0.05, atol=0)


def test_noise_is_added_to_the_given_fraction_of_the_windows(make):
    batch = make.batch_of(torch.full((500, 1, 8, 4), -40.0), torch.zeros(500, 2))
    after = Noise(0.3, 0.0).apply(batch, make.drawn(Noise(0.3, 0.0), batch)).log_mel
    changed = (after != batch.log_mel).any(dim=3).any(dim=2).float().mean()
    assert changed == pytest.approx(0.3, abs=0.06)
