"""earmark, this package, with no settings: ``earmark train`` and ``earmark evaluate``."""

import csv
import json
import subprocess
import sys
import tomllib
from collections.abc import Mapping
from typing import Any

from job import Facts, Job, run_job, versions_of


def train(job: Job) -> tuple[Mapping[str, str], Facts]:
    """Trains and tests as the command line does, with a feature store of its own."""
    run, store = job.out / "run", ("--store", job.out / "store")
    trained = _earmark("train", job.table, "-o", run, "--seed", job.seed, *store)
    _earmark("evaluate", run, job.table, *store)
    with (run / "predictions.csv").open(encoding="utf-8", newline="") as file:
        predictions = {row["path"]: row["predicted"] for row in csv.DictReader(file)}
    settings = tomllib.loads((run / "config.toml").read_text(encoding="utf-8"))
    features = settings["features"]
    facts = Facts(
        network=settings["model"]["name"],
        parameters=trained["num_parameters"],
        front_end=f"{features['sample_rate'] / 1000:g} kHz, {features['n_mels']} mel bands",
        length=f"{trained['epochs']} of {settings['train']['epochs']} epochs",
        versions=versions_of("earmark", "torch"),
    )
    return predictions, facts


def _earmark(*arguments: object) -> dict[str, Any]:
    command = [sys.executable, "-m", "earmark", *map(str, arguments), "--json", "--quiet"]
    return json.loads(subprocess.run(command, stdout=subprocess.PIPE, check=True).stdout)


if __name__ == "__main__":
    run_job(train, __doc__)
