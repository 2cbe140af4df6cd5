import re
from html.parser import HTMLParser

import pytest

from earmark.inference import notebook
from earmark.inference.predictions import Prediction
from earmark.inference.segmentation.segments import Segment
from earmark.tasks.task import MULTI_LABEL

EVIL = "<script>alert('x')</script>&\"\udce9"


class Tags(HTMLParser):
    def __init__(self, page):
        super().__init__()
        self.counts = {}
        self.feed(page)

    def handle_starttag(self, tag, attributes):
        self.counts[tag] = self.counts.get(tag, 0) + 1


def predicted(path, segments=None, **more):
    probabilities = {"a": 0.75, EVIL: 0.25}
    return Prediction(path, ("a",), probabilities, 2.0, segments=segments, **more)


def test_a_label_has_a_bar_and_a_short_file_a_player(tmp_path, write_clip):
    tags = Tags(predicted(write_clip(tmp_path / "a.wav", 2.0))._repr_html_()).counts
    assert (tags["audio"], tags["tr"]) == (1, 2)
    assert "svg" not in tags


@pytest.mark.parametrize(("task", "num_lanes"), [({}, 1), ({"task": MULTI_LABEL}, 2)])
def test_a_segment_is_a_mark_on_its_lane(tmp_path, task, num_lanes):
    segments = (Segment(0.0, 1.5, EVIL, 0.8), Segment(1.5, 2.0, "a", 0.9))
    page = predicted(tmp_path / "a.wav", segments, **task)._repr_html_()
    tags = Tags(page).counts
    assert tags["rect"] == 2
    assert "audio" not in tags
    assert f'height="{20 * num_lanes}"' in page
    widths = {float(one) for one in re.findall(r'width="([\d.]+)%" y', page)}
    assert widths == {75.0, 25.0}


def test_names_are_escaped(tmp_path):
    page = predicted(tmp_path / EVIL / "a.wav", (Segment(0.0, 2.0, EVIL, 0.8),))._repr_html_()
    assert "script" not in Tags(page).counts
    page.encode()


def test_an_abstention_names_its_reason(tmp_path):
    page = Prediction(tmp_path / "a.wav", (), {"a": 0.5}, 2.0, abstained="silence")._repr_html_()
    assert "silence" in page


def test_a_large_file_has_no_player(tmp_path, write_clip, monkeypatch):
    path = write_clip(tmp_path / "a.wav")
    monkeypatch.setattr(notebook, "MAX_PLAYER_BYTES", path.stat().st_size - 1)
    assert "audio" not in Tags(predicted(path)._repr_html_()).counts


def test_colours_repeat_where_there_are_many_labels():
    colours = notebook.label_colours([str(n) for n in range(20)])
    assert len(colours) == 20
    assert colours["0"] == colours["8"]
