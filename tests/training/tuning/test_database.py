"""Studies in a PostgreSQL database: shared by workers that may be killed, and without secrets."""

import csv
import itertools
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path

import optuna
import pytest
import sqlalchemy
from click.testing import CliRunner

from earmark.cli import cli
from earmark.config import load_config
from earmark.data.manifest import Manifest
from earmark.errors import ConfigError, TrainingError
from earmark.training.tuning.database import Database
from earmark.training.tuning.folder import StudyFolder
from earmark.training.tuning.storage import Journal
from earmark.training.tuning.trials import Job, open_study

PASSWORD = "p:a/s s%w@rd-77"
QUOTED = "p%3Aa%2Fs%20s%25w%40rd-77"
SETTINGS = (
    "recipe.name=classic",
    *(f"model.blocks.{one}.channels=2" for one in range(4)),
    "train.crop_seconds=0.5",
    "train.epochs=6",
    "tune.trials=6",
    "tune.startup_trials=2",
    "tune.pruner=none",
    'tune.space={"train.learning_rate" = {low = 1e-3, high = 1e-1, log = true}}',
    "evaluate.baseline=false",
)


@pytest.fixture
def folder(tmp_path):
    one = StudyFolder(tmp_path / "study")
    one.open(load_config(settings=SETTINGS), "name,path\na,a.wav\n")
    return one


@pytest.mark.parametrize(
    "url",
    [
        f"{QUOTED}",
        f"postgresql://u:{QUOTED}@h:port/db",
        f"mysql://u:{QUOTED}@h/db",
        "sqlite:///study.db",
    ],
)
def test_other_urls_are_refused_without_showing_them(folder, url):
    with pytest.raises(ConfigError, match="--storage: ") as error:
        Database(folder, url).check()
    for secret in (QUOTED, PASSWORD, "@h"):
        assert secret not in str(error.value)


def test_a_database_that_cannot_be_reached_is_named_without_the_password(folder):
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    url = f"postgresql://u:{QUOTED}@127.0.0.1:{port}/db?sslpassword={QUOTED}"
    database = Database(folder, url)
    with pytest.raises(ConfigError, match=rf"postgresql://u@127\.0\.0\.1:{port}/db: ") as error:
        database.check()
    for text in (str(error.value), repr(database)):
        assert PASSWORD not in text
        assert QUOTED not in text


def test_a_study_stays_where_it_began(folder):
    folder.database.write_text('{"study": "study", "id": "1"}')
    with pytest.raises(ConfigError, match=r"study: .*database\.json.*--storage"):
        Journal(folder).connect()
    folder.database.unlink()
    folder.journal.write_text("")
    with pytest.raises(ConfigError, match=r"study: .*journal\.log"):
        Database(folder, "postgresql://h/db").check()


def test_the_folder_names_the_study_also_when_it_is_renamed(folder):
    database = Database(folder, "postgresql://h/db")
    assert database.name == "study"
    folder.database.write_text('{"study": "before", "id": "1"}')
    assert database.name == "before"
    folder.database.write_text("{")
    with pytest.raises(TrainingError, match=r"database\.json"):
        _ = database.name


def test_a_driver_that_is_not_installed_names_its_extra(folder, monkeypatch):
    monkeypatch.setitem(sys.modules, "psycopg", None)
    with pytest.raises(ConfigError, match=r"earmark\[postgresql\]"):
        Database(folder, "postgresql://h/db").check()


def test_failures_in_the_middle_show_what_the_driver_says_without_the_password(folder):
    database = Database(folder, f"postgresql://u:{QUOTED}@h/db")
    try:
        raise optuna.exceptions.StorageInternalError("failed") from OSError(f"{PASSWORD}: gone\nx")
    except optuna.exceptions.StorageInternalError as error:
        failure = error
    found = pytest.raises(TrainingError, match=r"^postgresql://u@h/db: \*\*\*: gone; ")
    with found, database.reporting():
        raise failure


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    """The URL of a PostgreSQL server on the loopback interface."""
    program = shutil.which("postgres") or next(
        map(str, Path("/usr/lib/postgresql").glob("*/bin/postgres")), None
    )
    if program is None:
        pytest.skip("PostgreSQL is not installed")
    programs = Path(program).resolve().parent
    # The server refuses to run as root.
    user = "postgres" if os.geteuid() == 0 else None
    with ExitStack() as stack:
        home = Path(tmp_path_factory.mktemp("postgresql"))
        for parent in itertools.takewhile(
            Path(tempfile.gettempdir()).__ne__, (home, *home.parents)
        ):
            parent.chmod(0o755)
        (home / "password").write_text(PASSWORD)
        if user:
            shutil.chown(home, user)
        with socket.create_server(("127.0.0.1", 0)) as free:
            port = free.getsockname()[1]
        make = [programs / "initdb", "-D", home / "data", "-U", "earmark", "-A", "scram-sha-256"]
        make += [f"--pwfile={home / 'password'}", "-N"]
        subprocess.run(make, user=user, cwd=home, check=True, stdout=subprocess.DEVNULL)
        options = ["-k", home, "-c", "listen_addresses=127.0.0.1", "-c", "fsync=off"]
        running = subprocess.Popen(
            [programs / "postgres", "-D", home / "data", "-p", str(port), *options],
            user=user,
            cwd=home,
            stderr=subprocess.DEVNULL,
        )
        stack.callback(running.wait)
        stack.callback(running.send_signal, signal.SIGINT)
        url = f"postgresql://earmark:{QUOTED}@127.0.0.1:{port}/postgres"
        wait_for(lambda: answers(url))
        yield url


