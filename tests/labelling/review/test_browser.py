"""The page in Chromium, with the program behind it and from disk."""

import json
import signal
import subprocess
import sys

import pytest
import soundfile

from earmark.data.demo import demo_data
from earmark.data.manifest import read_manifest

pytestmark = pytest.mark.slow

PHONE = {"viewport": {"width": 390, "height": 844}, "is_mobile": True, "has_touch": True}
DESKTOP = {"viewport": {"width": 1280, "height": 900}}
DARK = {"color_scheme": "dark"}
TIMEOUT = 30_000


@pytest.fixture
def data(tmp_path):
    """A queue of real recordings: six whole ones, two excerpts of a long one, and a bad one."""
    rows = []
    with demo_data() as folder:
        for label in ("music", "speech"):
            for path in sorted(folder.rglob(f"{label}/*.flac"))[:3]:
                target = tmp_path / f"{label}-{path.name}"
                target.write_bytes(path.read_bytes())
                rows.append(f"{target.name},{label},,,speech,0.9,0.5,a reason")
        samples, rate = soundfile.read(path)
    soundfile.write(tmp_path / "long.wav", [*samples, *samples, *samples], rate)
    rows += ["long.wav,speech,1,2,music,0.6,0.7,novel", "long.wav,music,3,4,speech,0.55,0.9,novel"]
    (tmp_path / "bad.wav").write_text("no sound")
    rows.append("bad.wav,,,,,,,")
    head = "path,label,start,end,predicted,probability,score,reason"
    (tmp_path / "queue.csv").write_text("\n".join([head, *rows]) + "\n")
    return tmp_path


def earmark(*arguments, cwd):
    program = "from earmark.cli import main; main()"
    return [sys.executable, "-c", program, *map(str, arguments)], {"cwd": cwd}


@pytest.fixture
def program(data):
    """Starts `earmark review` of the queue: a function of its options that gives its address."""
    started = []

    def start(*options):
        command, where = earmark(
            "review", "queue.csv", "--no-open", "--port", "0", *options, cwd=data
        )
        process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True, **where)
        started.append(process)
        for line in process.stderr:
            if "http://" in line:
                process.address = f"http://{line.split('http://')[1].split('/')[0]}/"
                return process
        raise AssertionError("no address")

    yield start
    for process in started:
        process.kill()
        process.wait()
        process.stderr.close()


@pytest.fixture
def browser(launch):
    with launch("--autoplay-policy=no-user-gesture-required") as opened:
        yield opened


@pytest.fixture
def open_page(browser):
    """Opens an address in a new window."""

    def start(address, **options):
        page = browser.new_context(**{**DESKTOP, **options}).new_page()
        return show(page, address)

    return start


def show(page, address):
    page.errors = []
    page.on("pageerror", lambda error: page.errors.append(str(error)))
    page.goto(address)
    page.locator("html[data-ready]").wait_for(state="attached", timeout=TIMEOUT)
    return page


def entries(data):
    log = data / "labels.answers.jsonl"
    return [json.loads(line) for line in log.read_text().splitlines()] if log.exists() else []


def wait_for_answers(page, data, number):
    for _ in range(100):
        if len(entries(data)) == number:
            return entries(data)
        page.wait_for_timeout(50)
    raise AssertionError(f"{len(entries(data))} answers instead of {number}")


def until(page, condition):
    """Waits; the policy of the page forbids what Playwright has for this."""
    for _ in range(200):
        if page.evaluate(condition):
            return
        page.wait_for_timeout(50)
    raise AssertionError(condition)


def stop(process):
    process.send_signal(signal.SIGINT)
    assert process.wait(20) == 0


def reviewed(data):
    found = read_manifest(data / "labels.csv").recordings
    return {one.name: one.labels for one in found if one.extra["reviewed"] == "yes"}


def test_a_queue_is_labelled_by_keys_alone(program, open_page, data):
    process = program("--labels", "speech,music")
    page = open_page(process.address)
    names = [page.locator("#clip-title").text_content()]
    for key in ("1", "2", "u", "s", "2"):
        page.keyboard.press(key)
        names.append(page.locator("#clip-title").text_content())
        assert page.evaluate("document.activeElement.id") == "clip-title"
    assert len({*names}) == 6
    page.keyboard.press("z")
    assert page.locator("#clip-title").text_content() == names[4]
    page.keyboard.press("l")
    page.keyboard.type("noise")
    page.keyboard.press("Enter")
    said = [one["answer"]["verdict"] for one in wait_for_answers(page, data, 7)]
    assert said == ["labelled", "labelled", "unsure", "skipped", "labelled", "undone", "labelled"]
    page.keyboard.press("ArrowLeft")
    assert page.locator("#clip-title").text_content() == names[4]
    assert "noise" in page.locator("#verdict").text_content()
    assert "5 of 9" in page.locator("#done-text").text_content()
    assert not page.errors
    stop(process)
    assert reviewed(data) == {names[0]: ("speech",), names[1]: ("music",), names[4]: ("noise",)}
    assert names[2] not in {one.name for one in read_manifest(data / "labels.csv").recordings}


