import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from earmark.config import AugmentConfig
from earmark.data.dataset import Batch
from earmark.training.augment.augment import Augment
from earmark.training.augment.base import BatchShape
from earmark.training.augment.frequency_warp import FrequencyWarp
from earmark.training.augment.level import Filter, Gain, Noise
from earmark.training.augment.masks import Mask
from earmark.training.augment.mixing import FreqMixStyle, Mixup
from earmark.training.augment.time import Roll, Shorten, TimeStretch

OFF = AugmentConfig(time_stretch=0.0, gain_db=0.0, noise=0.0, time_masks=0)
EVERYTHING = AugmentConfig(
    time_stretch=0.3,
    shortest=0.5,
    roll=1.0,
    frequency_warp=0.2,
    gain_db=6.0,
    filter_db=6.0,
    noise=0.5,
    mixup=0.5,
    freq_mixstyle=0.5,
    frequency_masks=1,
    time_masks=1,
)
AUGMENTATIONS = {
    "time_stretch": TimeStretch(0.3, 50),
    "shorten": Shorten(0.3),
    "roll": Roll(0.5),
    "frequency_warp": FrequencyWarp(0.2),
    "gain": Gain(6.0),
    "filter": Filter(6.0),
    "noise": Noise(1.0, 10.0),
    "mixup": Mixup(1.0, 1.0),
    "mixup by energy": Mixup(1.0, 1.0, by_energy=True),
    "freq_mixstyle": FreqMixStyle(1.0, 1.0),
    "frequency mask": Mask(2, 2, 0.3),
    "time mask": Mask(3, 2, 0.3),
}
each_augmentation = pytest.mark.parametrize(
    "augmentation", AUGMENTATIONS.values(), ids=AUGMENTATIONS
)


def batch_of(log_mel, targets):
    return Batch(log_mel, targets, torch.arange(len(log_mel)))


def windows(number=6, n_mels=40, num_frames=65, seed=0):
    generator = torch.Generator().manual_seed(seed)
    log_mel = torch.rand(number, 1, n_mels, num_frames, generator=generator) * 60 - 70
    return batch_of(log_mel, torch.eye(3)[torch.arange(number) % 3])


def drawn(augmentation, batch, seed=0):
    shape = BatchShape(len(batch.log_mel), *batch.log_mel.shape[2:])
    return augmentation.draw(np.random.default_rng(seed), shape)


def energy(log_mel):
    return torch.pow(10, log_mel / 10)


@each_augmentation
def test_the_same_seed_gives_the_same_windows_and_another_gives_others(augmentation):
    batch = windows()
    one, same, other = (
        augmentation.apply(batch, drawn(augmentation, batch, seed)) for seed in (0, 0, 1)
    )
    assert torch.equal(one.log_mel, same.log_mel)
    assert not torch.equal(one.log_mel, other.log_mel)


@each_augmentation
def test_the_draw_does_not_depend_on_the_values(augmentation):
    quiet, loud = windows(seed=1), windows(seed=2)
    for name, choice in drawn(augmentation, quiet).items():
        assert torch.equal(choice, drawn(augmentation, loud)[name])


@each_augmentation
def test_values_stay_finite_and_the_input_is_not_changed(augmentation):
    batch = windows()
    before = batch.log_mel.clone()
    after = augmentation.apply(batch, drawn(augmentation, batch))
    assert after.log_mel.isfinite().all()
    assert after.log_mel.dtype == torch.float32
    assert torch.equal(batch.log_mel, before)
    torch.testing.assert_close(after.targets.sum(dim=1), torch.ones(6))


def test_without_augmentation_the_batch_is_unchanged():
    batch = windows(num_frames=50)
    after = Augment(OFF, 50)(batch, np.random.default_rng(0))
    assert torch.equal(after.log_mel, batch.log_mel)
    assert torch.equal(after.targets, batch.targets)


def test_all_augmentations_together_give_windows_of_the_length_of_the_network():
    augment = Augment(EVERYTHING, 50)
    assert len(augment.augmentations) == 11
    assert EVERYTHING.source_frames(50) == 65
    after = augment(windows(num_frames=65), np.random.default_rng(0))
    assert after.log_mel.shape[:3] == (6, 1, 40)
    assert 25 <= after.log_mel.shape[3] <= 50
    assert after.log_mel.isfinite().all()


