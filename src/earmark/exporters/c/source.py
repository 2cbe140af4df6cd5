"""The header and the source of a model, from templates and tables."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from earmark.exporters.c.front_end import FrontEnd, front_end_tables
from earmark.exporters.c.layers import Sizes, network_sizes, network_tables
from earmark.exporters.c.network import Network
from earmark.exporters.c.schedule import plan_memory
from earmark.exporters.c.text import array, floats, number, read_template, render, text
from earmark.exporters.description import least_samples
from earmark.features.levels import LOWEST_DB
from earmark.features.log_mel import FLOOR
from earmark.models.spec import ModelSpec

_SOURCES = ("front_end.c", "operators.c", "network.c", "decision.c")
_SMALLEST_POWER = 1e-20
"""That of `LOWEST_DB`."""


@dataclass(frozen=True)
class Source:
    """C text without the comments at the top.

    Args:
        header: Template of the header, filled but for ``@comment@``.
        source: The same of the source.
        state_bytes: Size of the state of a clip, on any processor.
    """

    header: str
    source: str
    state_bytes: int

    def with_comment(self, header: str, source: str) -> "Source":
        """The whole text."""
        return replace(
            self,
            header=self.header.replace("@comment@", header, 1),
            source=self.source.replace("@comment@", source, 1),
        )


def write_source(spec: ModelSpec, network: Network, name: str) -> Source:
    """The code of a model.

    Args:
        spec: Everything that it needs besides its weights.
        network: Its layers.
        name: Of the files, and the beginning of all public names.
    """
    tables, plan, sizes = (
        front_end_tables(spec.config.features),
        plan_memory(network),
        network_sizes(network),
    )
    values = {
        "comment": "@comment@",
        "name": name,
        **_sizes(spec, network, sizes),
        "column_values": plan.num_values,
        **_decision(spec, network),
        "tables": "\n\n".join(
            [
                *_front_end_texts(tables),
                *network_tables(network, plan),
                *_novelty_texts(network),
                floats("thresholds", np.array(spec.thresholds)) if spec.thresholds else "",
            ]
        ).strip(),
    }
    conditions = _conditions(spec, network, tables)
    source = "".join(map(read_template, ("tables.c", *_SOURCES)))
    return Source(
        render(read_template("model.h"), conditions, values, name),
        render(source, conditions, values, name),
        _state_bytes(values),
    )


def _state_bytes(values: Mapping[str, Any]) -> int:
    """The sum of the fields of the state, all of 4 bytes but the frames."""
    frames = 2 * values["window_frames"] * values["n_mels"]
    counts = ("column", "summary", "scratch")
    singles = values["n_fft"] + sum(values[f"{name}_values"] for name in counts)
    singles += values["num_tensors"] + values["num_layers"] + 3 * values["num_outputs"]
    # The counters, the level and the novelty.
    singles += 8
    return 4 * singles + (frames + 3) // 4 * 4


def _sizes(spec: ModelSpec, network: Network, sizes: Sizes) -> dict[str, object]:
    features = spec.config.features
    return {
        "sample_rate": features.sample_rate,
        "num_labels": len(spec.labels),
        "least_samples": least_samples(spec),
        "n_fft": features.n_fft,
        "n_mels": features.n_mels,
        "window_frames": spec.window_frames,
        "num_outputs": spec.num_outputs,
        "num_layers": len(network.layers),
        "num_tensors": len(network.tensors),
        "summary_values": sizes.summary,
        "scratch_values": max(2 * features.n_fft, sizes.column, sizes.embedding),
        "embedding_values": sizes.embedding,
        "most_taps": sizes.taps,
        "win_length": features.win_length,
        "window_first": (features.n_fft - features.win_length) // 2,
        "hop_length": features.hop_length,
        "window_step": spec.step_frames(),
        "half_power": number(features.power / 2.0),
        "decibel_scale": number(20.0 / features.power / math.log(10.0)),
        "floor_power": number(10.0 ** (_floor_db(features.power) / 10.0)),
    }


def _floor_db(power: float) -> float:
    # Rounded as frames are.
    return float(np.float16(20.0 / power * np.log10(FLOOR)))


def _decision(spec: ModelSpec, network: Network) -> dict[str, object]:
    rule = spec.rule
    silence = 10.0 ** (rule.silence_db / 10.0) if rule.silence_db > LOWEST_DB else 0.0
    below = "((difference) < 0.0f ? 0.0f : 1.0f)" if rule.pooling == "max" else "expf(difference)"
    facts: dict[str, object] = {
        "labels": ", ".join(map(text, spec.labels)),
        "weight_type": "float" if network.classifier.scales is None else "signed char",
        "temperature": number(spec.temperature),
        "min_probability": number(rule.min_probability),
        "silence_power": number(silence),
        "silence_label": rule.silence_label,
        "background": rule.background,
        "max_novelty": number(rule.max_novelty),
        "weight_below": below,
    }
    if network.novelty:
        facts["novelty_directions"] = len(network.novelty["directions"])
        facts["novelty_centers"] = len(network.novelty["centers"])
        facts["novelty_rest"] = number(float(network.novelty["rest"]))
    return facts


def _front_end_texts(tables: FrontEnd) -> list[str]:
    bands = (f"{{{first}, {count}}}" for first, count in tables.bands)
    return [
        array("uint16_t factors", map(str, tables.factors)),
        floats("turns", tables.turns),
        floats("window", tables.window),
        array("uint16_t band_bins[][2]", bands).replace("[][2][]", "[][2]"),
        floats("band_weights", tables.band_weights),
        floats("level_weights", tables.level_weights),
    ]


def _novelty_texts(network: Network) -> list[str]:
    names = ("shift", "directions", "factors", "centers", "places", "weights", "usual")
    if not network.novelty:
        return []
    # A network may have one channel, and so no directions.
    return [
        floats(f"novelty_{name}", network.novelty[name])
        if network.novelty[name].size
        else f"static const float novelty_{name}[1] = {{0.0f}};"
        for name in names
    ]


def _conditions(spec: ModelSpec, network: Network, tables: FrontEnd) -> set[str]:
    operators = {layer.operator for layer in network.layers}
    steps = {step.kind for layer in network.layers for step in layer.steps}
    quantized = network.classifier.scales is not None
    facts: Mapping[str, bool] = {
        "radix_4": 4 in tables.factors,
        "radix_other": any(factor != 4 for factor in tables.factors),
        "energy": spec.config.features.power == 2.0,
        "other_power": spec.config.features.power != 2.0,
        "conv": "convolve" in operators,
        "depthwise": "convolve_depthwise" in operators,
        "convolution": bool(operators & {"convolve", "convolve_depthwise"}),
        "max_pool": "pool_max" in operators,
        "band_mean": "average_rows" in operators,
        "add": "add" in operators,
        "no_add": "add" not in operators,
        "pooled": any(layer.pool is not None for layer in network.layers),
        "relu": "relu" in steps,
        "silu": "silu" in steps,
        "affine": "scale" in steps,
        "keep_all": network.summary == "all",
        "keep_mean": network.summary != "all",
        "keep_max": network.summary == "mean_max",
        "keep_bands": network.summary in ("mean", "mean_max"),
        "mean_bands": network.summary == "mean_of_bands",
        "int8": quantized,
        "float32": not quantized,
        "novelty": bool(network.novelty),
        "weighted": spec.rule.pooling != "mean",
        "silence_label": spec.rule.silence_label is not None,
        "background": spec.rule.background is not None,
        spec.task.name: True,
        "not_multi_class": spec.task.name != "multi_class",
    }
    return {name for name, holds in facts.items() if holds}
