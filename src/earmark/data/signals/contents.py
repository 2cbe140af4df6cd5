"""Which content each recording has."""

from collections.abc import Sequence

from earmark.data.recording import Recording
from earmark.errors import AudioError
from earmark.features.digests import ContentDigests
from earmark.system.parallel import map_in_order
from earmark.system.progress import Reporter


def read_digests(
    recordings: Sequence[Recording], digests: ContentDigests, reporter: Reporter
) -> dict[str, str | AudioError]:
    """The digests of the files of recordings.

    Args:
        recordings: What to read, where it may have changed.
        digests: What is known.
        reporter: Shows progress.

    Returns:
        Digest, or why the file cannot be read, by the name of the recording.
    """
    found: dict[str, str | AudioError] = {}
    with reporter.track("hash", len(recordings)) as task:
        for one, future in map_in_order(lambda one: digests.digest(one.path), recordings):
            task.advance(note=one.name)
            try:
                found[one.name] = future.result()
            except AudioError as error:
                found[one.name] = error
    return found