@settings(max_examples=30, deadline=None)
@given(st.floats(0.05, 4.0), st.integers(2, 80), st.integers(0, 9))
def test_time_stretch_is_a_linear_map_of_time_within_the_sound(amount, window_frames, seed):
    num_frames = math.ceil(window_frames * (1 + amount))
    ramp = torch.arange(float(num_frames)).expand(4, 1, 3, -1)
    augmentation = TimeStretch(amount, window_frames)
    batch = batch_of(ramp, torch.zeros(4, 2))
    choices = drawn(augmentation, batch, seed)
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


@settings(max_examples=30, deadline=None)
@given(st.floats(0.02, 1.0), st.integers(0, 20))
def test_shorten_crops_a_batch_to_one_length(least, seed):
    ramp = torch.arange(65.0).expand(4, 1, 3, -1)
    augmentation = Shorten(least)
    batch = batch_of(ramp, torch.zeros(4, 2))
    cut = augmentation.apply(batch, drawn(augmentation, batch, seed)).log_mel
    assert max(1, round(65 * least) - 1) <= cut.shape[3] <= 65
    assert torch.equal(cut.diff(dim=3), torch.ones_like(cut)[..., 1:])
    assert cut.min() >= 0
    assert cut.max() <= 64


def test_roll_moves_frames_and_keeps_them_all():
    batch = windows()
    augmentation = Roll(1.0)
    choices = drawn(augmentation, batch)
    rolled = augmentation.apply(batch, choices).log_mel
    for row, shift in enumerate(choices["shifts"]):
        frames = round(float(shift) * 65)
        assert torch.equal(rolled[row], batch.log_mel[row].roll(frames, dims=2))


def test_gain_is_one_number_a_window_within_its_bounds():
    batch = windows()
    change = Gain(6.0).apply(batch, drawn(Gain(6.0), batch)).log_mel - batch.log_mel
    assert change.abs().max() <= 6.0 + 1e-4
    assert change.std(dim=(1, 2, 3)).max() < 1e-4
    assert len(change[:, 0, 0, 0].unique()) == 6


def test_filter_is_a_smooth_curve_over_the_bands_the_same_for_every_frame():
    batch = windows()
    change = Filter(8.0).apply(batch, drawn(Filter(8.0), batch)).log_mel - batch.log_mel
    assert change.std(dim=3).max() < 1e-4
    assert 1.0 < change.abs().max() <= 8.0 + 1e-4
    assert change[..., 0].diff(dim=2).abs().max() <= 16.0 / (39 / 4) + 1e-4


def test_noise_has_the_ratio_that_was_drawn_and_only_adds():
    batch = batch_of(torch.full((400, 1, 40, 60), -40.0), torch.zeros(400, 2))
    augmentation = Noise(1.0, 0.0)
    choices = drawn(augmentation, batch)
    after = augmentation.apply(batch, choices).log_mel
    assert (after >= batch.log_mel - 1e-4).all()
    added = energy(after) - energy(batch.log_mel)
    expected = energy(choices["curves"] - 40.0)
    torch.testing.assert_close(added.mean(dim=3)[:, 0].mean(), expected.mean(), rtol=0.05, atol=0)


def test_noise_is_added_to_the_given_fraction_of_the_windows():
    batch = batch_of(torch.full((500, 1, 8, 4), -40.0), torch.zeros(500, 2))
    after = Noise(0.3, 0.0).apply(batch, drawn(Noise(0.3, 0.0), batch)).log_mel
    changed = (after != batch.log_mel).any(dim=3).any(dim=2).float().mean()
    assert changed == pytest.approx(0.3, abs=0.06)


def test_mixup_mixes_values_and_targets_in_the_same_ratio():
    batch = windows()
    augmentation = Mixup(1.0, 1.0)
    choices = drawn(augmentation, batch)
    after = augmentation.apply(batch, choices)
    for row, (partner, ratio) in enumerate(
        zip(choices["partners"], choices["ratios"], strict=True)
    ):
        assert 0.5 <= ratio <= 1.0
        for mixed, plain in zip(after[:2], batch[:2], strict=True):
            expected = ratio * plain[row] + (1 - ratio) * plain[partner]
            torch.testing.assert_close(mixed[row], expected)


