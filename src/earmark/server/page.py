"""What a browser gets at ``/``: the web page of a model where there is one, else a short index."""

from html import escape
from pathlib import Path

from fastapi import FastAPI, Request
from fastapi.responses import HTMLResponse
from starlette.staticfiles import StaticFiles

from earmark._version import __version__

_INDEX = """<!doctype html>
<html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>earmark</title>
<style>:root {{ color-scheme: light dark }} body {{ font: 1rem/1.5 system-ui; max-width: 42rem;
margin: 3rem auto; padding: 0 1rem }} pre {{ overflow-x: auto }}</style>
<h1>earmark {version}</h1>
<p>Labels sound files and live sound. Models:</p><ul>{models}</ul>
<pre>curl --data-binary @sound.wav {base}v1/predict</pre>
<p><a href="openapi.json">OpenAPI</a> · <a href="v1/models">models</a> ·
<a href="metrics">metrics</a></p></html>
"""
_POLICY = {"Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'"}


def add_page(app: FastAPI, folder: Path | None) -> None:
    """Serves what ``earmark export --to web`` wrote, or the index.

    Args:
        app: All its other routes are there.
        folder: The page; None for the index.
    """
    if folder is not None:
        app.mount("/", StaticFiles(directory=folder, html=True), "page")
        return

    @app.get("/", include_in_schema=False)
    async def index(request: Request) -> HTMLResponse:
        names = request.app.state.service.models.names
        models = "".join(f"<li>{escape(name)}</li>" for name in names)
        base = escape(str(request.base_url))
        return HTMLResponse(
            _INDEX.format(version=__version__, models=models, base=base), headers=_POLICY
        )
