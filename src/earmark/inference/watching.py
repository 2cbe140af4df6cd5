"""Progress through the sound of files."""

from collections.abc import Callable, Iterable, Iterator
from typing import Protocol, TypeVar, runtime_checkable

Watch = Callable[[float], None]
"""Called with the seconds of each part of a file that has been used."""


@runtime_checkable
class Timed(Protocol):
    """A part of a sound."""

    @property
    def duration_seconds(self) -> float:
        """Length of the sound up to the end of the part."""
        ...


Part = TypeVar("Part", bound=Timed)


def ignore(_seconds: float) -> None:
    """Watches nothing."""


def watched(parts: Iterable[Part], watch: Watch) -> Iterator[Part]:
    """The parts of a sound; each is reported when the next one is asked for.

    Args:
        parts: In order.
        watch: What to report to.
    """
    seconds = 0.0
    for part in parts:
        yield part
        watch(part.duration_seconds - seconds)
        seconds = part.duration_seconds
