import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from earmark.config import load_config
from earmark.data import dataset as dataset_module
from earmark.data.content import Clip
from earmark.data.dataset import AudioDataset, HeldFrames
from earmark.data.device_frames import DeviceFrames
from earmark.features.store import ClipKey
from earmark.features.windows import WindowGrid, cut_window
from earmark.system.runtime import DeviceDescription

CPU = torch.device("cpu")


@given(st.lists(st.integers(1, 20), min_size=1, max_size=5), st.integers(1, 12), st.data())
def test_windows_cut_on_a_device_are_those_of_the_store(lengths, window_frames, data):
    rng = np.random.default_rng(0)
    clips = [rng.normal(-40, 20, (length, 3)).astype(np.float16) for length in lengths]
    chosen = data.draw(st.lists(st.integers(0, len(clips) - 1), min_size=1, max_size=6))
    starts = [data.draw(st.integers(0, lengths[one] - 1)) for one in chosen]
    cut = DeviceFrames.of(clips, CPU).cut(np.array(chosen), np.array(starts), window_frames)
    expected = [
        cut_window(clips[one], start, window_frames)
        for one, start in zip(chosen, starts, strict=True)
    ]
    np.testing.assert_array_equal(cut[:, 0].numpy(), np.stack(expected))
    assert cut.is_contiguous()


def _dataset(crops):
    rng = np.random.default_rng(1)
    keys = [ClipKey(f"{number:032x}") for number in range(4)]
    frames = {
        key: rng.normal(-40, 20, (length, 40)).astype(np.float16)
        for key, length in zip(keys, (30, 51, 120, 260), strict=True)
    }
    config = load_config(settings=["augment.time_stretch=0.2"])
    clips = [Clip(str(number), key, (number % 2,)) for number, key in enumerate(keys)]
    held = HeldFrames(config.features, frames)
    return AudioDataset(held, clips, WindowGrid(51, 0.5), crops=config if crops else None)


@pytest.mark.parametrize("crops", [True, False])
@pytest.mark.parametrize(("memory", "is_held"), [(1 << 30, True), (1000, False), (None, False)])
def test_frames_are_held_where_they_fit_and_the_batches_stay_the_same(
    monkeypatch, crops, memory, is_held
):
    description = DeviceDescription("cuda", memory, has_bfloat16=True)
    monkeypatch.setattr(dataset_module, "describe_device", lambda _: description)
    plain, held = _dataset(crops), _dataset(crops)
    held.hold(CPU)
    if is_held:
        # Read once, never again.
        monkeypatch.setattr(held, "_frames", None)
    for epoch in (1, 2):
        for one in (plain, held):
            one.set_epoch(epoch)
        indices = list(range(len(plain)))[::-1]
        for ours, theirs in zip(held.batch(indices), plain.batch(indices), strict=True):
            assert torch.equal(ours, theirs)
