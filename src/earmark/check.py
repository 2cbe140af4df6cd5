"""The audit of a data set, before anything is learnt from it."""

import hashlib
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

import numpy as np

from earmark import audio
from earmark.errors import AudioError
from earmark.manifest import Manifest, Recording
from earmark.parallel import map_in_order
from earmark.progress import SILENT, Reporter

SILENT_PEAK = 1e-3
"""A recording whose largest sample is below this, -60 dB of full scale, is called silent."""


@dataclass(frozen=True)
class Finding:
    """Something that is wrong with a data set.

    Args:
        kind: ``unreadable``, ``silent`` or ``duplicate``.
        severity: An error makes figures wrong or loses data; a warning may be meant.
        paths: The recordings concerned.
        message: What is wrong and what to do about it.
    """

    kind: Literal["unreadable", "silent", "duplicate"]
    severity: Literal["error", "warning"]
    paths: tuple[str, ...]
    message: str


@dataclass(frozen=True)
class Audit:
    """What `check` found."""

    num_files: int
    findings: tuple[Finding, ...]

    @property
    def num_errors(self) -> int:
        """Number of findings that are errors."""
        return sum(finding.severity == "error" for finding in self.findings)

    def to_dict(self) -> dict[str, Any]:
        """What ``check --json`` prints."""
        return {
            "num_files": self.num_files,
            "num_errors": self.num_errors,
            "num_warnings": len(self.findings) - self.num_errors,
            "findings": [asdict(finding) for finding in self.findings],
        }


@dataclass(frozen=True)
class _Sound:
    digest: str
    peak: float


def check(
    manifest: Manifest, *, num_workers: int | None = None, reporter: Reporter = SILENT
) -> Audit:
    """Decodes every recording once and tells what is unreadable, silent or there twice.

    Two recordings are duplicates when their decoded samples are the same, so a FLAC and a WAV of
    one sound are. Memory does not grow with the length of the recordings.

    Args:
        manifest: The data, as read.
        num_workers: Threads; as many as there are processors when it is not given.
        reporter: Told of progress.
    """
    findings: list[Finding] = []
    same: dict[str, list[Recording]] = defaultdict(list)
    with reporter.track("check", len(manifest)) as task:
        for recording, future in map_in_order(_listen, manifest.recordings, num_workers):
            task.advance(note=recording.name)
            try:
                sound = future.result()
            except AudioError as error:
                findings.append(Finding("unreadable", "error", (recording.name,), str(error)))
                continue
            if sound.peak < SILENT_PEAK:
                findings.append(_silent(recording, sound.peak))
            else:
                same[sound.digest].append(recording)
    return Audit(len(manifest), (*findings, *_duplicates(manifest, same)))


def _listen(recording: Recording) -> _Sound:
    digest = hashlib.blake2b(digest_size=16)
    peak = 0.0
    for block in audio.stream(recording.path, excerpt=recording.excerpt):
        digest.update(block.tobytes())
        peak = max(peak, float(np.abs(block).max()))
    return _Sound(digest.hexdigest(), peak)


def _silent(recording: Recording, peak: float) -> Finding:
    level = f"its peak is {20 * np.log10(peak):.0f} dB" if peak else "every sample is zero"
    message = f"{recording.path}: silent, {level}; take it out or record it again"
    return Finding("silent", "warning", (recording.name,), message)


def _duplicates(manifest: Manifest, same: Mapping[str, Sequence[Recording]]) -> list[Finding]:
    findings = []
    undivided = {one.name for one in manifest.undivided}
    for recordings in same.values():
        if len(recordings) < 2:
            continue
        names = tuple(one.name for one in recordings)
        listed = ", ".join(names)
        if len({one.labels for one in recordings}) > 1:
            message = f"the same sound has different labels: {listed}; correct the label"
        elif len({one.split for one in recordings}) > 1:
            message = f"the same sound is in different splits: {listed}; keep one of them"
        elif len({one.group for one in recordings if one.name in undivided}) > 1:
            message = (
                f"the same sound is in different groups: {listed}; keep one, or a split may put "
                "them on both sides"
            )
        else:
            message = f"the same sound is there {len(names)} times: {listed}; keep one of them"
            findings.append(Finding("duplicate", "warning", names, message))
            continue
        findings.append(Finding("duplicate", "error", names, message))
    return findings
