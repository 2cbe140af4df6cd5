"""Fixtures that every test file may use: random numbers, clips and small data sets on disk."""

import contextlib
import importlib
import json
import os
import shutil
import threading

if "PYTEST_XDIST_WORKER" in os.environ:
    # Several processes test at once: more threads in each would only wait for one another.
    os.environ.update(OMP_NUM_THREADS="1", OPENBLAS_NUM_THREADS="1")

from collections.abc import Callable, Generator, Mapping, Sequence
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import SimpleNamespace
from typing import Literal

import av
import numpy as np
import pytest
import soundfile
import torch
import xxhash
from hypothesis import settings
from scipy.signal import lfilter

from earmark.config import Config, load_config
from earmark.data.labels import task_of
from earmark.data.manifest import Manifest, read_manifest
from earmark.data.recording import Recording
from earmark.data.splits import with_splits
from earmark.evaluation.analysis.robustness import ConditionScores
from earmark.evaluation.analysis.slices import Slice
from earmark.evaluation.evaluate import evaluate_model
from earmark.evaluation.loaded_model import LoadedModel
from earmark.evaluation.result import Evaluation
from earmark.features.fingerprints import SAMPLE_RATE
from earmark.features.store import ClipKey
from earmark.features.windows import crop_frames
from earmark.models.checkpoint import Checkpoint, new_network
from earmark.models.run_folder import RunFolder
from earmark.models.spec import ModelSpec
from earmark.system.files import csv_lines
from earmark.system.hashing import content_hash
from earmark.system.runtime import Runtime
from earmark.training import plots
from earmark.training.cross_validation.folder import FoldFolder
from earmark.training.recipes.prepare import prepare

# An example takes as long as the machine lets it: no behaviour has a time limit of its own.
settings.register_profile("earmark", deadline=None)
settings.load_profile("earmark")

Kind = Literal["tone", "noise", "silence"]
WriteClip = Callable[..., Path]


def _samples(num_samples: int, sample_rate: int, kind: Kind, seed: int) -> np.ndarray:
    seconds = np.arange(num_samples) / sample_rate
    rng = np.random.default_rng(seed)
    if kind == "tone":
        pitch = 200.0 * 2 ** rng.uniform(0, 2)
        return sum(0.3 / n * np.sin(2 * np.pi * n * pitch * seconds) for n in (1, 2, 3))
    if kind == "noise":
        syllables = 0.5 - 0.5 * np.cos(2 * np.pi * rng.uniform(3, 6) * seconds)
        return 0.2 * syllables * rng.standard_normal(num_samples).clip(-3, 3)
    return np.zeros(num_samples)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Skips what needs a GPU where there is none."""
    if not torch.cuda.is_available():
        for item in items:
            if item.get_closest_marker("gpu"):
                item.add_marker(pytest.mark.skip(reason="no CUDA device"))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Captured output as text that one test process can send to another."""
    report = yield
    report.sections = [
        (title, text.encode("utf-8", "backslashreplace").decode())
        for title, text in report.sections
    ]
    return report


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(0)


@pytest.fixture(autouse=True)
def cache_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Keeps the store that commands share by default out of the user's own cache."""
    folder = tmp_path / "cache"
    monkeypatch.setattr("platformdirs.user_cache_path", lambda name: folder / name)
    return folder


@pytest.fixture(autouse=True, scope="session")
def no_loss_curve() -> Generator[None]:
    """Trainings of this process write `loss.png` without a picture, which takes longer than them.

    A test whose subject is the picture asks for `loss_curve`.
    """
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("earmark.training.epochs.loss_curve", lambda log, best_epoch: b"no picture")
        yield


@pytest.fixture
def loss_curve(monkeypatch: pytest.MonkeyPatch) -> None:
    """The trainings of the test draw their loss."""
    monkeypatch.setattr("earmark.training.epochs.loss_curve", plots.loss_curve)


@pytest.fixture(scope="session")
def write_clip() -> WriteClip:
    """A function that writes a 16-bit clip; its pitch or its noise depends on the seed."""

    def write(
        path: Path,
        seconds: float = 1.0,
        sample_rate: int = 16_000,
        kind: Kind = "tone",
        seed: int = 0,
    ) -> Path:
        path.parent.mkdir(parents=True, exist_ok=True)
        samples = _samples(round(seconds * sample_rate), sample_rate, kind, seed)
        soundfile.write(path, samples, sample_rate, subtype="PCM_16")
        return path

    return write