def test_the_clip_is_played_and_stops_at_its_end(program, open_page):
    page = open_page(f"{program().address}#text=long.wav")
    page.locator("#audio[src]").wait_for(state="attached")
    until(page, "document.getElementById('audio').readyState >= 2")
    page.keyboard.press(" ")
    until(page, "!document.getElementById('audio').paused")
    until(page, "document.getElementById('audio').paused")
    # The excerpt from 1 to 2 s is shown from 0 s on.
    assert page.evaluate("document.getElementById('audio').currentTime") == pytest.approx(
        2, abs=0.2
    )


def test_a_segment_is_drawn_moved_and_typed(program, open_page, data):
    process = program()
    page = open_page(f"{process.address}#text=long.wav")
    until(page, "document.getElementById('segment').offsetWidth > 4")
    box = page.locator("#view").bounding_box()
    shown = page.evaluate("document.getElementById('audio').duration")

    def drag(start, end, y=0.3):
        page.mouse.move(box["x"] + start / shown * box["width"], box["y"] + y * box["height"])
        page.mouse.down()
        for part in (0.3, 0.6, 1.0):
            at = start + part * (end - start)
            page.mouse.move(box["x"] + at / shown * box["width"], box["y"] + y * box["height"])
        page.mouse.up()

    def segment():
        return [float(page.locator(f"#{name}").input_value()) for name in ("start", "end")]

    assert segment() == [1, 2]
    drag(3.0, 4.5)
    assert segment() == pytest.approx([3.0, 4.5], abs=0.03)
    drag(4.0, 3.5)
    assert segment() == pytest.approx([2.5, 4.0], abs=0.06)
    drag(4.0, 4.4)
    assert segment() == pytest.approx([2.5, 4.4], abs=0.06)
    page.locator("#start").fill("2.25")
    page.locator("#start").press("Tab")
    assert segment()[0] == 2.25
    page.locator("#clip-title").focus()
    page.keyboard.press("r")
    assert segment() == [1, 2]
    drag(3.0, 4.5)
    page.keyboard.press("Enter")
    (entry,) = wait_for_answers(page, data, 1)
    assert (entry["start"], entry["end"]) == (1, 2)
    assert [entry["answer"][name] for name in ("start", "end")] == pytest.approx([3, 4.5], abs=0.03)
    assert not page.errors


def test_two_tabs_do_not_overwrite_each_other(program, open_page, data):
    process = program("--labels", "speech,music")
    first, second = (open_page(process.address) for _ in range(2))
    first.keyboard.press("1")
    wait_for_answers(first, data, 1)
    second.keyboard.press("2")
    log = wait_for_answers(second, data, 2)
    assert [one["accepted"] for one in log] == [True, False]
    second.keyboard.press("ArrowLeft")
    second.get_by_role("button", name="Use music").wait_for()
    assert second.get_by_role("button", name="Keep speech").is_visible()
    second.get_by_role("button", name="Use music").click()
    log = wait_for_answers(second, data, 3)
    assert log[-1]["accepted"]
    assert log[-1]["answer"]["labels"] == ["music"]
    # The other tab hears of it.
    first.keyboard.press("ArrowLeft")
    first.get_by_text("Saved: music").wait_for(timeout=TIMEOUT)


def test_answers_outlive_a_killed_program_and_a_closed_tab(program, open_page, data, browser):
    process = program("--labels", "speech,music")
    page = browser.new_context(**DESKTOP).new_page()
    show(page, process.address)
    page.keyboard.press("1")
    wait_for_answers(page, data, 1)
    process.kill()
    process.wait()
    page.keyboard.press("2")
    page.keyboard.press("2")
    page.get_by_role("alert").wait_for(timeout=TIMEOUT)
    port = process.address.split(":")[2].strip("/")
    context = page.context
    page.close()
    again = program("--labels", "speech,music", "--port", port)
    page = show(context.new_page(), again.address)
    log = wait_for_answers(page, data, 3)
    assert [one["answer"]["labels"] for one in log] == [["speech"], ["music"], ["music"]]
    page.get_by_text("3 of 9 done").wait_for(timeout=TIMEOUT)


def test_a_bad_file_is_shown_and_may_be_answered(program, open_page, data):
    page = open_page(f"{program().address}#text=bad")
    page.locator("#clip-error:not([hidden])").wait_for(timeout=TIMEOUT)
    assert "bad.wav" in page.locator("#clip-error").text_content()
    page.keyboard.press("u")
    wait_for_answers(page, data, 1)
    page.locator("#filters").evaluate("one => one.open = true")
    page.get_by_role("button", name="Show all").click()
    page.keyboard.press("ArrowLeft")
    page.locator("#clip-error[hidden]").wait_for(state="attached", timeout=TIMEOUT)
    assert not page.errors


