import io

import av
import pytest

from earmark.audio.player import MAX_SECONDS, encode_for_player
from earmark.errors import AudioError


def seconds(content):
    with av.open(io.BytesIO(content)) as container:
        return sum(frame.samples for frame in container.decode(audio=0)) / 16_000


@pytest.mark.parametrize(
    ("start", "end", "expected"),
    [(0.0, None, MAX_SECONDS), (1.0, 3.0, 2.0), (0.5, 9.5, MAX_SECONDS), (9.0, None, 1.0)],
)
def test_a_player_gets_the_first_seconds_of_an_excerpt(tmp_path, write_clip, start, end, expected):
    path = write_clip(tmp_path / "a.wav", seconds=10.0)
    assert seconds(encode_for_player(path, start, end)) == pytest.approx(expected, abs=0.15)


def test_what_cannot_be_read_is_an_error(tmp_path):
    with pytest.raises(AudioError):
        encode_for_player(tmp_path / "missing.wav", 0.0)
