"""Splits that go on where those of an earlier run ended, so that nothing it has met is tested."""

from collections.abc import Iterable
from pathlib import Path

from earmark.audio.source import WHOLE
from earmark.config import Config
from earmark.data.content import ContentSet
from earmark.data.manifest import Manifest
from earmark.data.recording import SPLIT_TITLES, SPLITS, Recording
from earmark.data.signals.contents import read_digests
from earmark.errors import AudioError, DataError
from earmark.features.digests import ContentDigests
from earmark.features.store import ClipKey
from earmark.system.progress import Reporter
from earmark.training.start import Start, open_start


class SplitKeeper:
    """Splits that go on where those of an earlier run ended, without a clip that leaks.

    Args:
        start: What the training starts from; of a refit that of its first training.
        manifest: The data.
        root: Folder of the store.
        reporter: Shows progress.
    """

    def __init__(self, start: Start, manifest: Manifest, root: Path, reporter: Reporter) -> None:
        self._start, self._manifest = start, manifest
        with ContentDigests(root) as digests:
            self._digests = read_digests(manifest.recordings, digests, reporter)
        self._rows = start.run.read_recordings()
        self._known = {
            split: ContentSet(
                ClipKey.parse(row["key"])
                for row in self._rows
                if row["key"] and row["split"] == split
            )
            for split in SPLITS
        }

        # An excerpt goes by its name alone: others of its file may be in another split.
        self._unread = {
            identity: row["split"]
            for row in self._rows
            if not row["key"]
            for identity in (row["name"], (start.run.path / row["path"]).resolve())
            if not (row["start"] or row["end"]) or isinstance(identity, str)
        }

    @property
    def placed(self) -> dict[str, str]:
        """Group to the split that it had in the earlier run; of several the first of `SPLITS`.

        A recording is recognised by its content, and by its group if that was given. Recordings
        that the earlier run did not read, those of the test, are recognised by file or name.
        """
        # A recording that is its own group does not identify others of the same name.
        groups = {row["group"]: row["split"] for row in self._rows if row["group"] != row["name"]}
        found: dict[str, str] = {}
        for one in self._manifest.recordings:
            key = self._key(one)
            splits = {split for split in SPLITS if key and key in self._known[split]}
            identities = (one.name, *((one.path.resolve(),) if one.excerpt == WHOLE else ()))
            splits |= {self._unread[known] for known in identities if known in self._unread}
            splits |= {groups[one.group]} if one.has_group and one.group in groups else set()
            splits |= {found[one.group]} if one.group in found else set()
            if splits:
                found[one.group] = min(splits, key=SPLITS.index)
        return found

    def refuse_leaks(self, divided: Manifest) -> None:
        """Checks that nothing is tested or validated that the weights have met.

        Args:
            divided: The data with their splits.

        Raises:
            DataError: Something is.
        """
        seen = ContentSet(
            ClipKey.parse(row["key"]) for row in self._start.run.read_seen() if row["key"]
        )
        for split, met in (("test", seen), ("validation", self._known["train"])):
            leaks = [
                one.name for one in divided.split(split) if (key := self._key(one)) and key in met
            ]
            if leaks:
                run = self._start.run
                remedy = (
                    f"start from its first training, {run.held_out.path}, or move them"
                    if run.is_refit and split == "validation"
                    else "move them to the training split, or train without a start"
                )
                raise DataError(
                    f"{divided.source}: {len(leaks)} recordings of the {SPLIT_TITLES[split]} split "
                    f"were in the training of {self._start.name}, from which this one would start: "
                    f"{', '.join(leaks[:3])}; {remedy}"
                )

    def _key(self, recording: Recording) -> ClipKey | None:
        digest = self._digests[recording.name]
        if isinstance(digest, AudioError):
            return None
        return ClipKey.of(digest, recording.excerpt)


def refuse_start_leaks(
    config: Config, manifest: Manifest, divided: Iterable[Manifest], root: Path, reporter: Reporter
) -> None:
    """Checks, before any work, that none of several trainings starts from what it is tested on.

    Args:
        config: All settings; without a start there is nothing to check.
        manifest: The data.
        divided: The data with the splits of each training.
        root: Folder of the store.
        reporter: Shows progress.

    Raises:
        ConfigError: As `open_start`.
        DataError: One does.
    """
    start = open_start(config)
    if start is not None:
        keeper = SplitKeeper(start, manifest, root, reporter)
        for one in divided:
            keeper.refuse_leaks(one)
