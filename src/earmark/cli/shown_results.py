"""Results of `earmark predict` on standard output."""

import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TYPE_CHECKING

import click

from earmark.cli.printing import result_table
from earmark.cli.terminal import print_json, print_table, printable

if TYPE_CHECKING:
    from earmark.cli.predict_request import Request
    from earmark.errors import FailedFile
    from earmark.inference.predictions import Prediction

    Result = Prediction | FailedFile

TABLE_ROWS = 100
"""Most files that are printed as one table; the results of more are printed one by one."""


class ShownResults:
    """Results on standard output: a table at the end, or lines at once; nothing if -o is given.

    Args:
        request: What is output.
        as_json: Whether lines are JSON.
        num_files: How many there will be, if known.
    """

    def __init__(self, request: "Request", *, as_json: bool, num_files: int | None) -> None:
        on_terminal, few = sys.stdout.isatty(), num_files is not None and num_files <= TABLE_ROWS
        self._columns, self._rows = result_table(segments=request.segments)
        if request.name:
            self._columns = ("model", *self._columns)
        self._waiting: list[tuple[Result, Request]] | None = None
        self._print: Callable[[Result, Request], None] | None = None
        if as_json:
            self._print = lambda result, request: print_json(request.describe(result))
        elif request.output is None and on_terminal and few:
            self._waiting = []
        elif request.output is None:
            self._print_cells(self._columns)
            self._print = self._print_rows
        self.are_lines_on_terminal = on_terminal and self._print is not None

    def add(self, result: "Result", request: "Request") -> None:
        """Prints a result, now or at the end.

        Args:
            result: Of a file.
            request: Of the model that predicted it.
        """
        if self._waiting is not None:
            self._waiting.append((result, request))
        elif self._print is not None:
            self._print(result, request)

    def end(self) -> None:
        """Prints the table, if there is to be one."""
        if self._waiting is not None:
            rows = [row for one in self._waiting for row in self._named_rows(*one)]
            print_table("", self._columns, rows)

    def _print_rows(self, result: "Result", request: "Request") -> None:
        for row in self._named_rows(result, request):
            self._print_cells(row)

    def _named_rows(self, result: "Result", request: "Request") -> Iterator[Sequence[str]]:
        name = (request.name,) if request.name else ()
        return ((*name, *row) for row in self._rows(result))

    def _print_cells(self, cells: Iterable[str]) -> None:
        click.echo("\t".join(map(printable, cells)))
