"""Headers are read once for each content."""

import pytest

from earmark.data.signals.cache import CheckCache
from earmark.data.signals.headers import Header, read_headers
from earmark.system.progress import SILENT


def test_a_header_is_read_once_for_each_content(tmp_path, write_clip, recording, monkeypatch):
    recordings = [recording(write_clip(tmp_path / f"{n}.wav", 1.5)) for n in "ab"]
    digests = {"a.wav": "same", "b.wav": "same"}
    expected = dict.fromkeys(digests, Header(16_000, 1.5))
    with CheckCache(tmp_path / "store") as cache:
        assert read_headers(recordings, digests, cache, SILENT) == expected
    monkeypatch.setattr("earmark.data.signals.headers.Job", pytest.fail)
    with CheckCache(tmp_path / "store") as cache:
        assert read_headers(recordings, digests, cache, SILENT) == expected


def test_a_file_that_cannot_be_opened_has_no_header(tmp_path, write_clip, recording):
    good = recording(write_clip(tmp_path / "good.wav"))
    (tmp_path / "bad.wav").write_text("text")
    recordings = [recording(tmp_path / "bad.wav"), good]
    with CheckCache(tmp_path) as cache:
        found = read_headers(recordings, {"bad.wav": "x", "good.wav": "y"}, cache, SILENT)
    assert [*found] == ["good.wav"]
