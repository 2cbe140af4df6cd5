"""One of the models of `earmark predict`, and the table of its results."""

import dataclasses
import logging
from contextlib import ExitStack, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any

from earmark.cli.predict_request import Request
from earmark.cli.terminal import print_line
from earmark.system.numbers import counted

if TYPE_CHECKING:
    from earmark.errors import FailedFile
    from earmark.inference.classifier import Classifier
    from earmark.inference.predictions import Prediction
    from earmark.inference.result_part import ResultPart
    from earmark.inference.result_table import ResultTable
    from earmark.system.shards import ShardFiles

    Result = Prediction | FailedFile
    Table = ResultTable | ResultPart

logger = logging.getLogger(__name__)


class Member:
    """One of the models that predict, and what it outputs.

    Args:
        classifier: The model.
        request: What is output for it.
    """

    def __init__(self, classifier: "Classifier", request: Request) -> None:
        if request.split_to is not None:
            from earmark.inference.segmentation.cutting import RecordingFolders

            request = dataclasses.replace(request, folders=RecordingFolders())
        self.classifier, self.request = classifier, request
        self.table: Table | None = None
        self.num_added = 0
        self._done: set[Path] = set()

    def open_table(self, opened: ExitStack, shard_files: "ShardFiles | None") -> None:
        """Opens the table of results, if there is one; it closes with ``opened``."""
        table = _open_table(self.classifier, self.request, shard_files)
        self.table = opened.enter_context(table)
        if self.table is not None and self.table.num_done:
            logger.info(f"resuming after {counted(self.table.num_done, 'file')}")
        if self.table is not None and self.table.num_unknown:
            logger.warning(
                f"{self.table.path}: {counted(self.table.num_unknown, 'row')} without a record of "
                "the file; whether it has changed since is unknown"
            )

    def is_done(self, name: Path) -> bool:
        """Whether the table has this file; those that it has keep the names of their folders."""
        if self.table is None or not self.table.is_done(name):
            return False
        self._done.add(name)
        self.pass_over(name)
        return True

    def pass_over(self, name: Path) -> None:
        """Keeps the name of the folder of a file that is not predicted now."""
        if self.request.folders is not None:
            self.request.folders.name(name)

    def forget_done(self, name: Path) -> None:
        """Forgets that the table has a file that no other model needs either."""
        self._done.discard(name)

    def add(self, result: "Result") -> dict[str, Any]:
        """Takes a result; returns it as ``--json`` prints it."""
        facts = self.request.describe(result)
        if self.table is not None and result.path not in self._done:
            self.table.add(facts)
            self.num_added += 1
        return facts

    @property
    def num_files(self) -> int:
        """How many files the table has."""
        return self.num_added + (0 if self.table is None else self.table.num_done)

    def finish(self, *, as_json: bool) -> None:
        """Completes the table."""
        if self.table is None:
            return
        self.table.finish()
        if not as_json:
            num_failed = self.table.num_failed
            failed = f", {num_failed:,} of them failed" if num_failed else ""
            print_line(f"{counted(self.num_files, 'file')}{failed}: {self.table.path}")


def _open_table(
    classifier: "Classifier", request: Request, shard_files: "ShardFiles | None"
) -> "Table | nullcontext[None]":
    if request.output is None:
        return nullcontext()
    from earmark.inference.result_part import ResultPart
    from earmark.inference.result_table import ResultTable
    from earmark.models.pretrained import find_model
    from earmark.models.run_folder import weights_file
    from earmark.system.hashing import content_hash

    facts = {
        "model": content_hash(weights_file(find_model(request.model))),
        "predict": classifier.spec.config.predict.model_dump(mode="json"),
        "segments": request.segments,
    }
    place = (request.output, classifier.labels, facts)
    modes = {"resume": request.resume, "overwrite": request.overwrite}
    if shard_files is not None:
        return ResultPart(*place, shard_files, **modes)
    return ResultTable(*place, **modes)
