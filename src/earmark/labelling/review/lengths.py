"""How long the files of clips are, so that no answer names a segment beyond their end."""

from pathlib import Path

from earmark.audio.isolation import DecoderPool, Job
from earmark.audio.source import MIN_SECONDS, Excerpt
from earmark.errors import AudioError
from earmark.labelling.imports.lengths import measure_seconds
from earmark.system.file_state import FileState
from earmark.system.remote.path import RemotePath


class Lengths:
    """The lengths of files, measured in processes that may die. Threads may share it.

    A length is kept until the file changes. The processes start when they are needed first.
    """

    def __init__(self) -> None:
        self._pool = DecoderPool(measure_seconds)
        self._held: dict[Path, tuple[FileState | None, float]] = {}

    def close(self) -> None:
        """Ends the processes."""
        self._pool.close()

    def refuse_beyond(self, path: Path, segment: Excerpt) -> None:
        """Checks that a file goes as far as a segment of it, as all that reads excerpts requires.

        A file that cannot be decoded has no length, and takes any segment.

        Args:
            path: The file.
            segment: The part of it.

        Raises:
            AudioError: It ends more than `MIN_SECONDS` before the segment does, or less than that
                after the segment starts.
        """
        seconds = self._seconds(path)
        if seconds is None:
            return
        end = seconds if segment.end is None else segment.end
        is_beyond = end > seconds + MIN_SECONDS
        if is_beyond or min(end, seconds) - segment.start < MIN_SECONDS - 1e-6:
            raise AudioError(
                f"{path}: segment {segment}, but the file lasts {seconds:.2f} s; "
                f"correct the {'end' if is_beyond else 'start'} of the segment",
                "short",
            )

    def _seconds(self, path: Path) -> float | None:
        try:
            state = None if isinstance(path, RemotePath) else FileState.of(path)
            held = self._held.get(path)
            if held is None or held[0] != state:
                *_, seconds = self._pool.stream(Job(path, path))
                held = self._held[path] = state, seconds
        except (AudioError, OSError, ValueError):  # A name may hold a zero byte.
            return None
        return held[1]
