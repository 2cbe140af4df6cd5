"""The finding about names that look like groups."""

from pathlib import Path

from earmark.audit.names import name_findings
from earmark.data.manifest import Manifest
from earmark.data.recording import Recording


def manifest(names):
    recordings = tuple(
        Recording(Path(name), name, (name.partition("/")[0],), group=name) for name in names
    )
    return Manifest(Path("data"), recordings, ("no", "yes"))


def test_files_of_a_speaker_are_named_with_the_pattern():
    names = [f"{label}/{who:08x}_nohash_0.wav" for label in ("no", "yes") for who in range(5)]
    alone = "yes/0000ffff_nohash_0.wav"
    (finding,) = name_findings(manifest([*names, alone]))
    assert (finding.kind, finding.severity) == ("likely_groups", "warning")
    assert finding.paths == tuple(names)
    assert '--group-from "{speaker}_nohash_*"' in finding.message


def test_numbered_clips_have_no_finding():
    names = [f"{label}/clip{n:03}.wav" for label in ("no", "yes") for n in range(50)]
    assert not list(name_findings(manifest(names)))
