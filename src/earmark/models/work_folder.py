"""What the folders of runs, studies and cross-validations share: whose they are, and of what."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from earmark.config import Config
from earmark.errors import TrainingError
from earmark.system.files import atomic_write, csv_lines
from earmark.system.hashing import content_hash

WEIGHTS = "best.safetensors"
"""The file with the model of a run folder."""


@dataclass(frozen=True)
class WorkFolder:
    """A folder that one command fills.

    ::

        config.toml         all settings; its first line says whose folder this is
        recordings.csv      the recordings that the work is done on
        teachers.csv        where it has teachers: what they were when it began

    Args:
        path: The folder; it need not exist.
    """

    kind: ClassVar[str]
    mark: ClassVar[str]
    way_out: ClassVar[str] = "choose another folder, or give --overwrite to start again"
    other_data: ClassVar[str] = "the data have changed"

    path: Path

    @property
    def config_file(self) -> Path:
        """All settings."""
        return self.path / "config.toml"

    @property
    def recordings(self) -> Path:
        """The table of recordings."""
        return self.path / "recordings.csv"

    @property
    def teachers(self) -> Path:
        """The table of teachers and digests of their weights."""
        return self.path / "teachers.csv"

    @property
    def is_ours(self) -> bool:
        """Whether earmark made the folder, for work of this kind."""
        try:
            return self.config_file.read_text(encoding="utf-8").startswith(self.mark)
        except (OSError, UnicodeDecodeError):
            return False

    def _refuse_place(self, config: Config, data: Path | None, files: Iterable[Path]) -> None:
        """Checks that nothing of others would be lost or changed here.

        Args:
            config: Settings of the work that wants the folder.
            data: The data folder, if there is one.
            files: What the work will write.

        Raises:
            TrainingError: It would be.
        """
        place = self.path.resolve()
        if data is not None and place.is_relative_to(data.resolve()):
            raise TrainingError(f"{self.path}: lies in the data folder; choose one outside of it")
        if not self.is_ours and any(file.exists() for file in (self.teachers, *files)):
            raise TrainingError(
                f"{self.path}: holds files that are not those of a {self.kind}; choose another "
                "folder"
            )
        inside = [one for one in config.train.teachers if Path(one).resolve().is_relative_to(place)]
        if inside:
            raise TrainingError(
                f"{self.path}: holds the teacher {inside[0]}; choose another folder"
            )

    def _refuse_other_work(self, table: str, teachers: Sequence[str]) -> None:
        """Checks that the work here was begun with these very recordings and teachers.

        Args:
            table: Text of ``recordings.csv``.
            teachers: Run folders or files with weights.

        Raises:
            TrainingError: It was not.
        """
        if _read(self.recordings) not in ("", table):
            raise self._another(self.other_data)
        if self.recordings.exists() and _read(self.teachers) != _sign(teachers):
            raise self._another("the teachers have changed")

    def _another(self, why: str) -> TrainingError:
        return TrainingError(f"{self.path}: holds another {self.kind} ({why}); {self.way_out}")

    def _identify(self, config: Config, table: str, teachers: Sequence[str]) -> None:
        """Writes what tells this work from another.

        The recordings come last: where they are missing, nothing is compared.
        """
        signed = _sign(teachers)
        atomic_write(self.config_file, self.mark + config.to_toml())
        if signed:
            atomic_write(self.teachers, signed)
        else:
            self.teachers.unlink(missing_ok=True)
        atomic_write(self.recordings, table)


def _read(path: Path) -> str:
    try:
        return path.read_text("utf-8", "surrogateescape")
    except FileNotFoundError:
        return ""


def _sign(teachers: Sequence[str]) -> str:
    """The text of ``teachers.csv``; empty without teachers."""
    if not teachers:
        return ""
    files = [(one, Path(one) / WEIGHTS if Path(one).is_dir() else Path(one)) for one in teachers]
    rows = [(name, content_hash(file)) for name, file in files]
    return "".join(csv_lines([("teacher", "digest"), *rows]))
