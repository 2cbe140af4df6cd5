"""The networks of a cross-validation compared with the classical baseline, over all folds."""

import numpy as np

from earmark.config import Config
from earmark.evaluation.baselines import ClassicalComparison
from earmark.evaluation.classical_baseline import ClassicalPredictions
from earmark.evaluation.metrics.intervals import ClusterBootstrap
from earmark.evaluation.metrics.significance import compare_several
from earmark.tasks.task import MULTI_LABEL
from earmark.training.cross_validation.result import CrossValidation


def compare_folds(found: CrossValidation, config: Config) -> ClassicalComparison:
    """The predictions of every seed against those of the one baseline, on the clips of all.

    Args:
        found: The cross-validation. Clips count that the baseline and every seed predict.
        config: Settings of the bootstrap, and the recipe of the networks.
    """
    fitted = {
        one.clips: one.classical
        for one in found.results
        if one.classical and not one.classical.reason
    }
    hits = {
        name: hit
        for clips, classical in fitted.items()
        for name, hit in zip(clips, classical.correct, strict=True)
    }
    seeds = sorted(found.seed_scores)
    names = [
        name for name, each in found.by_clip.items() if name in hits and len(each) == len(seeds)
    ]
    if not names:
        return ClassicalComparison(reason=_reason(found))
    networks = np.array([[one.is_correct for one in found.by_clip[name]] for name in names]).T
    settings = config.evaluate
    bootstrap = ClusterBootstrap(
        [found.clips[name].group_or_name for name in names],
        *(settings.resamples, settings.seed, settings.confidence),
    )
    largest = max(fitted.values(), key=lambda one: one.num_available)
    return ClassicalComparison(
        paired=compare_several(networks, np.array([hits[name] for name in names]), bootstrap),
        num_networks=len(seeds),
        maps=_maps(found, fitted),
        num_train_clips=largest.num_train_clips,
        num_available=largest.num_available,
        recipe=config.recipe.name,
    )


def _reason(found: CrossValidation) -> str:
    reasons = (one.classical.reason for one in found.results if one.classical)
    return next(filter(None, reasons), "no fold of the first seed was tested")


def _maps(
    found: CrossValidation, fitted: dict[tuple[str, ...], ClassicalPredictions]
) -> tuple[float | None, float | None] | None:
    """Mean average precision over all clips: the mean of the seeds, and that of the baseline."""
    if found.task is not MULTI_LABEL:
        return None
    known = [
        value
        for one in found.seed_scores.values()
        if one.ranks and (value := one.ranks.mean_average_precision) is not None
    ]
    logits = tuple(row for one in fitted.values() for row in one.logits)
    pooled = ClassicalPredictions(logits=logits)
    clips = [found.clips[name] for names in fitted for name in names]
    mean = sum(known) / len(known) if known else None
    return mean, pooled.mean_average_precision(clips, found.labels)
