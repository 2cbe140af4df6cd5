"""What is in `deploy` fits the command line and the tools that read it."""

import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import click
import kubernetes_validate
import pytest
import yaml

from earmark.cli import cli

DEPLOY = Path(__file__).parents[2] / "deploy"


def check_command(words):
    """Parses what follows ``earmark``."""
    name, *rest = words
    command = cli.get_command(click.Context(cli), name)
    rest = [re.sub(r"^(/run/secrets|\$\{CREDENTIALS_DIRECTORY\})/", "", one) for one in rest]
    assert command.make_context(name, rest).params["models"] == ("speech-music",)


def read(name):
    return yaml.safe_load((DEPLOY / name).read_text(encoding="utf-8"))


def test_the_image_runs_a_command_that_exists_as_nobody():
    text = (DEPLOY / "Dockerfile").read_text(encoding="utf-8")
    (words,) = re.findall(r"^CMD (\[.*\])$", text, re.M)
    check_command(yaml.safe_load(words))
    assert int(re.findall(r"^USER (\d+)$", text, re.M)[0]) > 0
    for source in re.findall(r"^COPY (?!--)(.+) \S+$", text, re.M):
        assert all((DEPLOY.parent / one).exists() for one in source.split())


def test_the_compose_file_agrees_with_itself():
    document = read("compose.yaml")
    service, prometheus = document["services"].values()
    check_command(service["command"])
    assert (DEPLOY / service["build"]["context"] / service["build"]["dockerfile"]).is_file()
    assert service["secrets"] == prometheus["secrets"] == list(document["secrets"])
    source = prometheus["volumes"][0].split(":")[0]
    assert (DEPLOY / source).is_file()
    (job,) = read("prometheus.yaml")["scrape_configs"]
    assert job["static_configs"][0]["targets"] == ["earmark:8000"]


def test_the_unit_runs_a_command_that_exists(tmp_path):
    text = (DEPLOY / "earmark.service").read_text(encoding="utf-8")
    (command,) = re.findall(r"^ExecStart=\S+/earmark (.*)$", text, re.M)
    check_command(shlex.split(command))
    if shutil.which("systemd-analyze"):
        unit = tmp_path / "earmark.service"
        unit.write_text(re.sub(r"^ExecStart=\S+", "ExecStart=/bin/true", text, flags=re.M))
        result = subprocess.run(
            ["systemd-analyze", "verify", unit], capture_output=True, text=True, check=False
        )
        assert (result.returncode, result.stderr) == (0, "")


@pytest.mark.skipif(shutil.which("docker-compose") is None, reason="needs docker-compose")
@pytest.mark.slow
def test_docker_compose_reads_the_file(tmp_path):
    for path in DEPLOY.iterdir():
        shutil.copy(path, tmp_path)
    (tmp_path / "token").write_text("0123456789abcdef")
    subprocess.run(["docker-compose", "-f", tmp_path / "compose.yaml", "config", "-q"], check=True)


@pytest.mark.skipif(shutil.which("promtool") is None, reason="needs promtool")
@pytest.mark.slow
def test_prometheus_reads_its_file(tmp_path):
    (tmp_path / "token").write_text("0123456789abcdef")
    text = (DEPLOY / "prometheus.yaml").read_text(encoding="utf-8")
    path = tmp_path / "prometheus.yaml"
    path.write_text(text.replace("/run/secrets/earmark_token", str(tmp_path / "token")))
    subprocess.run(["promtool", "check", "config", path], check=True)


def pod_of(job):
    (container,) = job["spec"]["template"]["spec"]["containers"]
    assert container["command"] == ["sh", "-c"]
    return container


@pytest.mark.parametrize("version", ["1.31", "1.37"])
def test_kubernetes_knows_every_key_of_the_jobs(version):
    text = (DEPLOY / "shards-job.yaml").read_text(encoding="utf-8")
    jobs = list(yaml.safe_load_all(text))
    for job in jobs:
        kubernetes_validate.validate(job, version, strict=True)
    predict, merge = jobs
    assert predict["spec"]["completions"] == 8
    assert "/8" in pod_of(predict)["args"][0]
    assert "-of-8" in pod_of(merge)["args"][0]
    for job in jobs:
        for rule in job["spec"]["podFailurePolicy"]["rules"]:
            name = rule.get("onExitCodes", {}).get("containerName", pod_of(job)["name"])
            assert name == pod_of(job)["name"]


@pytest.mark.skipif(shutil.which("shellcheck") is None, reason="needs shellcheck")
def test_the_batch_script_is_a_clean_one():
    subprocess.run(["shellcheck", DEPLOY / "shards.sbatch"], check=True)


@pytest.fixture
def shell(tmp_path, write_clip):
    """A function that runs a script in a folder of recordings, with earmark on its path."""
    for number in range(5):
        write_clip(tmp_path / "recordings" / f"{number}.wav", seed=number)
    command = tmp_path / "bin" / "earmark"
    command.parent.mkdir()
    command.write_text(f'#!/bin/sh\nexec {shlex.quote(sys.executable)} -m earmark "$@"\n')
    command.chmod(0o755)
    path = f"{command.parent}{os.pathsep}{os.environ['PATH']}"

    def run(words, **variables):
        environment = {**os.environ, "PATH": path, **variables}
        return subprocess.run(
            ["sh", *words], cwd=tmp_path, env=environment, capture_output=True, check=False
        ).returncode

    assert run(["-c", "earmark predict speech-music recordings -o whole.csv"]) == 0
    return run


@pytest.mark.slow
def test_the_jobs_make_the_table_of_one_machine(shell, tmp_path):
    predict, merge = (
        pod_of(one)["args"][0].replace("/8", "/2").replace("of-8", "of-2").replace(" 8)", " 2)")
        for one in yaml.safe_load_all((DEPLOY / "shards-job.yaml").read_text(encoding="utf-8"))
    )
    assert shell(["-c", predict], JOB_COMPLETION_INDEX="1") == 0
    assert shell(["-c", merge]) == 1
    assert shell(["-c", predict], JOB_COMPLETION_INDEX="0") == 0
    assert shell(["-c", merge]) == 0
    assert (tmp_path / "results.csv").read_bytes() == (tmp_path / "whole.csv").read_bytes()


@pytest.mark.slow
def test_the_array_makes_the_table_of_one_machine(shell, tmp_path):
    words = (DEPLOY / "shards.sbatch", "2", "speech-music", "recordings", "-o", "results.csv")
    for number in "2", "1", "1":
        assert shell(words, SLURM_ARRAY_TASK_ID=number) == 0
    assert shell(["-c", "earmark merge results.csv.*-of-2 -o results.csv"]) == 0
    assert (tmp_path / "results.csv").read_bytes() == (tmp_path / "whole.csv").read_bytes()
