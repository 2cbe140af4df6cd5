"""The score of novelty of a trained model, fitted once, to its best weights."""

import logging
from dataclasses import replace
from functools import partial

from earmark.data.dataset import AudioDataset
from earmark.data.loaders import OrderedLoader
from earmark.evaluation.evaluate import embedding_logits, window_embeddings
from earmark.features.windows import WindowGrid
from earmark.models.architectures.registry import AudioModel
from earmark.models.checkpoint import load_checkpoint
from earmark.models.spec import ModelSpec
from earmark.system.runtime import Runtime, place
from earmark.tasks.false_alarms import MIN_SCORES, KnownScores, keep_scores
from earmark.tasks.novelty import Novelty, fit_novelty
from earmark.tasks.pooling import pool_novelty
from earmark.training.state import Job

logger = logging.getLogger(__name__)

MAX_WINDOWS = 20_000
"""Training windows, about, that the score is fitted to; more change it little."""


def add_novelty(job: Job) -> None:
    """Fits the score to the best weights in the run folder, and stores it with them.

    The classes come from the training clips, without augmentation; what is usual for sound like
    them from the validation clips, on which they are less close; a refit, which has none, keeps
    what its first training has measured. Weights that have their score stay as they are.
    """
    runtime = job.runtime
    best = runtime.from_main(partial(load_checkpoint, job.run.best))
    if best.novelty is not None:
        return
    network = place(best.build(), runtime.device)
    novelty = fit_classes(network, job.loaders.train.dataset, best.spec, runtime)
    known = best.spec.known_scores
    if job.loaders.validation is not None:
        known = measure_known(network, job.loaders.validation, novelty, runtime)
        if len(known.clips) < MIN_SCORES:
            logger.info(
                f"note: {len(known.clips)} validation clips are too few to know what is unlike "
                f"training, so predictions never abstain for it; {MIN_SCORES} are needed"
            )
    if runtime.is_main:
        spec = replace(best.spec, known_scores=known)
        replace(best, spec=spec, novelty=novelty).save(job.run.best)
    runtime.wait()


def fit_classes(
    network: AudioModel, training: AudioDataset, spec: ModelSpec, runtime: Runtime
) -> Novelty:
    """The score of a network, from its embeddings of training clips.

    Args:
        network: With its final weights.
        training: The training clips; the windows are those of prediction.
        spec: What the network needs besides its weights.
        runtime: Where to compute.
    """
    grid = WindowGrid(spec.window_frames, spec.config.predict.overlap)
    lengths = [training.store.num_frames(clip.key) for clip in training.clips]
    num_windows = sum(len(grid.starts(length)) for length in lengths)
    # Sorted by label, so that each keeps its fraction.
    order = sorted(range(len(lengths)), key=lambda index: training.clips[index].targets)
    kept = sorted(order[:: max(1, num_windows // MAX_WINDOWS)])
    windows = AudioDataset(
        training.store,
        [training.clips[index] for index in kept],
        grid,
        num_labels=len(spec.labels),
    )
    embeddings = window_embeddings(network, OrderedLoader(windows, runtime), runtime)
    logits = embedding_logits(network, embeddings)
    return fit_novelty(embeddings, logits, windows.window_targets, spec.task)


def measure_known(
    network: AudioModel, validation: OrderedLoader, novelty: Novelty, runtime: Runtime
) -> KnownScores:
    """The scores of validation clips and of their windows.

    Args:
        network: With its final weights.
        validation: The validation clips.
        novelty: The score.
        runtime: Where to compute.
    """
    embeddings = window_embeddings(network, validation, runtime)
    windows = novelty.score(embeddings, embedding_logits(network, embeddings))
    clips = pool_novelty(windows, validation.dataset.window_clips)
    return KnownScores(keep_scores(clips), keep_scores(windows))
