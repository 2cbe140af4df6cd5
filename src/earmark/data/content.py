"""Clips, which are recordings with stored features, and which of them share sound."""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass

from earmark.features.store import ClipKey


@dataclass(frozen=True, slots=True)
class Clip:
    """A recording whose features are stored.

    Args:
        name: Name of the recording.
        key: What its features are stored under.
        targets: Indices of its labels in the vocabulary.
        group: Its group; empty if it has none.
    """

    name: str
    key: ClipKey
    targets: tuple[int, ...]
    group: str = ""

    @property
    def group_or_name(self) -> str:
        """Its group; a clip without one is a group of its own."""
        return self.group or self.name


class ContentSet:
    """Excerpts of sound, compared by their content.

    Args:
        keys: Keys of the excerpts.

    Example:
        >>> trained = ContentSet([ClipKey("aa", 0.0, 5.0), ClipKey("bb")])
        >>> ClipKey("aa", 4.0, 9.0) in trained, ClipKey("aa", 5.0, 9.0) in trained
        (True, False)
        >>> ClipKey("bb", 1.0, 2.0) in trained
        True
    """

    def __init__(self, keys: Iterable[ClipKey]) -> None:
        self._excerpts: dict[str, list[tuple[float, float]]] = defaultdict(list)
        for key in keys:
            self._excerpts[key.digest].append((key.start, key.end))

    def __contains__(self, key: ClipKey) -> bool:
        """Whether any of the sound of a clip is in the set."""
        known = self._excerpts.get(key.digest, ())
        return any(key.start < end and start < key.end for start, end in known)
