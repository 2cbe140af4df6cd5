"""The folder of a page: whole, closed in itself, and never written over something else."""

import hashlib
import json
import re
from html.parser import HTMLParser
from pathlib import Path, PurePosixPath

import numpy as np
import pytest
import soundfile

from earmark.errors import ConfigError, ExportError
from earmark.exporters.targets import export
from earmark.exporters.web import runtime
from earmark.exporters.web.export import PACKAGE, find_card
from earmark.inference.classifier import load_model
from earmark.system.web.pages import page_files

TEXTS = (".html", ".css", ".js", ".svg")
IMPORT = re.compile(r'(?:from|import)\s+"([^"]+)"|import\("([^"]+)"|new URL\("([^"]+)", import')
MAX_LINES = 350


@pytest.fixture(scope="module")
def package(tmp_path_factory):
    """A stand-in for onnxruntime-web, since tests have no network."""
    folder = tmp_path_factory.mktemp("package")
    for name in runtime.DIGESTS:
        (folder / name).write_text(f"// {name}\n")
    return folder


@pytest.fixture(scope="module")
def known_package(package):
    digests = {
        name: hashlib.sha256((package / name).read_bytes()).hexdigest() for name in runtime.DIGESTS
    }
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(runtime, "DIGESTS", digests)
        # The comparison with the original is tested elsewhere.
        patch.setattr("earmark.exporters.parity.LONG_SECONDS", 5.0)
        yield package


@pytest.fixture(scope="module")
def page(known_package, tmp_path_factory):
    folder = tmp_path_factory.mktemp("web") / "page"
    exported = export("speech-music", folder, to="web", runtime=known_package)
    assert exported.path == folder
    return folder


class _Links(HTMLParser):
    def __init__(self):
        super().__init__()
        self.found = []

    def handle_starttag(self, tag, attrs):
        self.found += [value for name, value in attrs if name in ("src", "href", "action")]


def test_holds_all_files_and_nothing_else(page):
    found = {one.relative_to(page).as_posix() for one in page.rglob("*") if one.is_file()}
    own = {"model.json", "model.onnx", "model_card.md", *(f"runtime/{n}" for n in runtime.DIGESTS)}
    assert found == {*page_files(PACKAGE), *own}
    assert "music" in (page / "model_card.md").read_text("utf-8")


def test_facts_are_those_of_the_model(page):
    facts = json.loads((page / "model.json").read_text("utf-8"))
    spec = load_model("speech-music").spec
    assert facts["labels"] == list(spec.labels)
    assert facts["task"] == spec.task.name
    assert facts["window_frames"] == spec.window_frames
    assert facts["thresholds"] == list(spec.thresholds)
    assert facts["features"]["sample_rate"] == spec.config.features.sample_rate
    assert facts["min_segment_seconds"] == spec.config.predict.min_segment_seconds
    assert facts["name"] == "speech-music"


def test_the_model_of_a_page_predicts(page, tmp_path):
    sound = 0.1 * np.random.default_rng(0).standard_normal(16_000)
    soundfile.write(tmp_path / "a.wav", sound, 16_000)
    found = load_model(page / "model.onnx").predict(tmp_path / "a.wav")
    expected = load_model("speech-music").predict(tmp_path / "a.wav")
    assert found.probabilities == pytest.approx(expected.probabilities, abs=1e-4)


def test_nothing_is_loaded_from_elsewhere():
    for name, content in page_files(PACKAGE).items():
        if not name.endswith(TEXTS):
            continue
        text = content.decode()
        # The name of a format of XML is no address.
        text = text.replace("http://www.w3.org/2000/svg", "")
        assert not re.search(r"(?:https?|wss?)://|[\"'(]//", text), name


def test_every_link_and_import_is_a_file_of_the_page(page):
    parser = _Links()
    parser.feed((page / "index.html").read_text("utf-8"))
    targets = [link for link in parser.found if not link.startswith("#")]
    assert targets
    for path in page.rglob("*.js"):
        for match in IMPORT.findall(path.read_text("utf-8")):
            (link,) = filter(None, match)
            folder = PurePosixPath(path.parent.relative_to(page).as_posix())
            targets.append((folder / link).as_posix())
    for target in targets:
        assert (page / target).resolve().is_file(), target
        assert (page / target).resolve().is_relative_to(page.resolve())


def test_the_browser_may_send_sound_nowhere():
    index = page_files(PACKAGE)["index.html"].decode()
    policy = re.search(r'Security-Policy" content="([^"]+)"', index)
    rules = dict(one.strip().split(" ", 1) for one in policy[1].split(";"))
    assert rules["default-src"] == "'none'"
    assert rules["connect-src"] == "'self'"
    assert "form-action" in rules
    assert not any("*" in rule or "http" in rule for rule in rules.values())


def test_modules_are_small():
    for name, content in page_files(PACKAGE).items():
        if name.endswith(TEXTS):
            assert content.count(b"\n") < MAX_LINES, name


def test_an_earlier_page_of_the_model_is_replaced(page, known_package):
    (page / "index.html").write_text("old")
    export("speech-music", page, to="web", runtime=known_package)
    assert (page / "index.html").read_bytes() == page_files(PACKAGE)["index.html"]


def test_something_else_is_not_replaced(known_package, tmp_path):
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(ConfigError, match="other files"):
        export("speech-music", tmp_path, to="web", runtime=known_package)
    with pytest.raises(ConfigError, match="file"):
        export("speech-music", tmp_path / "notes.txt", to="web", runtime=known_package)
    assert [one.name for one in tmp_path.iterdir() if one.is_file()] == ["notes.txt"]


@pytest.mark.parametrize("facts", ['{"mine": 1}', "[]", "no JSON"])
def test_a_model_json_of_others_makes_no_page(facts, known_package, tmp_path):
    (tmp_path / "model.json").write_text(facts)
    (tmp_path / "index.html").write_text("mine")
    with pytest.raises(ConfigError, match="other files"):
        export("speech-music", tmp_path, to="web", runtime=known_package)
    assert (tmp_path / "index.html").read_text() == "mine"


def test_without_the_runtime_nothing_is_written(tmp_path):
    with pytest.raises(ExportError, match="npm pack"):
        export("speech-music", tmp_path / "page", to="web", runtime=tmp_path)
    assert not (tmp_path / "page").exists()


def test_a_card_is_that_beside_the_model(tmp_path):
    run = tmp_path / "run"
    run.mkdir()
    assert find_card(run) == ""
    (run / "README.md").write_text("Notes on other things")
    assert find_card(run) == ""
    (run / "model_card.md").write_text("# Audio classifier: a, b")
    assert find_card(run).startswith("# Audio")
    assert find_card(Path(run / "best.safetensors")).startswith("# Audio")
