"""The folder of a cross-validation, from which an interrupted one resumes."""

import json
import shutil
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from earmark.config import Config
from earmark.errors import TrainingError
from earmark.models.run_folder import RunFolder
from earmark.models.work_folder import WorkFolder
from earmark.system.files import read_text


@dataclass(frozen=True)
class FoldFolder(WorkFolder):
    """A folder that `cross_validate` fills.

    ::

        config.toml              all settings; its first line marks the folder as earmark's
        choices.json             the settings that were given; all others may be chosen by fold
        foldF.toml               all settings of a fold, and why rules chose some of them
        recordings.csv           every recording with its fold, group and content hash
        teachers.csv             the teachers of its folds and hashes of their weights, if any
        seedS/foldF.json         the result of a fold, written when it has been tested
        seedS/foldF.lock         held by the process that trains it
        seedS/foldF/             its run folder while it is trained, kept with --keep-models
        predictions.csv          a row a clip and seed
        result.json              what ``cross-validate --json`` prints

    Several processes may fill it, on machines that share the disk: each takes the folds that no
    living process holds. Folds are numbered from 1 in their natural order, whatever their names.

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
        """All metrics."""
        return self.path / "result.json"

    def run(self, seed: int, number: int) -> RunFolder:
        """The run folder of a fold."""
        return RunFolder(self.path / f"seed{seed}" / f"fold{number}")

    def fold_file(self, seed: int, number: int) -> Path:
        """The result of a fold."""
        return self.path / f"seed{seed}" / f"fold{number}.json"

    def read_fold(self, seed: int, number: int) -> Mapping[str, Any] | None:
        """The result of a fold; None when it has not been tested."""
        try:
            return json.loads(read_text(self.fold_file(seed, number)))
        except FileNotFoundError:
            return None

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Held by one process at a time to begin the cross-validation."""
        self.path.mkdir(parents=True, exist_ok=True)
        with FileLock(self.path / "folder.lock"):
            yield

    @contextmanager
    def claim(self, seed: int, number: int) -> Iterator[bool]:
        """Holds a fold, which ends with this process; gives False where another one holds it.

        Args:
            seed: Of the training.
            number: Of the fold.
        """
        file = self.path / f"seed{seed}" / f"fold{number}.lock"
        file.parent.mkdir(parents=True, exist_ok=True)
        lock = FileLock(file)
        try:
            lock.acquire(timeout=0)
        except Timeout:
            yield False
            return
        try:
            yield True
        finally:
            lock.release()

    def is_held(self, seed: int, number: int) -> bool:
        """Whether a living process trains a fold."""
        with self.claim(seed, number) as is_ours:
            return not is_ours

    def kept_runs(self, number: int) -> list[RunFolder]:
        """The run folders of a fold, one a seed.

        Raises:
            TrainingError: A seed has not been tested there, or its model was not kept.
        """
        seeds = sorted(int(one.name[4:]) for one in self._seeds()) or [0]
        runs = [self.run(seed, number) for seed in seeds]
        for seed, run in zip(seeds, runs, strict=True):
            if not (self.fold_file(seed, number).exists() and run.best.exists()):
                raise TrainingError(
                    f"{self.path}: no model of seed {seed} for fold {number}; finish the "
                    "cross-validation with --keep-models"
                )
        return runs

    def _seeds(self) -> list[Path]:
        return [one for one in self.path.glob("seed*") if one.name[4:].isdigit()]

    @property
    def holds_results(self) -> bool:
        """Whether a cross-validation has begun here, which the same command continues."""
        return self.is_ours and bool(self._seeds())

    def _files(self) -> tuple[Path, ...]:
        return (*super()._files(), self.predictions, self.result, *self._seeds())

    def settings(self, number: int) -> Path:
        """The settings that a fold is trained with."""
        return self.path / f"fold{number}.toml"

    def refuse_misuse(self, config: Config, data: Path | None, *, overwrite: bool) -> None:
        """Checks, before any work, that the folder may be written to.

        Args:
            config: Settings of the new cross-validation.
            data: The data folder, if there is one.
            overwrite: Whether another cross-validation there may be replaced.

        Raises:
            TrainingError: It lies in the data folder, or holds files of others, a teacher or
                another cross-validation.
        """
        self.refuse_place(config, data)
        if self.holds_results and not overwrite:
            self._refuse_other_settings(config.to_dict(), self.read_settings())

    def open(self, config: Config, table: str, teachers: Sequence[str], *, overwrite: bool) -> None:
        """Writes the files that identify the cross-validation.

        Args:
            config: All settings.
            table: Text of ``recordings.csv``.
            teachers: Of all folds.
            overwrite: Whether the files of another one are removed first.

        Raises:
            TrainingError: The folder holds results of other recordings, folds or teachers, or
                what would be removed is in use.
        """
        if overwrite and self.is_ours:
            self._refuse_workers()
            for seed in self._seeds():
                shutil.rmtree(seed)
            for file in self.path.glob("fold*.toml"):
                file.unlink()
            self.predictions.unlink(missing_ok=True)
            self.result.unlink(missing_ok=True)
        if self._seeds():
            self._refuse_other_work(table, teachers)
        self._identify(config, table, teachers)

    def _refuse_workers(self) -> None:
        for lock in self.path.glob("seed*/fold*.lock"):
            try:
                with FileLock(lock, timeout=0):
                    pass
            except Timeout:
                raise TrainingError(
                    f"{self.path}: another process is training there; stop it, or leave "
                    "--overwrite out"
                ) from None

    def begin(self, seeds: Iterable[int]) -> None:
        """Makes the folders of the results: from now on the settings of the folds stand.

        Args:
            seeds: Of the trainings.
        """
        for seed in seeds:
            (self.path / f"seed{seed}").mkdir(parents=True, exist_ok=True)


def teachers_of_fold(names: Sequence[str], number: int) -> tuple[str, ...]:
    """The teachers of one fold: runs, and the models that cross-validations kept of that fold.

    Args:
        names: Run folders and folders of cross-validations.
        number: Number of the fold.

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
