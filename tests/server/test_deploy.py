"""What is in `deploy` fits the command line and the tools that read it."""

import re
import shlex
import shutil
import subprocess
from pathlib import Path

import click
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
