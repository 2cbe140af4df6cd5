"""Asks a service of `earmark serve` about sound files; needs nothing but Python.

``python examples/clients/predict.py recordings/*.mp3 --url http://127.0.0.1:8000``

A service with a token takes it from the environment variable EARMARK_TOKEN.
"""

import argparse
import json
import os
import sys
import time
import urllib.error
import urllib.parse
import urllib.request
from pathlib import Path
from typing import Any

TRIES = 5


def main() -> None:
    """Prints a line for each file: its name and label, or what is wrong with it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("files", nargs="+", type=Path)
    parser.add_argument("--url", default="http://127.0.0.1:8000")
    parser.add_argument("--model", action="append", default=[])
    arguments = parser.parse_args()
    num_failed = 0
    for path in arguments.files:
        for result in predict(arguments.url, path.read_bytes(), arguments.model):
            num_failed += "error" in result
            # Models of several labels give a list, which may be empty; others none or one.
            labels = result.get("labels", [result.get("label") or ""])
            print(f"{path}\t{result.get('error') or ';'.join(labels)}")
    sys.exit(bool(num_failed))


def predict(url: str, sound: bytes, models: list[str]) -> list[dict[str, Any]]:
    """The results for one sound, a document for each model.

    Args:
        url: Of the service.
        sound: The bytes of a file.
        models: Names; the service's first by default.

    Raises:
        urllib.error.HTTPError: The service refused.
    """
    query = urllib.parse.urlencode([("model", one) for one in models])
    headers = {"Content-Type": "application/octet-stream"}
    if token := os.environ.get("EARMARK_TOKEN"):
        headers["Authorization"] = f"Bearer {token}"
    request = urllib.request.Request(f"{url}/v1/predict?{query}", sound, headers)
    for left in reversed(range(TRIES)):
        try:
            with urllib.request.urlopen(request) as answer:
                return json.load(answer)["results"]
        except urllib.error.HTTPError as error:
            document = json.load(error)
            if "results" in document:
                return document["results"]
            if error.code != 429 or not left:
                raise
            time.sleep(float(error.headers["Retry-After"]))
    raise AssertionError


if __name__ == "__main__":
    main()