@pytest.fixture(scope="session")
def write_sounds(write_clip: WriteClip) -> Callable[[Path], Path]:
    """A function that writes FOLDER/{training,validation,testing}/{music,speech}/*.wav.

    There are 6, 3 and 3 clips of each label; every folder has the same ones.
    """

    def write(folder: Path) -> Path:
        seed = 0
        for split, count in {"training": 6, "validation": 3, "testing": 3}.items():
            for label, kind in {"music": "tone", "speech": "noise"}.items():
                for index in range(count):
                    seed += 1
                    path = folder / split / label / f"{label}_{index}.wav"
                    write_clip(path, 0.8 + 0.8 * (seed * 7 % 24) / 23, kind=kind, seed=seed)
        return folder

    return write


@pytest.fixture(scope="session")
def recording():
    """A function that makes a recording of a file, in a group of its own by default."""

    def make(path, label="x", split=None, group=None, **others):
        return Recording(path, path.name, (label,), group or path.name, split=split, **others)

    return make


@pytest.fixture(scope="session")
def data():
    """A function that makes a manifest of recordings."""

    def make(recordings):
        labels = tuple(sorted({label for one in recordings for label in one.labels}))
        return Manifest(recordings[0].path.parent, tuple(recordings), labels)

    return make


@pytest.fixture
def noise(rng):
    """A second of noise at 16 kHz, a column per channel."""

    def make(channels=1):
        return 0.1 * rng.standard_normal((16_000, channels)).clip(-3, 3)

    return make


@pytest.fixture(scope="session")
def sound():
    """A function that makes noise of changing colour and level."""

    def make(seed, seconds=5.0, rate=SAMPLE_RATE):
        """Noise of changing colour and level: no two parts of it are similar."""
        rng = np.random.default_rng(seed)
        size = round(seconds * rate)
        pieces = []
        while sum(map(len, pieces)) < size:
            pole, level = rng.uniform(-0.9, 0.9), rng.uniform(0.02, 0.2)
            noise = rng.standard_normal(int(rng.uniform(0.05, 0.3) * rate))
            pieces.append(level * lfilter([np.sqrt(1 - pole**2)], [1, -pole], noise))
        return np.concatenate(pieces)[:size].astype(np.float32)

    return make


@pytest.fixture
def sound_folder(tmp_path: Path, write_sounds: Callable[[Path], Path]) -> Path:
    """The folder of `write_sounds`, for the test alone."""
    return write_sounds(tmp_path / "sounds")


class FileServer(ThreadingHTTPServer):
    """A web server of files in memory that counts what it sends, and fails as it is told to.

    Args:
        files: Path in the URL to content.
    """

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _FileRequest)
        self.files: dict[str, bytes] = {}
        self.requests: list[tuple[str, str, str | None]] = []
        self.num_sent = 0
        self.fail: Callable[[int, str], str | int | None] = lambda number, method: None
        self.has_ranges = self.has_validators = self.has_length = True
        self.stopped = threading.Event()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"

    def handle_error(self, request: object, client_address: object) -> None:
        pass  # A client that has gone away.


