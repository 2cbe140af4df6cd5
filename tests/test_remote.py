"""Commands on recordings, manifests and models of a web server, as on local ones."""

import json
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile
from click.testing import CliRunner

import earmark
from earmark.audio.reading import load_audio
from earmark.cli import cli
from earmark.models.pretrained import pretrained_models
from earmark.system.remote.path import to_path

pytest.importorskip("aiohttp")

SECRET = "s3cr3tV4lue"
# Nothing is measured to choose settings.
CLASSIC = earmark.load_config(settings=["recipe.name=classic"])


@pytest.fixture(scope="session")
def long_files(tmp_path_factory):
    """Long noise in several formats, local."""
    folder = tmp_path_factory.mktemp("long")
    samples = 0.1 * np.random.default_rng(0).standard_normal(2_400_000).clip(-3, 3)
    for name, kind in {"wav": "PCM_16", "flac": "PCM_16", "ogg": "VORBIS"}.items():
        level = {"compression_level": 0.0} if name == "ogg" else {}
        # libsndfile crashes when it writes much Vorbis at once.
        with soundfile.SoundFile(folder / f"a.{name}", "w", 48_000, 1, kind, **level) as file:
            for start in range(0, len(samples), 48_000):
                file.write(samples[start : start + 48_000])
    return folder


def serve(server, folder):
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            server.files[f"/{path.relative_to(folder).as_posix()}"] = path.read_bytes()


def run(*words, fails=False):
    """Runs a command; its workers are other processes."""
    result = CliRunner().invoke(cli, [*map(str, words)])
    assert bool(result.exit_code) == fails, result.output
    return result


@pytest.mark.parametrize("suffix", ["wav", "flac", "ogg"])
def test_an_excerpt_does_not_take_the_whole_file(file_server, long_files, suffix):
    serve(file_server, long_files)
    path = long_files / f"a.{suffix}"
    for start in (1.0, 0.8 * soundfile.info(path).duration):
        file_server.num_sent = 0
        local = load_audio(path, 16_000, start=start, end=start + 2)
        remote = load_audio(f"{file_server.url}/a.{suffix}", 16_000, start=start, end=start + 2)
        assert np.array_equal(local.samples, remote.samples)
        assert file_server.num_sent < 0.6 * path.stat().st_size


@pytest.mark.parametrize("form", ["wav", "flac", "ogg", "mp3", "m4a", "aiff"])
def test_every_decoder_gives_the_samples_of_the_local_file(
    file_server, tmp_path, noise, encode_track, form
):
    path = tmp_path / f"a.{form}"
    if form == "m4a":
        encode_track(path, noise(), "aac", rate=16_000)
    else:
        soundfile.write(path, noise(2), 16_000)
    serve(file_server, tmp_path)
    local, remote = load_audio(path), load_audio(f"{file_server.url}/a.{form}")
    assert remote.sample_rate == local.sample_rate
    assert np.array_equal(local.samples, remote.samples)


@pytest.mark.parametrize("form", ["wav", "flac", "ogg", "mp3", "m4a"])
def test_a_server_that_fails_on_the_way_is_no_damage_of_the_file(
    file_server, tmp_path, rng, encode_track, form
):
    path = tmp_path / f"a.{form}"
    samples = 0.1 * rng.standard_normal(1_500_000).clip(-3, 3)
    if form == "m4a":
        encode_track(path, samples, "aac", rate=16_000, options={"movflags": "faststart"})
    else:
        with soundfile.SoundFile(path, "w", 16_000, 1) as file:
            for start in range(0, len(samples), 16_000):
                file.write(samples[start : start + 16_000])
    # Larger than what is fetched at once.
    content = path.read_bytes()
    serve(file_server, tmp_path)
    if len(content) > 1 << 20:
        file_server.fail = lambda number, _: 500 if number > 6 else None
    else:
        file_server.fail = lambda number, method: 500 if method == "GET" else None
    with pytest.raises(earmark.AudioError) as caught:
        load_audio(f"{file_server.url}/a.{form}")
    assert caught.value.fault == "missing"
    assert "500" in str(caught.value)


