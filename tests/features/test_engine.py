"""Features that an executor computes are those of this process."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from earmark.audio.source import Excerpt
from earmark.config import FeatureConfig
from earmark.data.preparation import prepare_recordings
from earmark.data.recording import Recording
from earmark.features.store import FeatureStore


@pytest.fixture
def recordings(tmp_path, write_clip, monkeypatch):
    """Clips, an excerpt, a copy of a clip, and two empty files."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("earmark.system.executors.CHUNK_ITEMS", 2)
    names = [write_clip(Path(f"{number}.wav"), 1.5, seed=number) for number in range(3)]
    Path("copy.wav").write_bytes(names[0].read_bytes())
    Path("bad.wav").touch()
    Path("worse.wav").touch()
    paths = [*names, Path("copy.wav"), Path("bad.wav"), Path("worse.wav")]
    found = [Recording(path, path.name, ("a",), "") for path in paths]
    return [*found, Recording(names[1], "excerpt", ("a",), "", excerpt=Excerpt(0.5, 1.0))]


def test_the_store_has_the_same_bytes(tmp_path, recordings):
    def prepare(name, executor=None):
        store = FeatureStore(tmp_path / name, FeatureConfig())
        prepared = prepare_recordings(recordings, store, num_workers=1, executor=executor)
        [data] = store.folder.glob("*.f16")
        return prepared.keys, prepared.skipped, prepared.num_computed, data.read_bytes()

    with ThreadPoolExecutor(2) as executor:
        spread = prepare("spread", executor)
    assert spread == prepare("local")
    assert spread[2] == 4
    assert [one.path for one in spread[1]] == ["bad.wav", "worse.wav"]


def test_what_is_stored_is_not_computed_again(tmp_path, recordings):
    store = FeatureStore(tmp_path / "store", FeatureConfig())
    with ThreadPoolExecutor(2) as executor:
        numbers = [
            prepare_recordings(recordings, store, executor=executor).num_computed for _ in range(2)
        ]
    assert numbers == [4, 0]