class _FileRequest(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: FileServer

    def log_message(self, *_: object) -> None:
        pass

    def do_HEAD(self) -> None:
        self._answer()

    def do_GET(self) -> None:
        self._answer()

    def _answer(self) -> None:
        server, method = self.server, self.command
        server.requests.append((method, self.path, self.headers.get("Range")))
        failure = server.fail(len(server.requests), method)
        if failure == "drop":
            self.close_connection = True
            return
        content = server.files.get(self.path.partition("?")[0])
        if content is None or isinstance(failure, int):
            self.send_response(failure if isinstance(failure, int) else 404)
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        extent, status = range(len(content)), 200
        if server.has_ranges and (found := self.headers.get("Range")):
            first, last = found.removeprefix("bytes=").split("-")
            extent = range(int(first), min(int(last) + 1, len(content)))
            status = 206
        self.send_response(status)
        if server.has_length:
            self.send_header("Content-Length", str(len(extent)))
        else:
            self.close_connection = True
        if server.has_validators:
            self.send_header("ETag", f'"{xxhash.xxh3_64_hexdigest(content)}"')
        self.end_headers()
        if method == "GET":
            body = content[extent.start : extent.stop]
            cut = len(body) // 2 if failure == "cut" else len(body)
            self.close_connection = failure == "cut"
            server.num_sent += cut
            self.wfile.write(body[:cut])


@pytest.fixture
def file_server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Generator[FileServer]:
    """A `FileServer`; requests are made again at once, and cached in a folder of the test."""
    pytest.importorskip("aiohttp")
    monkeypatch.setenv("EARMARK_REMOTE_CACHE", str(tmp_path / "remote"))
    monkeypatch.setenv("EARMARK_REMOTE_SECONDS", "5")
    monkeypatch.setattr("earmark.system.remote.transport.FIRST_PAUSE_SECONDS", 0.01)
    server = FileServer()
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    yield server
    server.stopped.set()
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture(scope="session")
def write_embedder():
    """A function that writes an ONNX file: |values @ weights| of windows of any shape.

    Args of the function: the file, the shape of its input, the length of a vector, metadata. It
    returns the weights, (values of a window, dimensions).
    """

    def write(path, shape, dimensions=4, *, more_outputs=(), **metadata):
        import onnx
        from onnx import TensorProto, helper, numpy_helper

        sizes = [one for one in shape[len(shape) > 1 :] if isinstance(one, int)]
        weights = np.random.default_rng(1).normal(size=(int(np.prod(sizes)), dimensions))
        weights = weights.astype(np.float32)
        rows = np.array([1, -1] if len(shape) == 1 else [0, -1], np.int64)
        nodes = [
            helper.make_node("Reshape", ["sound", "rows"], ["flat"]),
            helper.make_node("MatMul", ["flat", "weights"], ["product"]),
            helper.make_node("Abs", ["product"], ["embedding"]),
            *(helper.make_node("Neg", ["product"], [name]) for name in more_outputs),
        ]
        names = ("embedding", *more_outputs)
        graph = helper.make_graph(
            nodes,
            "embedder",
            [helper.make_tensor_value_info("sound", TensorProto.FLOAT, shape)],
            [helper.make_tensor_value_info(one, TensorProto.FLOAT, None) for one in names],
            [
                numpy_helper.from_array(rows, "rows"),
                numpy_helper.from_array(weights, "weights"),
            ],
        )
        opset = helper.make_opsetid("", 18)
        model = helper.make_model(graph, opset_imports=[opset], ir_version=10)
        helper.set_model_props(model, {key: str(value) for key, value in metadata.items()})
        onnx.save(model, path)
        return weights

    return write


HOSTILE_DECODER = """
import os, time
from earmark.data.signals import measure
from earmark.features import extraction

def extract(log_mel, order, send):
    fail(order.path, send)
    return extraction._extract(log_mel, order, send)

def analyze(recording, send):
    fail(recording.path, send)
    return measure._analyze(recording, send)

def fail(path, send):
    if path.stem.startswith("crash"):
        os.abort()
    if path.stem.startswith("hang"):
        time.sleep(600)
    if path.stem.startswith("memory"):
        bytearray(1 << 30)
"""


@pytest.fixture
def hostile_decoder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Files called crash, hang or memory do so to the worker process that decodes them."""
    folder = tmp_path / "hostile"
    folder.mkdir()
    name = f"hostile_{folder.stat().st_ino}"
    (folder / f"{name}.py").write_text(HOSTILE_DECODER)
    monkeypatch.syspath_prepend(folder)
    hostile = importlib.import_module(name)
    monkeypatch.setattr("earmark.features.extraction._extract", hostile.extract)
    monkeypatch.setattr("earmark.data.signals.measure._analyze", hostile.analyze)
    monkeypatch.setattr("earmark.system.workers.pool.PATIENCE_SECONDS", 1.5)
    monkeypatch.setattr("earmark.system.workers.pool.BATCH_PATIENCE_SECONDS", 1.5)
    monkeypatch.setattr("earmark.system.workers.pool.WATCH_SECONDS", 0.25)
    monkeypatch.setattr("earmark.system.workers.pool.MAX_MEMORY_BYTES", 1 << 29)


@pytest.fixture
def flat_folder(tmp_path: Path, write_clip: WriteClip) -> Path:
    """FLAT/{music,speech}/*.wav: no splits, 10 clips a label."""
    folder = tmp_path / "flat"
    for label, kind in {"music": "tone", "speech": "noise"}.items():
        for index in range(10):
            seed = 2 * index + (label == "speech")
            path = folder / label / f"{label}_{index}.wav"
            write_clip(path, 0.8 + 0.08 * index, kind=kind, seed=seed)
    return folder


@pytest.fixture
def write_run(tmp_path: Path) -> Callable[..., Path]:
    """A function that writes a run folder as training would, but with random weights: it is faster.

    The features of the data are in the folder ``store`` beside it.
    """
    fast = (
        "recipe.name=classic",
        "model.blocks.0.channels=4",
        "train.crop_seconds=0.5",
        "evaluate.resamples=200",
    )

    def write(
        data: Path, name: str = "run", *, settings: Sequence[str] = (), seed: int = 0
    ) -> Path:
        config = load_config(settings=[*fast, *settings])
        manifest = with_splits(read_manifest(data), config.train)
        prepared = prepare(manifest, config, store=tmp_path / "store")
        run = RunFolder(tmp_path / name)
        run.path.mkdir()
        run.open(config, manifest.to_csv(prepared.keys, run.path), overwrite=False)
        torch.manual_seed(seed)
        task = task_of(manifest, config.train)
        spec = ModelSpec(config, manifest.labels, crop_frames(config), task)
        network = new_network(spec)
        bands = torch.full((config.features.n_mels,), 1.0)
        network.input_norm.fit(-30.0 * bands, 20.0 * bands)
        Checkpoint(spec, network.state_dict(), progress={"epoch": 1}).save(run.best)
        return run.path

    return write


@pytest.fixture(scope="session")
def write_cross_validation() -> Callable[..., Path]:
    """A function that writes the folder of a cross-validation with given probabilities."""

    def write(
        path: Path,
        manifest: Manifest,
        rows: Sequence[Mapping[str, Sequence[float]]],
        task: str = "binary",
    ) -> Path:
        """Writes it.

        Args:
            path: The folder.
            manifest: The recordings, with the labels of then.
            rows: For each seed, the name of a recording to its probabilities.
            task: What the labels mean.
        """
        keys = {
            one.name: ClipKey.of(content_hash(one.path), one.excerpt) for one in manifest.recordings
        }
        folder = FoldFolder(path)
        path.mkdir()
        folder.open(Config(), manifest.to_csv(keys, path), (), overwrite=False)
        columns = ("seed", "fold", "path", "label", "predicted", "correct", *manifest.labels)
        cells = [
            (seed, "1", name, "", "", "yes", *probabilities)
            for seed, found in enumerate(rows)
            for name, probabilities in found.items()
        ]
        folder.predictions.write_text("".join(csv_lines([columns, *cells])))
        folder.result.write_text(json.dumps({"task": task, "labels": manifest.labels}))
        return path

    return write


@pytest.fixture
def quick_report(monkeypatch: pytest.MonkeyPatch) -> None:
    """Tests of models show one example of each kind, and write a report without pictures."""

    def write(folder: Path, evaluation: Evaluation, *_: object) -> Path:
        (folder / "predictions.csv").write_text(evaluation.to_csv())
        (folder / "report.html").touch()
        return folder / "report.html"

    monkeypatch.setattr("earmark.evaluation.analysis.examples.NUM_WORST", 1)
    monkeypatch.setattr("earmark.evaluation.analysis.examples.NUM_MOST_CONFIDENT", 1)
    monkeypatch.setattr("earmark.report.evaluate.write_report", write)


@pytest.fixture(scope="session")
def as_recorded() -> ConditionScores:
    """How right a model is about clips that nothing was done to: in half of them."""
    return ConditionScores(
        "as recorded",
        0,
        0,
        num_clips=12,
        num_groups=6,
        num_correct=6,
        accuracy_interval=(0.2, 0.8),
        loss=0.7,
    )


@pytest.fixture(scope="session")
def bad_part() -> Slice:
    """A part of the test in which hardly anything is right."""
    return Slice(
        "room",
        "hall",
        num_clips=40,
        num_groups=40,
        num_correct=4,
        accuracy_interval=(0.05, 0.2),
        loss=2.0,
    )


@pytest.fixture(scope="session")
def tested(tmp_path_factory: pytest.TempPathFactory, write_clip: WriteClip) -> SimpleNamespace:
    """A test of a network with random weights: evaluation, checkpoint, manifest and store.

    There are 12 clips: of 0.6 s, of 1.2 s and one of 12 s, of two labels and six groups. Two of
    them are excerpts of one file, and every one has a room.
    """
    folder = tmp_path_factory.mktemp("tested")
    rows = ["path,label,split,group,start,end,room"]
    for index in range(10):
        seconds = 12.0 if index == 9 else 0.6 + 0.6 * (index % 2)
        kind = "tone" if index % 2 else "noise"
        write_clip(folder / f"{index}.wav", seconds, kind=kind, seed=index)
        rows.append(f"{index}.wav,{kind},test,g{index // 2},,,{'hall' if index < 4 else 'studio'}")
    write_clip(folder / "both.wav", 5.0, kind="noise", seed=99)
    rows += [f"both.wav,noise,test,both,{start},{start + 2.0},hall" for start in (0.0, 2.5)]
    (folder / "data.csv").write_text("\n".join(rows) + "\n")
    manifest = read_manifest(folder / "data.csv")
    torch.manual_seed(0)
    spec = ModelSpec(Config(), manifest.labels, 51)
    model = new_network(spec)
    model.input_norm.fit(torch.full((40,), -30.0), torch.full((40,), 20.0))
    checkpoint = Checkpoint(spec, model.state_dict(), progress={"epoch": 2})
    here, store_root = Runtime(torch.device("cpu")), folder / "store"
    loaded = LoadedModel.build(checkpoint, here)
    found = evaluate_model(loaded, manifest, store_root=store_root)
    return SimpleNamespace(
        evaluation=found,
        checkpoint=checkpoint,
        model=loaded,
        manifest=manifest,
        recordings={one.name: one for one in manifest.recordings},
        runtime=here,
        store_root=store_root,
    )


@pytest.fixture(scope="session")
def encode_track():
    """A function that encodes samples, (time, channels), as a track of a container."""

    def encode_track(path, samples, codec, *, rate=48_000, format=None, layout=None, options=None):
        samples = np.asarray(samples, np.float32).reshape(len(samples), -1)
        layout = layout or ("mono" if samples.shape[1] == 1 else "stereo")
        with av.open(str(path), "w", format=format, options=options or {}) as container:
            stream = container.add_stream(codec, rate=rate, layout=layout)
            stream.bit_rate = 64_000 * samples.shape[1]
            frame = av.AudioFrame.from_ndarray(samples.reshape(1, -1), "flt", layout)
            frame.sample_rate, frame.pts = rate, 0
            form = stream.codec_context.codec.audio_formats[0].name
            converter = av.AudioResampler(form, layout, rate)
            for converted in [*converter.resample(frame), *converter.resample(None)]:
                container.mux(stream.encode(converted))
            container.mux(stream.encode(None))
        return path

    return encode_track


@pytest.fixture(scope="session")
def remux():
    """A function that copies the tracks of files into one container, with other time stamps."""

    def remux(sources, path, *, format=None, place=None, options=None, default=None):
        """``place`` turns seconds into other seconds, or None to leave a packet out."""
        inputs = [av.open(str(source)) for source in sources]
        with av.open(str(path), "w", format=format, options=options or {}) as target:
            streams = [target.add_stream_from_template(one.streams[0]) for one in inputs]
            for number, stream in enumerate(streams):
                flags = type(stream.disposition)
                if default is not None:
                    # PyAV takes a number here.
                    stream.disposition = flags["default"].value * (number == default)
            packets = [
                (float((packet.pts or 0) * packet.time_base), number, packet)
                for number, one in enumerate(inputs)
                for packet in one.demux(one.streams[0])
                if packet.size
            ]
            for seconds, number, packet in sorted(packets, key=lambda one: one[:2]):
                placed = place(seconds) if place else seconds
                if placed is None:
                    continue
                shift = round((placed - seconds) / packet.time_base)
                packet.pts += shift
                packet.dts += shift
                packet.stream = streams[number]
                target.mux(packet)
        for one in inputs:
            one.close()
        return path

    return remux


@pytest.fixture(scope="session")
def picture():
    """A function that writes a film without sound."""

    def picture(path, seconds):
        with av.open(str(path), "w") as container:
            stream = container.add_stream("mpeg4", rate=10, width=32, height=32)
            frame = av.VideoFrame.from_ndarray(np.zeros((32, 32, 3), np.uint8))
            for number in range(round(seconds * 10)):
                frame.pts = number
                container.mux(stream.encode(frame))
            container.mux(stream.encode(None))
        return path

    return picture


@pytest.fixture(scope="session")
def launch():
    """Starts Chromium with arguments: that of the system, driven by Playwright for Python."""
    playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    chromium = shutil.which("chromium") or shutil.which("google-chrome")
    if chromium is None:
        pytest.skip("Chromium is not installed")

    @contextlib.contextmanager
    def start(*args):
        with playwright.sync_playwright() as driver:
            browser = driver.chromium.launch(executable_path=chromium, args=["--no-sandbox", *args])
            try:
                yield browser
            finally:
                browser.close()

    return start


@pytest.fixture(scope="session")
def axe():
    """axe-core, which looks for what is not accessible: `npm install --no-save axe-core`."""
    path = Path(__file__).parents[1] / "node_modules" / "axe-core" / "axe.min.js"
    if not path.is_file():
        pytest.skip("axe-core is not in node_modules")
    return path.read_text("utf-8")
