"""The page in Chromium, with real recordings: the labels and probabilities of Python.

What these tests need is named in `conftest.py`; without it they are skipped.
"""

import csv
import io
import json
import time

import av
import numpy as np
import pytest
import soundfile
import soxr

from earmark.data.demo import demo_data
from earmark.exporters.web.export import PACKAGE
from earmark.inference.classifier import load_model
from earmark.report.evaluate import evaluate
from earmark.system.web.pages import page_files

pytestmark = pytest.mark.slow

TOLERANCE = 1e-3
RATES = (16_000, 22_050, 44_100, 48_000)
PHONE = {"viewport": {"width": 390, "height": 844}, "is_mobile": True, "has_touch": True}
DESKTOP = {"viewport": {"width": 1280, "height": 900}}
TIMEOUT = 120_000


@pytest.fixture(scope="module")
def recordings():
    """Two real recordings, one of each label: samples and rate."""
    with demo_data() as folder:
        found = {one.parent.name: one for one in sorted(folder.rglob("*.flac"))}
        return [soundfile.read(one, dtype="float32") for _, one in sorted(found.items())]


@pytest.fixture(scope="module")
def sounds(recordings, tmp_path_factory):
    """These recordings in all formats and at all rates, and a few odd ones."""
    folder = tmp_path_factory.mktemp("sounds")
    for number, (samples, rate) in enumerate(recordings):
        for to_rate in RATES:
            sound = soxr.resample(samples, rate, to_rate).clip(-1, 1)
            for suffix in ("wav", "flac", "mp3", "ogg"):
                soundfile.write(folder / f"{number}-{to_rate}.{suffix}", sound, to_rate)
        stereo = np.stack([samples, 0.3 * np.roll(samples, 40)], axis=1)
        soundfile.write(folder / f"{number}-stereo.flac", stereo, rate, "PCM_24")
        soundfile.write(folder / f"{number}-stereo.ogg", stereo, rate)
        opus = soxr.resample(samples, rate, 48_000).clip(-1, 1)
        soundfile.write(folder / f"{number}.opus", opus, 48_000, format="OGG", subtype="OPUS")
        soundfile.write(folder / f"{number}-short.wav", samples[: rate // 3], rate)
    soundfile.write(folder / "silence.wav", np.zeros(16_000), 16_000)
    return sorted(folder.iterdir())


def analyse(page, paths):
    page.set_input_files("#files", paths)
    page.get_by_text("All done").wait_for(timeout=TIMEOUT)


def downloaded(page, button):
    with page.expect_download() as waiting:
        page.get_by_role("button", name=button, exact=True).click()
    return waiting.value.path().read_text("utf-8")


def test_files_are_predicted_as_by_python(open_page, sounds):
    page = open_page()
    analyse(page, sounds)
    rows = {
        one["path"]: one for one in csv.DictReader(io.StringIO(downloaded(page, "Results as CSV")))
    }
    classifier = load_model("speech-music")
    for path in sounds:
        expected, row = classifier.predict(path), rows[path.name]
        assert row["error"] == ""
        assert row["label"] == (expected.label or "")
        assert row["abstained"] == (expected.abstained or "")
        for label, value in expected.probabilities.items():
            found = float(row[f"probability_{label}"])
            assert found == pytest.approx(value, abs=TOLERANCE), (path.name, label)
        assert float(row["duration_seconds"]) == pytest.approx(expected.duration_seconds, abs=0.01)
    assert not page.errors


def test_segments_are_those_of_python(open_page, recordings, tmp_path):
    (first, rate), (second, _) = recordings
    gap = np.zeros(4 * rate, np.float32)
    sound = np.concatenate([np.tile(first, 3), gap, np.tile(second, 3), np.tile(first, 2)])
    soundfile.write(tmp_path / "mixed.wav", sound, rate)
    page = open_page()
    analyse(page, tmp_path / "mixed.wav")
    found = json.loads(downloaded(page, "JSON"))
    expected = load_model("speech-music").predict(tmp_path / "mixed.wav", segments=True)
    assert len(expected.segments) >= 2
    assert [one["label"] for one in found["segments"]] == [one.label for one in expected.segments]
    for one, wanted in zip(found["segments"], expected.segments, strict=True):
        assert one["start"] == pytest.approx(wanted.start, abs=1e-3)
        assert one["end"] == pytest.approx(wanted.end, abs=1e-3)
        assert one["probability"] == pytest.approx(wanted.probability, abs=TOLERANCE)
    labels = [line.split("\t") for line in downloaded(page, "Audacity labels").splitlines()]
    assert [label for _, _, label in labels] == [one.label for one in expected.segments]


def test_the_microphone_is_predicted_as_its_recording(open_page, recordings, tmp_path):
    samples, rate = recordings[1]
    fake = soxr.resample(np.tile(samples, 3), rate, 48_000).clip(-1, 1)
    soundfile.write(tmp_path / "fake.wav", fake, 48_000, "PCM_16")
    page = open_page(
        "",
        "--use-fake-device-for-media-stream",
        "--use-fake-ui-for-media-stream",
        f"--use-file-for-fake-audio-capture={tmp_path / 'fake.wav'}",
    )
    page.get_by_role("button", name="Use the microphone").click()
    page.get_by_text("Listening: 0:03").wait_for(timeout=TIMEOUT)
    # The probabilities show while the sound goes on.
    assert page.locator("#bars .number").first.text_content() != "–"
    page.get_by_role("button", name="Stop the microphone").click()
    page.get_by_text("All done").wait_for(timeout=TIMEOUT)
    [row] = csv.DictReader(io.StringIO(downloaded(page, "Results as CSV")))
    with page.expect_download() as waiting:
        page.get_by_role("button", name="Recording as WAV").click()
    saved = tmp_path / "saved.wav"
    waiting.value.save_as(saved)
    expected = load_model("speech-music").predict(saved)
    assert expected.duration_seconds > 2.5
    assert row["label"] == expected.label == "speech"
    for label, value in expected.probabilities.items():
        assert float(row[f"probability_{label}"]) == pytest.approx(value, abs=TOLERANCE)
    assert not page.errors


def test_a_file_that_is_no_sound_fails_alone(open_page, sounds, tmp_path):
    (tmp_path / "text.mp3").write_text("not sound at all, but long enough to look at")
    (tmp_path / "empty.wav").write_bytes(b"")
    cut = tmp_path / "cut.flac"
    cut.write_bytes(next(one for one in sounds if one.suffix == ".flac").read_bytes()[:20_000])
    page = open_page()
    analyse(page, [tmp_path / "text.mp3", tmp_path / "empty.wav", cut, sounds[0]])
    table = csv.DictReader(io.StringIO(downloaded(page, "Results as CSV")))
    errors = {row["path"]: row["error"] for row in table}
    assert errors["text.mp3"]
    assert errors["empty.wav"]
    assert not errors[sounds[0].name]


def test_a_folder_is_read_with_those_in_it(open_page, sounds, tmp_path):
    for name in ("a/one.wav", "b/c/two.wav"):
        (tmp_path / "folder" / name).parent.mkdir(parents=True)
        (tmp_path / "folder" / name).write_bytes(sounds[0].read_bytes())
    (tmp_path / "folder" / "notes.txt").write_text("no sound")
    page = open_page()
    page.set_input_files("#folder", tmp_path / "folder")
    page.get_by_text("All done").wait_for(timeout=TIMEOUT)
    table = csv.DictReader(io.StringIO(downloaded(page, "Results as CSV")))
    assert {row["path"] for row in table} == {"folder/a/one.wav", "folder/b/c/two.wav"}


def test_other_formats_are_decoded_by_the_browser(open_page, recordings, tmp_path):
    samples, rate = recordings[1]
    with av.open(str(tmp_path / "a.webm"), "w") as file:
        stream = file.add_stream("libopus", rate=48_000, layout="mono")
        sound = soxr.resample(samples, rate, 48_000).clip(-1, 1)
        frame = av.AudioFrame.from_ndarray(sound[None], format="flt", layout="mono")
        frame.sample_rate = 48_000
        for packet in [*stream.encode(frame), *stream.encode(None)]:
            file.mux(packet)
    page = open_page()
    analyse(page, tmp_path / "a.webm")
    [row] = csv.DictReader(io.StringIO(downloaded(page, "Results as CSV")))
    expected = load_model("speech-music").predict(tmp_path / "a.webm")
    assert row["label"] == expected.label == "speech"
    # The browser decides what it does with the start of the stream.
    for label, value in expected.probabilities.items():
        assert float(row[f"probability_{label}"]) == pytest.approx(value, abs=0.02)


def test_nothing_is_asked_of_others(open_page, site, sounds):
    page = open_page()
    asked = []
    page.on("request", lambda request: asked.append(request))
    analyse(page, sounds[:4])
    address, _ = site
    assert all(one.url.startswith((address, "blob:")) for one in asked)
    assert all(one.method == "GET" for one in asked)


def test_the_browser_refuses_to_send_elsewhere(open_page, serve, tmp_path):
    page = open_page()
    send = """(url) => fetch(url, { method: "POST", body: "sound", mode: "no-cors" })
        .then(() => 1, () => 0)"""
    with serve(tmp_path) as (address, asked):
        assert page.evaluate(send, f"{address}/page") == 0
        assert page.workers[0].evaluate(send, f"{address}/worker") == 0
    assert asked == []


def test_without_a_server_the_page_says_so(launch, tmp_path):
    for name, content in page_files(PACKAGE).items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(content)
    with launch() as browser:
        page = browser.new_page()
        page.goto((tmp_path / "index.html").as_uri())
        assert page.get_by_text("python -m http.server").is_visible()


@pytest.mark.parametrize("options", [DESKTOP, PHONE, {"color_scheme": "dark"}])
@pytest.mark.parametrize("query", ["", "?embed"])
def test_is_accessible(open_page, axe, sounds, options, query):
    page = open_page(query, **options)
    for step in ("empty", "results"):
        if step == "results":
            analyse(page, sounds[:3])
            page.locator("#segments-details summary").click()
            if not query:
                page.locator("#card summary").click()
        page.evaluate(axe)
        found = page.evaluate("axe.run()")
        problems = [
            (one["id"], [node["html"] for node in one["nodes"]]) for one in found["violations"]
        ]
        assert not problems, step


def test_labels_that_scroll_are_accessible(open_page, axe, sounds):
    page = open_page()
    # As if there were many.
    page.evaluate("document.getElementById('bars').style.maxHeight = '1rem'")
    analyse(page, sounds[:1])
    page.evaluate(axe)
    assert not page.evaluate("axe.run()")["violations"]


@pytest.mark.parametrize("options", [DESKTOP, PHONE])
def test_nothing_is_wider_than_the_screen(open_page, sounds, options):
    page = open_page(**options)
    analyse(page, sounds[:2])
    page.locator("#card summary").click()
    wide = page.evaluate(
        "document.documentElement.scrollWidth - document.documentElement.clientWidth"
    )
    assert wide <= 0


def test_the_keyboard_is_enough(open_page, sounds):
    page = open_page()
    analyse(page, sounds[:2])
    page.get_by_role("button", name=sounds[1].name).focus()
    page.keyboard.press("Enter")
    assert page.evaluate("document.activeElement.id") == "detail-title"
    assert page.locator("#detail-title").text_content() == sounds[1].name
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.id") == "play"
    page.keyboard.press("Tab")
    for _ in range(20):
        page.keyboard.press("ArrowRight")
    assert float(page.locator("#seek").input_value()) > 0.1


def test_the_page_answers_while_it_works(open_page, recordings, tmp_path):
    samples, rate = recordings[0]
    soundfile.write(
        tmp_path / "long.wav", np.tile(samples, 1 + int(240 * rate / len(samples))), rate
    )
    page = open_page()
    page.evaluate(
        """() => {
            window.longest = 0;
            const seen = (list) => list.getEntries().forEach(
                (one) => (window.longest = Math.max(window.longest, one.duration)));
            new PerformanceObserver(seen).observe({ entryTypes: ["longtask"] });
        }"""
    )
    page.set_input_files("#files", tmp_path / "long.wav")
    page.get_by_text("0:10 done").or_(page.get_by_text("All done")).first.wait_for(timeout=TIMEOUT)
    started = time.monotonic()
    assert page.evaluate("1 + 1") == 2
    assert time.monotonic() - started < 1
    page.get_by_text("All done").wait_for(timeout=TIMEOUT)
    assert page.evaluate("window.longest") < 500


def test_the_page_can_be_taught(open_page, axe, tmp_path):
    """Examples from files and the microphone; the new model is used here and by Python."""
    with demo_data() as folder:
        clips = {one: sorted(folder.rglob(f"{one}/*.flac")) for one in ("music", "speech")}
        fake = soundfile.read(clips["speech"][0], dtype="float32")
        soundfile.write(tmp_path / "fake.wav", soxr.resample(*fake, 48_000).clip(-1, 1), 48_000)
        page = open_page(
            "",
            "--use-fake-device-for-media-stream",
            "--use-fake-ui-for-media-stream",
            f"--use-file-for-fake-audio-capture={tmp_path / 'fake.wav'}",
        )
        boxes = page.locator(".class")
        for index, (name, paths) in enumerate(clips.items()):
            box = boxes.nth(index)
            box.get_by_label("Name of the sound").fill(f"my {name}")
            box.locator("input[type=file]").set_input_files(paths[1:6])
            box.get_by_text("5 examples").wait_for(timeout=TIMEOUT)
        boxes.nth(1).get_by_role("button", name="Record").click()
        time.sleep(3)
        boxes.nth(1).get_by_role("button", name="Stop").click()
        boxes.nth(1).get_by_text("6 examples").wait_for(timeout=TIMEOUT)
        page.get_by_role("button", name="Train", exact=True).click()
        page.locator("#accuracy").wait_for(timeout=TIMEOUT)
        assert "of 11 examples" in page.locator("#accuracy").text_content()
        page.evaluate(axe)
        assert not page.evaluate("axe.run()")["violations"]
        with page.expect_download() as waiting:
            page.get_by_role("button", name="Download the new model").click()
        waiting.value.save_as(tmp_path / "taught.onnx")
        page.get_by_role("button", name="Use it on this page").click()
        page.get_by_text("This page now uses the new model").wait_for(timeout=TIMEOUT)
        held_out = [path for paths in clips.values() for path in paths[6:]]
        analyse(page, held_out)
        table = csv.DictReader(io.StringIO(downloaded(page, "Results as CSV")))
        classifier = load_model(tmp_path / "taught.onnx")
        for row, path in zip(table, held_out, strict=True):
            expected = classifier.predict(path)
            assert row["label"] == expected.label
            for label, value in expected.probabilities.items():
                assert float(row[f"probability_{label}"]) == pytest.approx(value, abs=TOLERANCE)
        rows = [f"{path},my {path.parent.name},test" for path in held_out]
        (tmp_path / "held_out.csv").write_text("\n".join(["path,label,split", *rows]) + "\n")
        report = evaluate(tmp_path / "taught.onnx", tmp_path / "held_out.csv", store=tmp_path)
        assert report.accuracy > 0.8
    assert not page.errors
