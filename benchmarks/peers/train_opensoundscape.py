"""opensoundscape with the arguments that `CNN` and `CNN.train` have by default.

A resnet18 on spectrograms of 2 s at 32 kHz, which its quick start chooses, 1,000 steps of 64 clips,
AdamW, its augmentations, validation ten times on the way, the best of these tested. Its weights
from ImageNet are fetched from the network; here the same network begins from random weights.
A file is cut into clips; the mean of their probabilities decides. Where 99 of
100 files are shorter than 2 s, clips are as long as these.

Training is under autocast to bfloat16 whatever `use_amp` says, which is slow on many processors:
two steps with it and two without are timed, and the faster way is taken. When 1,000 steps would
take more than the cap, there are as many as fit; the schedule and the validations are spread over
them. Clips of digital silence do not train: its random gain, which keeps a least level, makes them
NaN, and they the weights.
"""

import math
import os
import random
import time
from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
import soundfile
import torch
from compiled_parts import do_without_compiled_parts
from job import Facts, Job, Rows, run_job, versions_of

STEPS, VALIDATIONS = 1000, 10
SAMPLE_RATE, CLIP_SECONDS = 32_000, 2.0
TIMED_STEPS = 2
SPARE = 1.3
"""Validations and the test take this many times what the steps alone do, at most."""
_autocast = torch.autocast


def train(job: Job) -> tuple[Mapping[str, str], Facts]:
    """Times a few steps, trains and predicts."""
    do_without_compiled_parts()
    os.chdir(job.out)
    seconds = _clip_seconds(job)
    clips = _clips_with_sound(_one_hot(job.read("train"), job.labels()), seconds)
    taken = {way: _seconds_per_step(job, clips, seconds, way) for way in (True, False)}
    autocast = taken[True] < taken[False]
    left = job.cap_seconds - time.process_time()
    steps = min(STEPS, max(VALIDATIONS, int(left / (SPARE * taken[autocast]))))
    _choose_autocast(autocast)
    model = _make_model(job, seconds)
    model.lr_scheduler_params["kwargs"]["max_steps"] = steps
    model.train(
        clips,
        _one_hot(job.read("validation"), job.labels()),
        steps=steps,
        validation_interval=steps // VALIDATIONS,
        progress_bar=False,
    )
    facts = Facts(
        network="resnet18",
        parameters=sum(one.numel() for one in model.network.parameters()),
        front_end=f"32 kHz, 257 bands, clips of {seconds:.1f} s",
        length=f"{steps} of {STEPS} steps of 64, autocast {'on' if autocast else 'off'} "
        f"({taken[True]:.1f} s a step on, {taken[False]:.1f} s off)",
        versions=versions_of("opensoundscape", "torch"),
    )
    return _predict(model, job.read("test")), facts


def _clip_seconds(job: Job) -> float:
    durations = [soundfile.info(path).duration for path, _ in job.read("train")]
    return min(CLIP_SECONDS, math.ceil(10 * np.percentile(durations, 99)) / 10)


def _choose_autocast(enabled: bool) -> None:
    """The package names no setting for this, so PyTorch is told."""
    if enabled:
        torch.autocast = _autocast
    else:
        torch.autocast = lambda device_type, dtype: _autocast(device_type, dtype, enabled=False)


def _make_model(job: Job, seconds: float) -> Any:
    from opensoundscape import CNN

    for seeded in (random.seed, np.random.seed, torch.manual_seed):
        seeded(job.seed)
    return CNN(
        architecture="resnet18",
        classes=job.labels(),
        sample_duration=seconds,
        sample_rate=SAMPLE_RATE,
        single_target=True,
        arch_weights=None,
    )


def _seconds_per_step(job: Job, clips: pd.DataFrame, seconds: float, autocast: bool) -> float:
    """Processor time of a step of a model that is thrown away; the first one warms up."""
    _choose_autocast(autocast)
    model = _make_model(job, seconds)
    model.verbose = 0
    ends = []
    step = model.training_step

    def timed(*args: object, **kwargs: object) -> torch.Tensor:
        loss = step(*args, **kwargs)
        ends.append(time.process_time())
        return loss

    model.training_step = timed
    model.save = lambda *_, **__: None
    model.train(
        clips, clips.iloc[:1], steps=1 + TIMED_STEPS, progress_bar=False, reload_best_at_end=False
    )
    return (ends[-1] - ends[0]) / TIMED_STEPS


def _one_hot(rows: Rows, labels: list[str]) -> pd.DataFrame:
    table = [[float(label == one) for one in labels] for _, label in rows]
    return pd.DataFrame(
        table, index=pd.Index([path for path, _ in rows], name="file"), columns=labels
    )


def _clips_with_sound(rows: pd.DataFrame, seconds: float) -> pd.DataFrame:
    """A row a clip instead of a file, without those of digital silence."""
    from opensoundscape.utils import make_clip_df

    clips = make_clip_df(rows, clip_duration=seconds)
    kept = clips[[_has_sound(*one) for one in clips.index]]
    print(f"{len(clips) - len(kept)} of {len(clips)} clips are digital silence and do not train")
    return kept


def _has_sound(path: str, start: float, end: float) -> bool:
    rate = soundfile.info(path).samplerate
    samples, _ = soundfile.read(path, start=round(start * rate), stop=round(end * rate))
    return bool(np.any(samples))


def _predict(model: Any, rows: Rows) -> Mapping[str, str]:
    scores = model.predict(
        [path for path, _ in rows], activation_layer="softmax", batch_size=64, progress_bar=False
    )
    return scores.groupby(level="file").mean().idxmax(axis=1).to_dict()


if __name__ == "__main__":
    run_job(train, __doc__)
