"""Work on many files that is collected in pieces, and resumed from them."""

from typing import Any, Generic, TypeVar

from earmark.inference.pieces import PieceFolder
from earmark.inference.result_index import ResultIndex

Pieces = TypeVar("Pieces", bound=PieceFolder)
Work = TypeVar("Work", bound="ResumableWork[Any]")


class ResumableWork(Generic[Pieces]):
    """Work whose results wait in a folder of pieces until it is finished.

    As a context manager, it writes what it has before an interruption.

    Args:
        pieces: What waits there already, and receives new results.
    """

    _index: ResultIndex

    def __init__(self, pieces: Pieces) -> None:
        self._pieces = pieces
        self._is_finished = False

    @property
    def num_done(self) -> int:
        """Files that were done before this work started, less those found to have changed."""
        return self._index.num_done

    def __enter__(self: Work) -> Work:
        return self

    def __exit__(self, *_: object) -> None:
        if not self._is_finished:
            self._pieces.flush()
            self._close()

    def _close(self) -> None:
        self._pieces.close(keep=bool(self._pieces.count))