def test_mixup_by_energy_adds_the_sounds_at_one_level():
    batch = windows()
    augmentation = Mixup(1.0, 1.0, by_energy=True)
    choices = drawn(augmentation, batch)
    mixed = energy(augmentation.apply(batch, choices).log_mel)
    level = energy(batch.log_mel).mean(dim=(1, 2, 3))
    for row, (partner, ratio) in enumerate(
        zip(choices["partners"], choices["ratios"], strict=True)
    ):
        own, other = ratio**2, (1 - ratio) ** 2
        partner_energy = energy(batch.log_mel[partner]) * level[row] / level[partner]
        expected = (own * energy(batch.log_mel[row]) + other * partner_energy) / (own + other)
        torch.testing.assert_close(mixed[row], expected, rtol=1e-3, atol=0)


def test_mixup_by_energy_keeps_all_labels_in_a_multi_label_task():
    batch = windows()
    mixed = Mixup(1.0, 1.0, by_energy=True, union=True)
    after = mixed.apply(batch, drawn(mixed, batch)).targets
    partners = drawn(mixed, batch)["partners"]
    assert torch.equal(after, torch.maximum(batch.targets, batch.targets[partners]))
    never = Mixup(0.0, 1.0, by_energy=True, union=True)
    assert torch.equal(never.apply(batch, drawn(never, batch)).targets, batch.targets)


def test_freq_mixstyle_mixes_the_statistics_of_bands_and_keeps_their_shape():
    batch = windows()
    augmentation = FreqMixStyle(1.0, 1.0)
    choices = drawn(augmentation, batch)
    after = augmentation.apply(batch, choices)
    ratio, partners = choices["ratios"][:, None, None], choices["partners"]
    means = batch.log_mel.mean(dim=3)
    expected = ratio * means + (1 - ratio) * means[partners]
    torch.testing.assert_close(after.log_mel.mean(dim=3), expected, rtol=1e-3, atol=1e-2)
    shapes = [
        (one - one.mean(dim=3, keepdim=True)) / one.std(dim=3, keepdim=True)
        for one in (after.log_mel, batch.log_mel)
    ]
    torch.testing.assert_close(*shapes, rtol=1e-2, atol=1e-2)
    assert torch.equal(after.targets, batch.targets)


@pytest.mark.parametrize("axis", [2, 3])
def test_masks_hide_runs_of_one_axis(axis):
    batch = windows(number=200)
    augmentation = Mask(axis, 1, 0.25)
    after = augmentation.apply(batch, drawn(augmentation, batch))
    masked = (after.log_mel != batch.log_mel)[:, 0]
    across = masked.all(dim=3 - axis + 1)
    assert torch.equal(across, masked.any(dim=3 - axis + 1))
    length = batch.log_mel.shape[axis]
    widths = across.sum(dim=1)
    assert widths.max() <= round(0.25 * length) + 1
    assert widths.float().mean() == pytest.approx(0.125 * length, rel=0.2)
    assert (across.int().diff(dim=1).abs().sum(dim=1) <= 2).all()
    means = batch.log_mel.mean(dim=(2, 3), keepdim=True).expand_as(batch.log_mel)
    torch.testing.assert_close(after.log_mel[:, 0][masked], means[:, 0][masked])


@settings(max_examples=30, deadline=None)
@given(st.floats(0.05, 4.0), st.integers(1, 80), st.integers(0, 9))
def test_frequency_warp_is_a_linear_map_of_the_bands_that_keeps_the_lowest(amount, n_mels, seed):
    ramp = torch.arange(float(n_mels))[:, None].expand(4, 1, -1, 3)
    batch = batch_of(ramp, torch.zeros(4, 2))
    choices = drawn(FrequencyWarp(amount), batch, seed)
    factors = choices["factors"]
    assert (factors <= 1 + amount + 1e-5).all()
    assert (factors >= 1 / (1 + amount) - 1e-5).all()
    wanted = (torch.arange(n_mels) / factors[:, None]).clamp(max=n_mels - 1)
    after = FrequencyWarp(amount).apply(batch, choices).log_mel
    torch.testing.assert_close(after, wanted[:, None, :, None].expand_as(after))
