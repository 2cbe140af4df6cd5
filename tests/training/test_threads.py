import numpy as np
import pytest
import torch

from earmark.config import load_config
from earmark.data.content import Clip
from earmark.data.dataset import AudioDataset, HeldFrames
from earmark.features.store import ClipKey
from earmark.features.windows import WindowGrid
from earmark.models.checkpoint import new_network
from earmark.models.run_folder import RunFolder
from earmark.models.spec import ModelSpec
from earmark.system.runtime import Runtime
from earmark.training import head_start, threads
from earmark.training.optimizer import make_objective
from earmark.training.threads import choose_num_threads, settle_threads
from earmark.training.train import train

SMALL = (
    "recipe.name=classic",
    *(f"model.blocks.{one}.channels=4" for one in range(4)),
    "evaluate.baseline=false",
)
CPU = Runtime(torch.device("cpu"))
MANY_STEPS = 100_000


class Clock:
    """A step that takes a given time with each number of threads, on a clock of its own."""

    def __init__(self, monkeypatch, seconds):
        self.now, self.calls, self._seconds = 0.0, [], seconds
        monkeypatch.setattr(threads.time, "perf_counter", lambda: self.now)

    def __call__(self):
        number = torch.get_num_threads()
        self.calls.append(number)
        self.now += self._seconds[number]


@pytest.mark.parametrize(
    ("seconds", "limit", "expected"),
    [
        # Idle, a large network; a small one; a busy machine.
        ({1: 0.2, 2: 0.11}, 2, 2),
        ({1: 0.017, 2: 0.014}, 2, 1),
        ({1: 0.05, 2: 0.4}, 2, 1),
        # Doubled until it no longer pays, up to all.
        ({1: 0.8, 2: 0.4, 4: 0.3, 8: 0.29}, 8, 4),
        ({1: 0.8, 2: 0.4, 4: 0.2, 6: 0.15}, 6, 6),
        ({1: 0.8, 2: 0.1}, 1, 1),
    ],
)
def test_more_threads_are_used_where_they_are_clearly_faster(monkeypatch, seconds, limit, expected):
    before = torch.get_num_threads()
    assert choose_num_threads(Clock(monkeypatch, seconds), MANY_STEPS, limit) == expected
    assert torch.get_num_threads() == before


def test_a_short_training_is_not_measured(monkeypatch):
    step = Clock(monkeypatch, {1: 0.01, 2: 0.001})
    assert choose_num_threads(step, num_steps=100, limit=2) == 1
    assert set(step.calls) == {1}


def test_slow_steps_are_measured_a_few_times_and_fast_ones_more_often(monkeypatch):
    counts = []
    for scale in (1.0, 0.01):
        step = Clock(monkeypatch, {1: 0.5 * scale, 2: 0.5 * scale})
        choose_num_threads(step, MANY_STEPS, limit=2)
        counts.append(len(step.calls))
    assert counts[0] < counts[1] <= 20


@pytest.mark.parametrize(
    ("refit", "processors", "threads_of_torch", "expected"),
    [
        ("false", 1, 2, 1),
        ("false", 2, 1, 1),
        ("false", 8, 8, 8),
        # The other half is for the other training.
        ("true", 8, 8, 4),
        ("true", 3, 3, 1),
        ("true", 1, 1, 1),
    ],
)
def test_no_more_threads_than_processors_that_a_training_may_use(
    monkeypatch, refit, processors, threads_of_torch, expected
):
    spec, dataset, objective = _training(f"train.refit={refit}")
    seen = []
    monkeypatch.setattr(head_start, "default_num_workers", lambda: processors)
    monkeypatch.setattr(head_start.torch, "get_num_threads", lambda: threads_of_torch)
    monkeypatch.setattr(threads, "choose_num_threads", lambda *args: seen.append(args[-1]) or 1)
    settle_threads(spec, dataset, objective, CPU, None)
    assert seen == [expected]


def test_measuring_leaves_the_random_numbers_and_the_windows_as_they_were(monkeypatch):
    monkeypatch.setattr(threads, "SHORT_SECONDS", 0.0)
    spec, dataset, objective = _training()
    indices = range(len(dataset))
    state, windows = torch.get_rng_state(), dataset.batch(indices).log_mel
    settled = settle_threads(spec, dataset, objective, CPU, None)
    assert settled.config.train.num_threads in (1, torch.get_num_threads())
    assert torch.equal(torch.get_rng_state(), state)
    assert torch.equal(dataset.batch(indices).log_mel, windows)


def test_what_is_given_or_recorded_is_not_measured(monkeypatch):
    monkeypatch.setattr(threads, "choose_num_threads", None)
    spec, dataset, objective = _training("train.num_threads=3")
    assert settle_threads(spec, dataset, objective, CPU, 2).config.train.num_threads == 3
    spec, *_ = _training()
    assert settle_threads(spec, dataset, objective, CPU, 2).config.train.num_threads == 2
    for runtime in (Runtime(torch.device("cpu"), world_size=2), Runtime(torch.device("cuda"))):
        assert settle_threads(spec, dataset, objective, runtime, None) is spec


def _training(*settings):
    config = load_config(settings=[*SMALL, "train.batch_size=4", *settings])
    frames = np.random.default_rng(0).normal(-40, 9, (60, 40)).astype(np.float16)
    keys = [ClipKey(f"{number:032x}", 0, 1) for number in range(4)]
    held = HeldFrames(config.features, dict.fromkeys(keys, frames))
    clips = [Clip(str(number), key, (number % 2,)) for number, key in enumerate(keys)]
    spec = ModelSpec(config, ("a", "b"), 51)
    new_network(spec)
    dataset = AudioDataset(held, clips, WindowGrid(51), crops=config)
    return spec, dataset, make_objective(spec, dataset.window_targets, None, CPU)


@pytest.fixture
def train_run(tmp_path, sound_folder):
    def run(*settings, **options):
        config = load_config(settings=[*SMALL, "train.crop_seconds=0.5", *settings])
        train(
            *(sound_folder, tmp_path / "run", config),
            device=CPU,
            store=tmp_path / "store",
            **options,
        )
        return load_config(tmp_path / "run" / "config.toml").train.num_threads

    return run


def test_a_run_keeps_the_number_of_threads_that_it_began_with(train_run, monkeypatch, tmp_path):
    seen, before = [], torch.get_num_threads()
    monkeypatch.setattr("earmark.training.threads.choose_num_threads", lambda *_: 2)

    def note(job, state):
        from earmark.training.epochs import run_epochs

        seen.append(torch.get_num_threads())
        run_epochs(job, state)

    monkeypatch.setattr("earmark.training.fitting.run_epochs", note)
    constant = ("train.lr_schedule=constant", "train.warmup_fraction=0.0")
    assert train_run("train.epochs=1", *constant) == 2
    monkeypatch.setattr("earmark.training.threads.choose_num_threads", lambda *_: 1)
    assert train_run("train.epochs=2", *constant) == 2
    # More epochs, and other threads, are no other run.
    assert train_run("train.epochs=2", "train.num_threads=1", *constant) == 1
    assert RunFolder(tmp_path / "run").recorded_threads == 1
    assert train_run("train.epochs=1", "train.num_threads=2", overwrite=True) == 2
    assert train_run("train.epochs=1", overwrite=True) == 1
    assert seen == [2, 2, 1, 2, 1]
    assert torch.get_num_threads() == before