@pytest.fixture
def manifest(file_server, sound_folder):
    """A local manifest of signed addresses, with the local one of the same files."""
    serve(file_server, sound_folder)
    local = earmark.read_manifest(sound_folder)
    rows = ["path,label,split"]
    for one in local.recordings:
        url = f"{file_server.url}/{one.name}?X-Amz-Signature={SECRET}"
        rows.append(f"{url},{one.labels[0]},{one.split}")
    table = sound_folder.parent / "data.csv"
    table.write_text("\n".join(rows) + "\n")
    return table


def test_features_of_a_manifest_are_those_of_the_local_files(
    file_server, manifest, sound_folder, tmp_path
):
    store = tmp_path / "store"
    local = earmark.prepare(earmark.read_manifest(sound_folder), CLASSIC, store=store)
    remote = earmark.prepare(earmark.read_manifest(manifest), CLASSIC, store=store)
    # Small files are known by their content, wherever they lie.
    assert sorted(remote.keys.values()) == sorted(local.keys.values())
    assert remote.num_computed == 0
    other = earmark.prepare(earmark.read_manifest(manifest), CLASSIC, store=tmp_path / "other")
    assert other.num_computed == len(local.keys)


def test_secrets_stay_out_of_everything_that_is_written(file_server, manifest, tmp_path):
    loaded = earmark.read_manifest(manifest)
    loaded.write(tmp_path / "copy.csv")
    prepared = earmark.prepare(loaded, CLASSIC, store=tmp_path / "store")
    (tmp_path / "recordings.csv").write_text(loaded.to_csv(prepared.keys, tmp_path))
    missing = f"{file_server.url}/no.wav?X-Amz-Signature={SECRET}"
    first = manifest.read_text().splitlines()[1].partition(",")[0]
    words = ("predict", "speech-music", first, missing)
    result = run(*words, "-o", tmp_path / "table.jsonl", "--json", fails=True)
    rows = [json.loads(line) for line in result.stdout.splitlines()]
    assert [("error" in row) for row in rows] == [False, True]
    file_server.fail = lambda *_: 400
    others = [
        run("check", f"{file_server.url}/no.csv?X-Amz-Signature={SECRET}", fails=True),
        run("predict", f"{file_server.url}/no.onnx?X-Amz-Signature={SECRET}", "a", fails=True),
        run("predict", "speech-music", missing, "--debug", fails=True),
    ]
    for one in (result, *others):
        assert SECRET not in one.stdout + one.stderr
    kept = [one for one in tmp_path.rglob("*") if one.is_file() and one != manifest]
    assert {tmp_path / "copy.csv", tmp_path / "table.jsonl"} < set(kept)
    assert [one for one in kept if SECRET.encode() in one.read_bytes()] == []
    assert SECRET not in repr(loaded) + str(loaded.recordings)


def test_predict_resumes_and_notices_a_changed_file(file_server, manifest, tmp_path):
    urls = re.findall(r"^http[^?\n]*", manifest.read_text(), re.M)[:6]
    (tmp_path / "list.txt").write_text("\n".join(urls) + "\n")
    words = ("predict", "speech-music", "--files-from", tmp_path / "list.txt", "--resume", "-o")
    table = tmp_path / "table.jsonl"
    # In worker processes, over a bad line.
    file_server.fail = lambda number, _: 503 if number % 5 == 0 else None
    run(*words, table)
    assert [json.loads(line)["path"] for line in table.read_text().splitlines()] == urls
    before = table.read_bytes()
    file_server.fail = lambda *_: None
    sent = file_server.num_sent
    run(*words, table)
    assert table.read_bytes() == before
    assert file_server.num_sent == sent
    changed = urls[0].removeprefix(file_server.url)
    file_server.files[changed] = file_server.files[urls[1].removeprefix(file_server.url)]
    run(*words, table)
    rows = {row["path"]: row for row in map(json.loads, table.read_text().splitlines())}
    assert rows[urls[0]]["probabilities"] == rows[urls[1]]["probabilities"]


