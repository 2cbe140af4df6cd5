import pytest
import torch

from earmark.training.augment.masks import Mask


@pytest.mark.parametrize("axis", [2, 3])
def test_masks_hide_runs_of_one_axis(axis, make):
    batch = make.windows(number=200)
    augmentation = Mask(axis, 1, 0.25)
    after = augmentation.apply(batch, make.drawn(augmentation, batch))
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
