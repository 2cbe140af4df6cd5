"""MPEG frames whose data a gap before them took away.

Source:
    ISO/IEC 11172-3, 2.4.1.7 and ISO/IEC 13818-3: the data of a frame of layer III may start in the
    frames before it, as far back as ``main_data_begin`` tells.
"""

from collections.abc import Iterator, Sequence
from typing import BinaryIO

from earmark.audio.formats import mpeg
from earmark.audio.formats.tags import is_tag
from earmark.audio.source import Note, lost_sound


def damage(file: BinaryIO, recordings: Sequence[mpeg.Recording]) -> list[Note]:
    """A note on what stands between frames that belong together, and is no tag.

    The first frame of an encoder needs no data from before, so files that were joined are no
    damage. Where encoders keep no data for later, nothing is found.

    Args:
        file: The file.
        recordings: What was found in it.
    """
    places = list(_places(file, recordings))
    if not places:
        return []
    num_bytes, seconds = sum(size for size, _ in places), places[0][1]
    where = f"at {seconds:.2f} s"
    if len(places) > 1:
        where = f"in {len(places)} places, the first {where},"
    return [lost_sound(f"{num_bytes} bytes {where}")]


def _places(file: BinaryIO, recordings: Sequence[mpeg.Recording]) -> Iterator[tuple[int, float]]:
    """The bytes of each gap that took data away, and when it comes."""
    start = 0.0
    for one in recordings:
        for gap, number in zip(one.gaps, one.gap_frames, strict=True):
            file.seek(gap.start)
            is_taken = not is_tag(file.read(16))
            file.seek(gap.stop)
            if is_taken and _reaches_back(file.read(8), one.format):
                yield len(gap), start + number * one.format.frame_samples / one.format.sample_rate
        start += one.num_samples / one.format.sample_rate


def _reaches_back(head: bytes, form: mpeg.Format) -> bool:
    """Whether a frame needs data of the frames before it."""
    if form.layer != 3:
        return False
    side = head[4 if head[1] & 1 else 6 :]
    num_bits = 9 if form.frame_samples == 1152 else 8
    return int.from_bytes(side[:2]) >> (16 - num_bits) > 0
