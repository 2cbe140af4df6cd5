"""What a cross-validation keeps on disk, so that an interrupted one goes on."""

import json
import shutil
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from earmark.config import Config
from earmark.errors import TrainingError
from earmark.models.run_folder import RunFolder
from earmark.models.work_folder import WorkFolder
from earmark.system.files import read_text


@dataclass(frozen=True)
class FoldFolder(WorkFolder):
    """A folder that `cross_validate` fills.

    ::

        config.toml              all settings; its first line says whose folder this is
        recordings.csv           every recording with its fold, group and content
        teachers.csv             what the teachers of its folds were, if it has any
        seedS/foldF.json         what came of a fold, written when it has ended
        seedS/foldF/             its run folder while it is trained, or for good if models are kept
        predictions.csv          a row a clip and seed
        result.json              what ``cross-validate --json`` prints

    Folds are counted from 1 in their natural order, whatever they are called.

    Args:
        path: The folder; it need not exist.
    """

    kind = "cross-validation"
    mark = (
        "# The settings of an earmark cross-validation; the same command goes on from this "
        "folder.\n"
    )
    other_data = "the data or the folds differ"

    @property
    def predictions(self) -> Path:
        """A row a clip and seed."""
        return self.path / "predictions.csv"

    @property
    def result(self) -> Path:
        """All figures."""
        return self.path / "result.json"

    def run(self, seed: int, number: int) -> RunFolder:
        """The run folder of a fold."""
        return RunFolder(self.path / f"seed{seed}" / f"fold{number}")

    def fold_file(self, seed: int, number: int) -> Path:
        """What came of a fold."""
        return self.path / f"seed{seed}" / f"fold{number}.json"

    def read_fold(self, seed: int, number: int) -> Mapping[str, Any] | None:
        """What came of a fold; None when it has not ended."""
        try:
            return json.loads(read_text(self.fold_file(seed, number)))
        except FileNotFoundError:
            return None

    def kept_runs(self, number: int) -> list[RunFolder]:
        """The run folders of a fold, one a seed.

        Raises:
            TrainingError: A seed has not ended there, or its model was not kept.
        """
        # The first seed is asked for even where none is there.
        seeds = sorted(int(one.name[4:]) for one in self._seeds()) or [0]
        runs = [self.run(seed, number) for seed in seeds]
        for seed, run in zip(seeds, runs, strict=True):
            if not (self.fold_file(seed, number).exists() and run.best.exists()):
                raise TrainingError(
                    f"{self.path}: no model of seed {seed} is there for fold {number}; "
                    "cross-validate with --keep-models, to the end"
                )
        return runs

    def _seeds(self) -> list[Path]:
        return [one for one in self.path.glob("seed*") if one.name[4:].isdigit()]

    def refuse_misuse(self, config: Config, data: Path | None, *, overwrite: bool) -> None:
        """Checks, before any work, that the folder may be written to.

        Args:
            config: Settings of the cross-validation that wants it.
            data: The data folder, if there is one.
            overwrite: Whether another one there may be replaced.

        Raises:
            TrainingError: It lies in the data, holds files that are not earmark's, a teacher, or
                another cross-validation.
        """
        files = (self.config_file, self.recordings, self.predictions, self.result, *self._seeds())
        self._refuse_place(config, data, files)
        if self.is_ours and self._seeds() and not overwrite:
            stored = tomllib.loads(self.config_file.read_text(encoding="utf-8"))
            if stored != tomllib.loads(config.to_toml()):
                raise self._another("settings differ")

    def open(self, config: Config, table: str, teachers: Sequence[str], *, overwrite: bool) -> None:
        """Writes what identifies the cross-validation.

        Args:
            config: All settings.
            table: Text of ``recordings.csv``.
            teachers: Of all folds.
            overwrite: Whether what another one left is removed first.

        Raises:
            TrainingError: The folds that are there are of other recordings, drawn otherwise, or
                taught by others.
        """
        if overwrite and self.is_ours:
            for seed in self._seeds():
                shutil.rmtree(seed)
            self.predictions.unlink(missing_ok=True)
            self.result.unlink(missing_ok=True)
        if self._seeds():
            self._refuse_other_work(table, teachers)
        self._identify(config, table, teachers)


def teachers_of_fold(names: Sequence[str], number: int) -> tuple[str, ...]:
    """Teachers for one fold: of a cross-validation its models of that fold, and runs as they are.

    Args:
        names: Run folders and folders of cross-validations.
        number: That of the fold.

    Raises:
        TrainingError: A cross-validation kept no model of the fold.
    """
    teachers: list[str] = []
    for name in names:
        folder = FoldFolder(Path(name))
        if folder.is_ours:
            teachers += [str(run.path) for run in folder.kept_runs(number)]
        else:
            teachers.append(name)
    return tuple(teachers)
