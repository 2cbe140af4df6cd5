"""What `earmark predict` outputs for each file, with one model or with several."""

import os
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from earmark.errors import ConfigError

if TYPE_CHECKING:
    from earmark.errors import FailedFile
    from earmark.inference.predictions import Prediction
    from earmark.inference.segmentation.cutting import RecordingFolders
    from earmark.system.shards import Shard, ShardFiles


@dataclass(frozen=True)
class Request:
    """What is output for each file besides its label.

    Args:
        model: As the user named it.
        segments: Whether segments are part of the results.
        segments_to: Folder for time lines.
        formats: Of the time lines.
        split_to: Folder for the sound of the segments.
        output: Table of the results.
        resume: Whether to resume this table.
        overwrite: Whether to replace what is there.
        folders: Names of the recordings' folders below ``split_to``.
        name: Of the model, where there are several: it is part of the results and of the names of
            their files.
        shard: The part of the files that is predicted; all of them when not given.
    """

    model: Path
    segments: bool = False
    segments_to: Path | None = None
    formats: tuple[str, ...] = ()
    split_to: Path | None = None
    output: Path | None = None
    resume: bool = False
    overwrite: bool = False
    folders: "RecordingFolders | None" = None
    name: str = ""
    shard: "Shard | None" = None

    def for_model(self, model: Path, name: str) -> "Request":
        """The same for one of several models, whose files are apart from those of the others.

        Args:
            model: As the user named it.
            name: From `name_models`.
        """
        output = self.output
        return replace(
            self,
            model=model,
            name=name,
            segments_to=self.segments_to and self.segments_to / name,
            split_to=self.split_to and self.split_to / name,
            output=output and output.with_name(f"{output.stem}.{name}{output.suffix}"),
        )

    def describe(self, result: "Prediction | FailedFile") -> dict[str, Any]:
        """A result as ``--json`` prints it."""
        return {"model": self.name, **result.to_dict()} if self.name else result.to_dict()

    def list_files(self) -> "ShardFiles | None":
        """What goes through the list of files, if only those of a shard are predicted."""
        if self.shard is None:
            return None
        from earmark.system.shards import ShardFiles

        return ShardFiles(self.shard)

    @property
    def needs_segments(self) -> bool:
        """Whether segments are needed at all."""
        return self.segments or bool(self.segments_to) or bool(self.split_to)

    def check(self) -> None:
        """Checks that options fit each other.

        Raises:
            ConfigError: They do not.
        """
        if self.resume and self.output is None:
            raise ConfigError("--resume: needs --output, the table to resume")
        if self.overwrite and (self.resume or self.output is None):
            raise ConfigError(
                "--overwrite: replaces the table of --output, which --resume adds to; give "
                "--output, and one of the two"
            )
        if self.formats and self.segments_to is None:
            raise ConfigError("--segments-format: needs --segments-to, the folder for time lines")
        if {"png", "svg"} & set(self.formats):
            # Before any output: the plots come last.
            import matplotlib  # noqa: F401
        if self.output is not None:
            from earmark.inference.result_formats import result_format

            if not result_format(self.output).holds_segments and self.segments:
                raise ConfigError(
                    f"{self.output}: CSV cannot hold segments; name it .jsonl or .parquet, or "
                    "write segments with --segments-to instead"
                )


def name_models(models: Sequence[Path]) -> list[str]:
    """Distinct names of models, that can be part of file names.

    Each is the last part of the path, without the suffix of a model file, and with the parts before
    it that make it differ.

    Raises:
        ConfigError: A model is given twice.

    Example:
        >>> name_models([Path("speech-music"), Path("a/run"), Path("b/run")])
        ['speech-music', 'a_run', 'b_run']
    """
    # Not `Path.absolute`, which keeps "..": as a name it would be the folder above.
    paths = [Path(*Path(os.path.abspath(one)).parts[1:]) for one in models]  # noqa: PTH100
    twice = [one for one, number in Counter(paths).items() if number > 1]
    if twice:
        raise ConfigError(f"--model {models[paths.index(twice[0])]}: given twice; give it once")
    lengths = [1] * len(paths)
    while True:
        names = [
            "_".join(_name(one).parts[-length:]) for one, length in zip(paths, lengths, strict=True)
        ]
        counts = Counter(name.casefold() for name in names)
        equal = [index for index, name in enumerate(names) if counts[name.casefold()] > 1]
        if not equal:
            return names
        if all(lengths[index] >= len(paths[index].parts) for index in equal):
            # Names with "_" in them may still be equal.
            return [f"model{number}" for number in range(1, len(paths) + 1)]
        for index in equal:
            lengths[index] += 1


def _name(path: Path) -> Path:
    return path.with_suffix("") if path.suffix in (".onnx", ".safetensors") else path
