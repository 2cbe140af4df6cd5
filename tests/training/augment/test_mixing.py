import torch

from earmark.training.augment.mixing import FreqMixStyle, Mixup


def test_mixup_mixes_values_and_targets_in_the_same_ratio(make):
    batch = make.windows()
    augmentation = Mixup(1.0, 1.0)
    choices = make.drawn(augmentation, batch)
    after = augmentation.apply(batch, choices)
    for row, (partner, ratio) in enumerate(
        zip(choices["partners"], choices["ratios"], strict=True)
    ):
        assert 0.5 <= ratio <= 1.0
        for mixed, plain in zip(after[:2], batch[:2], strict=True):
            expected = ratio * plain[row] + (1 - ratio) * plain[partner]
            torch.testing.assert_close(mixed[row], expected)


def test_mixup_by_energy_adds_the_sounds_at_one_level(make):
    batch = make.windows()
    augmentation = Mixup(1.0, 1.0, by_energy=True)
    choices = make.drawn(augmentation, batch)
    mixed = make.energy(augmentation.apply(batch, choices).log_mel)
    level = make.energy(batch.log_mel).mean(dim=(1, 2, 3))
    for row, (partner, ratio) in enumerate(
        zip(choices["partners"], choices["ratios"], strict=True)
    ):
        own, other = ratio**2, (1 - ratio) ** 2
        partner_energy = make.energy(batch.log_mel[partner]) * level[row] / level[partner]
        expected = (own * make.energy(batch.log_mel[row]) + other * partner_energy) / (own + other)
        torch.testing.assert_close(mixed[row], expected, rtol=1e-3, atol=0)


def test_mixup_by_energy_keeps_all_labels_in_a_multi_label_task(make):
    batch = make.windows()
    mixed = Mixup(1.0, 1.0, by_energy=True, union=True)
    after = mixed.apply(batch, make.drawn(mixed, batch)).targets
    partners = make.drawn(mixed, batch)["partners"]
    assert torch.equal(after, torch.maximum(batch.targets, batch.targets[partners]))
    never = Mixup(0.0, 1.0, by_energy=True, union=True)
    assert torch.equal(never.apply(batch, make.drawn(never, batch)).targets, batch.targets)


def test_freq_mixstyle_mixes_the_statistics_of_bands_and_keeps_their_shape(make):
    batch = make.windows()
    augmentation = FreqMixStyle(1.0, 1.0)
    choices = make.drawn(augmentation, batch)
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
