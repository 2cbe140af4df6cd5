"""What a decoder does to its worker is an error of the file."""

import pytest

from earmark.config import FeatureConfig
from earmark.errors import AudioError
from earmark.features.extraction import extraction_job, extraction_pool


@pytest.mark.parametrize(
    ("name", "fault"), [("crash", "crashed"), ("hang", "timeout"), ("memory", "memory")]
)
def test_the_error_names_the_file_and_the_fault(tmp_path, write_clip, hostile_decoder, name, fault):
    path = write_clip(tmp_path / f"{name}.wav")
    with extraction_pool(FeatureConfig()) as pool, pytest.raises(AudioError) as caught:
        list(pool.stream(extraction_job(path)))
    assert caught.value.fault == fault
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_errors_of_the_file_itself_keep_their_fault(tmp_path):
    (tmp_path / "a.wav").write_bytes(b"")
    with extraction_pool(FeatureConfig()) as pool:
        for name, fault in {"a.wav": "empty", "b.wav": "missing"}.items():
            with pytest.raises(AudioError, match=name) as caught:
                list(pool.stream(extraction_job(tmp_path / name)))
            assert caught.value.fault == fault