def answers(url):
    try:
        url = url.replace(":", "+psycopg:", 1)
        with sqlalchemy.create_engine(url, poolclass=sqlalchemy.pool.NullPool).connect():
            return True
    except sqlalchemy.exc.OperationalError:
        return False


def wait_for(condition, seconds=240):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)


@pytest.fixture
def database(server, folder):
    return Database(folder, server)


@pytest.mark.slow
def test_locks_end_with_the_connection_and_are_taken_again(database):
    with database.working("one") as renew, database.working("two"):
        assert not database.has_ended("one")
        assert database.has_ended("three")
        with database._engine().connect() as connection:
            connection.execute(
                sqlalchemy.text(
                    "SELECT pg_terminate_backend(pid) FROM pg_locks WHERE locktype = 'advisory'"
                )
            )
        wait_for(lambda: database.has_ended("one"))
        renew()
        assert not database.has_ended("one")
        assert database.has_ended("two")
    assert database.has_ended("one")


@pytest.mark.slow
def test_another_study_of_the_same_name_is_refused(database, tmp_path):
    config = load_config(settings=SETTINGS)

    def opened(name, config=config, table="name,path\na,a.wav\n"):
        folder = StudyFolder(tmp_path / name / "shared")
        folder.open(config, table)
        job = Job(
            Database(folder, database.url), Manifest(Path("data"), (), ()), config, "binary", None
        )
        return folder, open_study(job)

    first, _ = opened("one")
    # The same recordings in another place, and more trials.
    more = load_config(settings=[*SETTINGS, "tune.trials=9"])
    second, _ = opened("two", more, "name,path\na,elsewhere/a.wav\n")
    assert first.database.read_text() == second.database.read_text()
    with pytest.raises(TrainingError, match="recordings"):
        opened("three", table="name,path\nb,b.wav\n")
    with pytest.raises(TrainingError, match=r"train\.seed"):
        opened("four", load_config(settings=[*SETTINGS, "train.seed=9"]))
    document = {**json.loads(first.database.read_text()), "id": "another"}
    first.database.write_text(json.dumps(document))
    with pytest.raises(TrainingError, match="does not hold the study"):
        opened("one")


@pytest.mark.slow
def test_three_workers_without_a_shared_disk_finish_the_study_of_which_one_is_killed(
    server, tmp_path, sound_folder
):
    settings = [f"--set={one}" for one in SETTINGS]
    workers = []
    for name in "abc":
        command = [sys.executable, "-m", "earmark", "tune", sound_folder]
        command += ["-o", tmp_path / name / "sounds", "--store", tmp_path / name / "store"]
        command += ["--workers", "1", "--device", "cpu", "--debug", *settings]
        (tmp_path / name).mkdir()
        with (tmp_path / name / "log").open("w") as log:
            environment = {**os.environ, "EARMARK_STORAGE": server, "OMP_NUM_THREADS": "1"}
            worker = subprocess.Popen(
                list(map(str, command)), stdout=log, stderr=log, env=environment
            )
        workers.append(worker)
    killed = tmp_path / "c" / "sounds" / "trials"
    wait_for(lambda: any(killed.glob("*/last.safetensors")) or workers[2].poll() is not None)
    workers[2].kill()
    lost = sorted(int(one.name) for one in killed.iterdir())
    assert workers[2].wait() == -signal.SIGKILL
    assert [one.wait(400) for one in workers[:2]] == [0, 0]
    again = CliRunner(env={"EARMARK_STORAGE": server}).invoke(
        cli,
        [
            *("tune", str(sound_folder), "-o", str(tmp_path / "a" / "sounds"), "--json"),
            *("--store", str(tmp_path / "a" / "store"), "--device", "cpu", *settings),
        ],
    )
    assert again.exit_code == 0, again.output
    assert json.loads(again.stdout)["num_complete"] == 6
    with (tmp_path / "a" / "sounds" / "trials.csv").open(newline="") as file:
        table = list(csv.DictReader(file))
    states = [row["state"] for row in table]
    assert (states.count("complete"), states.count("interrupted"), len(states)) == (6, 1, 7)
    (interrupted,) = (row for row in table if row["state"] == "interrupted")
    assert int(interrupted["number"]) in lost
    assert interrupted["train.learning_rate"] in {
        row["train.learning_rate"] for row in table if row["state"] == "complete"
    }
    for file in tmp_path.rglob("*"):
        if file.is_file():
            content = file.read_bytes()
            assert PASSWORD.encode() not in content
            assert QUOTED.encode() not in content