def test_the_address_filters_and_sorts(program, open_page):
    address = program().address
    page = open_page(f"{address}#label=music&predicted=speech")
    assert page.locator("#list li").count() == 4
    page.goto(f"{address}#sort=score")
    page.get_by_text("9 clips").wait_for()
    assert "3.00 s" in page.locator("#list li").first.text_content()


def test_a_page_from_disk_hands_its_answers_back(program, open_page, data, tmp_path):
    command, where = earmark("review", "queue.csv", "--static", "page.html", "-n", 8, cwd=data)
    subprocess.run(command, check=True, **where)
    moved = tmp_path / "elsewhere" / "page.html"
    moved.parent.mkdir()
    (data / "page.html").rename(moved)
    page = open_page(moved.as_uri())
    asked = []
    page.on("request", lambda one: asked.append(one.url))
    assert str(data) not in moved.read_text()
    until(page, "document.getElementById('audio').readyState >= 2")
    page.keyboard.press(" ")
    until(page, "document.getElementById('audio').currentTime > 0.1")
    name = page.locator("#clip-title").text_content()
    for key in ("2", "1", "u", "z", "1"):
        page.keyboard.press(key)
    page.reload()
    page.locator("html[data-ready]").wait_for(state="attached", timeout=TIMEOUT)
    assert "3 of 8" in page.locator("#done-text").text_content()
    with page.expect_download() as waiting:
        page.get_by_role("button", name="Download the answers").click()
    waiting.value.save_as(data / "answers.json")
    assert all(one.startswith(("file:", "blob:", "data:")) for one in asked)
    assert not page.errors
    for number in (1, 2):
        command, where = earmark("review", "queue.csv", "--answers", "answers.json", cwd=data)
        subprocess.run(command, check=True, **where)
        assert len(entries(data)) == 3, number
    found = reviewed(data)
    assert len(found) == 3
    assert found[name] == ("speech",)
    # Changed answers of the same page replace those that were handed back before.
    page.keyboard.press("ArrowLeft")
    page.keyboard.press("ArrowLeft")
    page.keyboard.press("ArrowLeft")
    page.keyboard.press("1")
    with page.expect_download() as waiting:
        page.get_by_role("button", name="Download the answers").click()
    waiting.value.save_as(data / "answers.json")
    command, where = earmark("review", "queue.csv", "--answers", "answers.json", cwd=data)
    subprocess.run(command, check=True, **where)
    assert reviewed(data)[name] == ("music",)
    assert all(one["accepted"] for one in entries(data))


@pytest.mark.parametrize("options", [DESKTOP, PHONE, {**DESKTOP, **DARK}, {**PHONE, **DARK}])
def test_is_accessible_and_fits_the_screen(program, open_page, axe, options):
    page = open_page(program("--multi-label").address, **options)
    page.evaluate(axe)
    for step in ("clip", "chosen", "filters", "error", "keys"):
        if step == "chosen":
            page.locator("#choices button").first.click()
        elif step == "filters":
            page.locator("#filters summary").click()
        elif step == "error":
            page.locator("#filter-text").fill("bad")
            page.locator("#clip-error:not([hidden])").wait_for(timeout=TIMEOUT)
        elif step == "keys":
            page.get_by_role("button", name="Keys").click()
        found = page.evaluate("axe.run()")["violations"]
        assert not [(one["id"], [node["html"] for node in one["nodes"]]) for one in found], step
        wide = "document.documentElement.scrollWidth - document.documentElement.clientWidth"
        assert page.evaluate(wide) <= 0, step
    assert not page.errors


def test_keys_can_be_switched_off(program, open_page, data):
    page = open_page(program().address)
    page.keyboard.press("?")
    page.get_by_label("Use these keys").uncheck()
    page.get_by_role("button", name="Close").click()
    page.locator("#clip-title").focus()
    page.keyboard.press("1")
    page.wait_for_timeout(500)
    assert entries(data) == []


def test_several_labels_are_saved_together(program, open_page, data):
    page = open_page(program("--multi-label", "--labels", "speech,music,noise").address)
    chosen = page.locator("#choices [aria-pressed=true]").all_text_contents()
    assert len(chosen) == 1
    for key in ("1", "3", "2"):
        page.keyboard.press(key)
    page.keyboard.press("Enter")
    (entry,) = wait_for_answers(page, data, 1)
    assert entry["answer"]["labels"] == ["noise", "speech"]


def test_earlier_and_later_sound_is_shown(program, open_page):
    page = open_page(f"{program('--context', '0.5').address}#text=long.wav")
    duration = "document.getElementById('audio').duration"
    until(page, f"Math.abs({duration} - 2) < 0.1")
    page.get_by_role("button", name="Wider").click()
    until(page, f"Math.abs({duration} - 4) < 0.1")
    page.get_by_role("button", name="Later").click()
    until(page, "document.getElementById('canvas').ariaLabel.includes('1.00')")
