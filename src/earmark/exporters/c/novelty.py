"""The score of novelty in a form that is stable in float32."""

from collections.abc import Mapping

import numpy as np
import onnx
from onnx import numpy_helper

_ARRAYS = (
    "shift",
    "single_directions",
    "factors",
    "rest",
    "slopes",
    "offsets",
    "usual_distance",
    "distance_std",
    "usual_doubt",
    "doubt_std",
)


def read_novelty(graph: onnx.GraphProto) -> Mapping[str, np.ndarray]:
    """What the generated code needs to score windows, from the graph of a network.

    The graph holds the squared distances as one quadratic function, whose terms nearly cancel:
    fine in float64. Here the embedding is divided into what lies along the directions and the
    rest, and so are the centers: all terms are sums of squares.

    Args:
        graph: As `earmark.exporters.novelty_graph.with_novelty` gives it, or one without a score.

    Returns:
        Arrays by name; none for a graph without a score.
    """
    found = {}
    for one in graph.initializer:
        *_, part, name = ("", *one.name.split("/"))
        if part == "score" and name in (*_ARRAYS, "weights"):
            found[name] = numpy_helper.to_array(one).astype(np.float64)
    if not found.keys() >= set(_ARRAYS):
        return {}
    directions, factors = found["single_directions"], found["factors"].reshape(-1)
    rest = found["rest"].item()
    # Graphs of versions with one scale for all classes have none.
    weights = found.get("weights", np.ones(len(found["offsets"])))
    along = 1.0 / (rest + factors) - 1.0 / rest
    slopes = -0.5 * found["slopes"].T / weights[:, None]
    centers = slopes / rest + (slopes @ directions * along) @ directions.T
    places = centers @ directions
    return {
        "shift": found["shift"],
        "directions": directions.T,
        "factors": rest + factors,
        "centers": centers - places @ directions.T,
        "places": places,
        "weights": weights,
        "rest": np.array(rest),
        "usual": np.array([found[name].item() for name in _ARRAYS[-4:]]),
    }
