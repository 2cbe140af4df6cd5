import numpy as np
import pytest
import torch

from earmark.config import AugmentConfig
from earmark.training.augment.augment import Augment
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


@each_augmentation
def test_the_same_seed_gives_the_same_windows_and_another_gives_others(augmentation, make):
    batch = make.windows()
    one, same, other = (
        augmentation.apply(batch, make.drawn(augmentation, batch, seed)) for seed in (0, 0, 1)
    )
    assert torch.equal(one.log_mel, same.log_mel)
    assert not torch.equal(one.log_mel, other.log_mel)


@each_augmentation
def test_the_draw_does_not_depend_on_the_values(augmentation, make):
    quiet, loud = make.windows(seed=1), make.windows(seed=2)
    for name, choice in make.drawn(augmentation, quiet).items():
        assert torch.equal(choice, make.drawn(augmentation, loud)[name])


@each_augmentation
def test_values_stay_finite_and_the_input_is_not_changed(augmentation, make):
    batch = make.windows()
    before = batch.log_mel.clone()
    after = augmentation.apply(batch, make.drawn(augmentation, batch))
    assert after.log_mel.isfinite().all()
    assert after.log_mel.dtype == torch.float32
    assert torch.equal(batch.log_mel, before)
    torch.testing.assert_close(after.targets.sum(dim=1), torch.ones(6))


def test_without_augmentation_the_batch_is_unchanged(make):
    batch = make.windows(num_frames=50)
    after = Augment(OFF, 50)(batch, np.random.default_rng(0))
    assert torch.equal(after.log_mel, batch.log_mel)
    assert torch.equal(after.targets, batch.targets)


def test_all_augmentations_together_give_windows_of_the_length_of_the_network(make):
    augment = Augment(EVERYTHING, 50)
    assert len(augment.augmentations) == 11
    assert EVERYTHING.source_frames(50) == 65
    after = augment(make.windows(num_frames=65), np.random.default_rng(0))
    assert after.log_mel.shape[:3] == (6, 1, 40)
    assert 25 <= after.log_mel.shape[3] <= 50
    assert after.log_mel.isfinite().all()
