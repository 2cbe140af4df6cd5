"""Test clips whose sound a model was trained on in other files: converted, retagged or cut ones.

Files are compared by their content first (`held_out`); here decoded sound is, by fingerprint.
"""

import logging
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePath

from earmark.data.content import Clip
from earmark.data.fingerprinting import fingerprint_clips
from earmark.data.manifest import Manifest
from earmark.evaluation.held_out import SeenData, require_left
from earmark.features.digests import ContentDigests
from earmark.features.fingerprint_cache import FingerprintCache, KeptFingerprints
from earmark.features.matches import find_matches, find_matches_between
from earmark.features.store import ClipKey
from earmark.system.numbers import counted
from earmark.system.progress import Reporter
from earmark.system.runtime import Runtime

logger = logging.getLogger(__name__)

_LISTED = 3


@dataclass(frozen=True)
class SeenSound:
    """Clips compared with what a model was trained and validated on.

    Args:
        copies: Name of each clip that shares sound, to the name of a recording it shares it with.
        namesakes: The same for the other clips, with a recording whose file has the same name.
        not_compared: Recordings that have no fingerprint, because their files are gone.
    """

    copies: dict[str, str]
    namesakes: dict[str, str]
    not_compared: frozenset[str]


def compare_sound(
    clips: Sequence[Clip],
    manifest: Manifest,
    seen: SeenData,
    root: Path,
    runtime: Runtime,
) -> SeenSound:
    """Compares the sound of clips with what a model was trained and validated on.

    The fingerprints of both are kept in the store. Those of training recordings that are missing
    there are computed from their files, where the data or the store name them.

    Args:
        clips: What is to be tested.
        manifest: The data, which may hold the training recordings too.
        seen: What the model was trained and validated on.
        root: Folder of the store.
        runtime: The first process computes fingerprints, the others wait.
    """
    if not runtime.is_main:
        runtime.wait()
    with ContentDigests(root) as digests, FingerprintCache(root) as cache:
        files = _files(clips, manifest, seen, digests)
        compared = set(fingerprint_clips(files, cache, digests, runtime.reporter).keys)
        known = [(name, key) for name, key in seen.keys.items() if key in compared]
        copies = _find_copies([one for one in clips if one.key in compared], known, cache)
    if runtime.is_main:
        runtime.wait()
    stems = {PurePath(name).stem: name for name in seen.keys}
    return SeenSound(
        copies,
        namesakes={
            clip.name: stems[stem]
            for clip in clips
            if clip.name not in copies and (stem := PurePath(clip.name).stem) in stems
        },
        not_compared=frozenset(name for name, key in seen.keys.items() if key not in compared),
    )


def _files(
    clips: Iterable[Clip], manifest: Manifest, seen: SeenData, digests: ContentDigests
) -> dict[ClipKey, list[Path]]:
    """Each clip and seen recording with the files that may hold it."""
    paths = {one.name: one.path for one in manifest.recordings}
    kept = digests.files_of({key.digest for key in seen.keys.values()})
    files = {clip.key: [paths[clip.name]] for clip in clips}
    for name, key in seen.keys.items():
        places = (seen.files.get(name), paths.get(name))
        here = [path for path in places if path is not None]
        files.setdefault(key, []).extend([*here, *kept.get(key.digest, [])])
    return files


def _find_copies(
    clips: Sequence[Clip], known: Sequence[tuple[str, ClipKey]], cache: FingerprintCache
) -> dict[str, str]:
    """Name of each clip that shares sound, to the name of the recording it shares most with.

    Excerpts of one file share it as the data define them.
    """
    first = KeptFingerprints(cache, [key for _, key in known])
    second = KeptFingerprints(cache, [clip.key for clip in clips])
    matches = find_matches_between(first, second) if clips and known else []
    copies = {}
    for match in sorted(matches, key=lambda one: max(one.coverage)):
        (name, key), clip = known[match.first], clips[match.second]
        if key.digest != clip.key.digest:
            copies[clip.name] = name
    return copies


def report_copies(clips: Sequence[Clip], found: SeenSound, manifest: Manifest) -> list[Clip]:
    """The clips to test on, after a warning or a note about those that may have been seen.

    Args:
        clips: As for `compare_sound`.
        found: What that found.
        manifest: The data; clips that share sound are left out where they came without splits,
            and only reported where they are a test split.

    Raises:
        DataError: No clip is left.
    """
    _report_namesakes(found)
    if not found.copies:
        return list(clips)
    listed = _list(found.copies)
    if manifest.has_splits:
        logger.warning(
            f"{counted(len(found.copies), 'test clip')} sharing sound with training or validation "
            f"recordings in other files: {listed}; remove them, or the metrics are optimistic"
        )
        return list(clips)
    logger.info(
        f"note: {counted(len(found.copies), 'clip')} sharing sound with training or validation "
        f"recordings in other files: {listed}; left out"
    )
    left = [one for one in clips if one.name not in found.copies]
    require_left(manifest, left)
    return left


def report_shared_sound(
    manifest: Manifest, keys: Mapping[str, ClipKey], root: Path, reporter: Reporter
) -> None:
    """Warns of recordings that share sound with others in another fold, though the files differ.

    Args:
        manifest: The data, divided into folds; every recording has a key.
        keys: Name of each recording to its content.
        root: Folder of the store.
        reporter: Shows the computation of fingerprints.
    """
    recordings = manifest.recordings
    files = {keys[one.name]: [one.path] for one in recordings}
    with ContentDigests(root) as digests, FingerprintCache(root) as cache:
        fingerprint_clips(files, cache, digests, reporter)
        matches = find_matches(KeptFingerprints(cache, [keys[one.name] for one in recordings]))
    pairs = {}
    for match in matches:
        one, other = recordings[match.first], recordings[match.second]
        if one.fold != other.fold and keys[one.name].digest != keys[other.name].digest:
            pairs[other.name] = one.name
    if pairs:
        logger.warning(
            f"{counted(len(pairs), 'recording')} sharing sound with other files in another fold: "
            f"{_list(pairs)}; give them one group, or the metrics are optimistic"
        )


def _report_namesakes(found: SeenSound) -> None:
    """Reports clips with the file names of seen recordings, the louder the likelier a copy is."""
    if found.not_compared:
        number = counted(len(found.not_compared), "training or validation recording")
        logger.info(
            f"note: {number} compared by content and name only: the files are gone or have changed"
        )
    uncertain = {
        name: other
        for name, other in found.namesakes.items()
        if found.copies or other in found.not_compared
    }
    if uncertain:
        logger.warning(
            f"{counted(len(uncertain), 'test clip')} with the file name of a training or "
            f"validation recording: {_list(uncertain)}; if they are the same sound, the metrics "
            "are optimistic"
        )


def _list(pairs: dict[str, str]) -> str:
    listed = ", ".join(f"{name} ({other})" for name, other in list(pairs.items())[:_LISTED])
    return f"{listed} and {len(pairs) - _LISTED} more" if len(pairs) > _LISTED else listed
