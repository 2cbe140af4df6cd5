"""What the graph in an exported file takes."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, get_args

from earmark.audio.source import MIN_SECONDS
from earmark.errors import ConfigError
from earmark.exporters.targets import ExportOptions, GraphInput
from earmark.inference.onnx_backend import LOG_MEL, WAVEFORM
from earmark.models.spec import ModelSpec

if TYPE_CHECKING:
    import onnx

MAX_STATIC_SECONDS = 600.0
INPUTS: dict[GraphInput, str] = {"waveform": WAVEFORM, "log-mel": LOG_MEL}


@dataclass(frozen=True)
class GraphForm:
    """The input of a graph.

    Args:
        takes: ``waveform`` or ``log-mel``.
        is_static: Whether all shapes are fixed, for one waveform or one window.
        seconds: Length of that waveform; that of one window if None.
    """

    takes: GraphInput = "waveform"
    is_static: bool = False
    seconds: float | None = None

    @classmethod
    def of(cls, options: ExportOptions) -> "GraphForm":
        """The one that options name.

        Raises:
            ConfigError: One is unknown or does not fit the others.
        """
        takes, seconds = options.get("takes", "waveform"), options.get("seconds")
        if takes not in get_args(GraphInput):
            raise ConfigError(f"input {takes}: unknown; choose {' or '.join(get_args(GraphInput))}")
        if seconds is not None and takes != "waveform":
            raise ConfigError("--seconds: is the length of a waveform; leave it out, or --input")
        # NaN fails this comparison as well.
        if seconds is not None and not MIN_SECONDS <= seconds <= MAX_STATIC_SECONDS:
            raise ConfigError(
                f"--seconds {seconds:g}: give {MIN_SECONDS:g} to {MAX_STATIC_SECONDS:g} seconds"
            )
        return cls(takes, options.get("static", False) or seconds is not None, seconds)

    def shape(self, spec: ModelSpec) -> tuple[int | str, ...]:
        """Shape of the input; sizes that may be anything have names."""
        fixed = self.fixed_shape(spec)
        if self.is_static:
            return fixed
        return ("batch", "samples") if self.takes == "waveform" else ("windows", *fixed[1:])

    def fixed_shape(self, spec: ModelSpec) -> tuple[int, ...]:
        """Shape of the input of a graph with fixed shapes."""
        features = spec.config.features
        if self.takes == "log-mel":
            return (1, 1, features.n_mels, spec.window_frames)
        seconds = spec.window_seconds if self.seconds is None else self.seconds
        return (1, round(max(seconds, MIN_SECONDS) * features.sample_rate))

    def describe(self, spec: ModelSpec) -> str:
        """The input in words, for one line."""
        return f"{self.takes} ({', '.join(map(str, self.shape(spec)))})"


def input_sizes(graph: "onnx.GraphProto") -> tuple[int | None, ...]:
    """Sizes of the only input of a graph; None for those that may be anything."""
    (given,) = graph.input
    sizes = given.type.tensor_type.shape.dim
    return tuple(one.dim_value if one.HasField("dim_value") else None for one in sizes)