def test_a_model_is_opened_from_its_address(file_server, tmp_path, write_clip):
    content = pretrained_models()["speech-music"].read_bytes()
    file_server.files["/m/model.onnx"] = content
    url = f"{file_server.url}/m/model.onnx"
    sound = write_clip(tmp_path / "a.wav")
    local = earmark.load_model("speech-music").predict(sound)
    assert earmark.load_model(url).predict(sound) == local
    sent = file_server.num_sent
    # `Path` collapses the slashes.
    assert earmark.load_model(Path(url)).predict(sound) == local
    assert file_server.num_sent == sent
    file_server.files["/m/model.onnx"] = content[:-1]
    with pytest.raises(earmark.CheckpointError):
        earmark.load_model(url)
    with pytest.raises(earmark.CheckpointError):
        earmark.load_model(f"{file_server.url}/m/none.onnx")


def test_results_are_not_written_to_an_address(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for words in (
        ("predict", "speech-music", "a.wav", "-o", "s3://bucket/table.csv"),
        ("prepare", "data", "-o", "s3://bucket/store"),
        ("train", "data", "-o", "s3://bucket/run"),
    ):
        assert run(*words, fails=True).exit_code == 2
    assert list(tmp_path.iterdir()) == []


def test_local_work_does_not_import_fsspec(tmp_path, write_clip):
    path = write_clip(tmp_path / "a.wav")
    code = (
        "import sys, earmark\n"
        f"earmark.load_model('speech-music').predict({str(path)!r})\n"
        "assert not {'fsspec', 'aiohttp', 'asyncio'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_a_folder_in_memory_is_a_data_set(sound_folder, tmp_path):
    import fsspec

    files = fsspec.filesystem("memory")
    files.put(str(sound_folder), f"/{tmp_path.name}", recursive=True)
    folder = to_path(f"memory://{tmp_path.name}/{sound_folder.name}")
    folder = folder if folder.exists() else folder.parent
    remote, local = earmark.read_manifest(folder), earmark.read_manifest(sound_folder)
    assert [(one.name, one.labels, one.split) for one in remote.recordings] == [
        (one.name, one.labels, one.split) for one in local.recordings
    ]
    found = earmark.predict("speech-music", f"{folder}/testing/music/music_0.wav")
    assert [one.label for one in found] == ["music"]
    files.rm(f"/{tmp_path.name}", recursive=True)


@pytest.mark.slow
def test_training_and_testing_are_those_of_the_local_files(
    file_server, manifest, sound_folder, tmp_path
):
    import fsspec

    fast = ("recipe.name=classic", "train.epochs=2", "train.crop_seconds=0.5")
    config = earmark.load_config(settings=fast)
    logs = []
    for name, data in {"local": sound_folder, "remote": manifest}.items():
        earmark.train(data, tmp_path / name, config, store=tmp_path / "store")
        lines = map(json.loads, (tmp_path / name / "log.jsonl").read_text().splitlines())
        logs.append([{**line, "elapsed_seconds": 0} for line in lines])
    assert logs[0] == logs[1]
    # A run folder in a bucket knows what its model was trained on.
    files = fsspec.filesystem("memory")
    files.put(f"{tmp_path / 'remote'}/", f"/{tmp_path.name}/run/", recursive=True)
    run_folder = to_path(f"memory://{tmp_path.name}/run")
    test = earmark.evaluate(run_folder, manifest, store=tmp_path / "store")
    assert test.report is None
    assert (
        test.accuracy
        == earmark.evaluate(
            tmp_path / "local", sound_folder, store=tmp_path / "store", output=tmp_path / "test"
        ).accuracy
    )
    folds = earmark.cross_validate(manifest, 3, config, store=tmp_path / "store")
    assert len(folds.clips) == len(earmark.read_manifest(manifest))
    files.rm(f"/{tmp_path.name}", recursive=True)
