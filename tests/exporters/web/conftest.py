"""A page in a real browser, where everything that this takes is installed.

The runtime is the one that `npm install --no-save onnxruntime-web` puts into `node_modules`.
"""

import contextlib
import functools
import http.server
import json
import shutil
import subprocess
import threading
from pathlib import Path

import pytest

from earmark.exporters.web.export import PACKAGE
from earmark.system.web.pages import page_files

NODE_MODULES = Path(__file__).parents[3] / "node_modules"


class _Handler(http.server.SimpleHTTPRequestHandler):
    extensions_map = {  # noqa: RUF012 - as the base class has it
        **http.server.SimpleHTTPRequestHandler.extensions_map,
        ".mjs": "text/javascript",
        ".wasm": "application/wasm",
    }

    def log_message(self, *_):
        pass


@pytest.fixture(scope="session")
def serve():
    """Serves a folder from this machine; gives its address and the paths that were asked for."""
    return _serve


@contextlib.contextmanager
def _serve(folder):
    asked = []

    class Handler(_Handler):
        def do_GET(self):
            asked.append(self.path)
            super().do_GET()

        do_POST = do_GET  # noqa: N815 - as the base class names it

    handler = functools.partial(Handler, directory=folder)
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        try:
            yield f"http://127.0.0.1:{server.server_port}", asked
        finally:
            server.shutdown()


@pytest.fixture(scope="module")
def compute(tmp_path_factory):
    """Answers of the page's modules to many requests, by one process of Node."""
    if shutil.which("node") is None:
        pytest.skip("Node is not installed")

    def ask(requests):
        folder = tmp_path_factory.mktemp("requests")
        (folder / "requests.json").write_text(json.dumps(requests))
        for name, content in page_files(PACKAGE).items():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_bytes(content)
        script, asked = Path(__file__).with_name("compute.mjs"), folder / "requests.json"
        command = ["node", script, folder, asked]
        done = subprocess.run(command, check=False, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    return ask


@pytest.fixture(scope="session")
def site(launch, serve, tmp_path_factory):
    """The page of the model inside the package, served."""
    from earmark.exporters.targets import export

    if not (NODE_MODULES / "onnxruntime-web").is_dir():
        pytest.skip("onnxruntime-web is not in node_modules")
    folder = tmp_path_factory.mktemp("site") / "page"
    export("speech-music", folder, to="web", runtime=NODE_MODULES)
    with serve(folder) as (address, asked):
        yield address, asked


@pytest.fixture
def open_page(site, launch):
    """Opens the page: a function of the query and of options of the browser and its context."""
    with contextlib.ExitStack() as opened:

        def start(query="", *args, **options):
            browser = opened.enter_context(launch(*args))
            page = browser.new_context(**options).new_page()
            page.errors = []
            page.on("pageerror", lambda error: page.errors.append(str(error)))
            page.on("console", lambda one: one.type == "error" and page.errors.append(one.text))
            page.goto(f"{site[0]}/index.html{query}")
            page.locator("html[data-ready]").wait_for(state="attached", timeout=60_000)
            return page

        yield start
