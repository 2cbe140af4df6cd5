"""Ray on two nodes and Dask on two workers, one of which is killed half-way."""

import contextlib
import itertools
import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from earmark.errors import ConfigError, FailedFile
from earmark.inference.classifier import load_model
from earmark.inference.engine import predict_on
from earmark.inference.predict import predict
from earmark.system.ray_executor import RayExecutor

pytestmark = [
    pytest.mark.slow,
    # Both leave sockets and files to the garbage collector.
    pytest.mark.filterwarnings("ignore"),
]


@pytest.fixture
def files(tmp_path, write_clip, monkeypatch):
    """Relative paths of 40 clips, one of which is empty; tasks of four."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("earmark.system.executors.CHUNK_ITEMS", 4)
    paths = [write_clip(Path(f"{number}.wav"), 1.5, seed=number) for number in range(39)]
    Path("bad.wav").touch()
    return [*paths[:7], Path("bad.wav"), *paths[7:]]


def check_with_a_kill(executor, files, kill):
    """Checks that the results are those of this process, although `kill` is called half-way."""
    local = predict("speech-music", files)
    assert [one.path for one in local if isinstance(one, FailedFile)] == [Path("bad.wav")]
    assert predict("speech-music", files, executor=executor) == local
    results = predict_on(executor, [load_model("speech-music")], files)
    found = list(itertools.islice(results, 10))
    kill()
    found += results
    assert [one for (one,) in found] == local


@contextlib.contextmanager
def ray_cluster() -> Iterator[object]:
    from ray.cluster_utils import Cluster

    # Tasks run on the other nodes only.
    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 0})
    try:
        yield cluster
    finally:
        cluster.shutdown()


def test_ray_loses_nothing_with_a_node(files, monkeypatch):
    # On a busy machine a node takes long to start.
    monkeypatch.setenv("RAY_raylet_start_wait_time_s", "200")
    pytest.importorskip("ray")
    with ray_cluster() as cluster:
        nodes = [cluster.add_node(num_cpus=1) for _ in range(2)]
        with RayExecutor(cluster.address) as executor:
            assert executor.num_workers == 2
            check_with_a_kill(
                executor, files, lambda: cluster.remove_node(nodes[0], allow_graceful=False)
            )
            # The head misses a node only after it has not answered for a while.
            deadline = time.monotonic() + 120
            while executor.num_workers > 1 and time.monotonic() < deadline:
                time.sleep(0.5)
            assert executor.num_workers == 1


def test_dask_loses_nothing_with_a_worker(files):
    distributed = pytest.importorskip("distributed")
    with (
        distributed.LocalCluster(
            n_workers=2, threads_per_worker=1, dashboard_address=None
        ) as cluster,
        distributed.Client(cluster) as client,
    ):
        pids = list(client.run(os.getpid).values())
        with client.get_executor() as executor:
            check_with_a_kill(executor, files, lambda: os.kill(pids[0], signal.SIGKILL))


def test_a_ray_cluster_that_is_not_there_is_named():
    pytest.importorskip("ray")
    with pytest.raises(ConfigError, match=r"127\.0\.0\.1:1"):
        RayExecutor("127.0.0.1:1")
