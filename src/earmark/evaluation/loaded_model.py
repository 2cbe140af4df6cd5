"""The network of a test: built once, and shared by all its parts."""

from dataclasses import dataclass, replace

from earmark.models.architectures.registry import AudioModel
from earmark.models.checkpoint import Checkpoint
from earmark.models.spec import ModelSpec
from earmark.system.runtime import Runtime, place
from earmark.tasks.novelty import Novelty


@dataclass(frozen=True)
class LoadedModel:
    """A checkpoint with its network on a device.

    Args:
        checkpoint: The model as it was read.
        network: Its network on the device, in evaluation mode.
        runtime: Where it computes.
    """

    checkpoint: Checkpoint
    network: AudioModel
    runtime: Runtime

    @classmethod
    def build(cls, checkpoint: Checkpoint, runtime: Runtime) -> "LoadedModel":
        """Builds the network of a checkpoint on the device of a runtime.

        Raises:
            CheckpointError: The weights do not fit the settings.
        """
        return cls(checkpoint, place(checkpoint.build(), runtime.device), runtime)

    @property
    def spec(self) -> ModelSpec:
        """What the network needs beside its weights."""
        return self.checkpoint.spec

    @property
    def novelty(self) -> Novelty | None:
        """How unlike training sound is, if the model scores it."""
        return self.checkpoint.novelty

    @property
    def in_one_process(self) -> "LoadedModel":
        """The same network, used by this process alone."""
        return replace(self, runtime=replace(self.runtime, rank=0, world_size=1))
