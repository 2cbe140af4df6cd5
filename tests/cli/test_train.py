import json


def test_json_keeps_its_contract(first_training):
    run, result = first_training
    document = json.loads(result.stdout)
    assert document["run"] == str(run)
    assert (document["epochs"], document["skipped"]) == (2, [])
    assert document["best_epoch"] in (1, 2)
    assert {"loss", "accuracy"} <= set(document["validation"])
    assert {"num_parameters", "elapsed_seconds", "stopped_early"} <= set(document)
    assert {one.name for one in run.iterdir()} >= {
        *("best.safetensors", "config.toml", "last.safetensors", "log.jsonl"),
    }


def test_quiet_shows_results_only(earmark, tmp_path, sound_folder, fast):
    result = earmark("train", sound_folder, "-o", tmp_path / "q", "--quiet", *fast)
    assert result.exit_code == 0
    assert result.stderr == ""
    assert str(tmp_path / "q") in result.stdout


def test_skipped_files_are_named_and_the_exit_status_is_one(earmark, tmp_path, sound_folder, fast):
    (sound_folder / "training" / "music" / "empty.wav").touch()
    result = earmark("train", sound_folder, "-o", tmp_path / "r", "--json", *fast)
    assert result.exit_code == 1
    (skipped,) = json.loads(result.stdout)["skipped"]
    assert skipped["path"] == "training/music/empty.wav"
    assert skipped["error"] in result.stderr
    assert (tmp_path / "r" / "best.safetensors").exists()


def test_a_head_on_the_vectors_of_an_embedder_is_trained_tested_and_exported(
    earmark, write_sounds, write_embedder, tmp_path, monkeypatch
):
    monkeypatch.setattr("earmark.exporters.parity.PARITY_SECONDS", (0.1, 1.03))
    monkeypatch.setattr("earmark.exporters.parity.LONG_SECONDS", 2.0)
    sounds = write_sounds(tmp_path / "sounds")
    write_embedder(tmp_path / "e.onnx", ["batch", 800], dimensions=16, sample_rate=8000)
    settings = ("--embedder", "e.onnx", "--store", "store")
    settings += ("--set", "train.epochs=30", "--set", "train.refit=false")
    result = earmark("train", sounds, "-o", "run", "--json", *settings)
    assert result.exit_code == 0, result.output
    result = earmark("evaluate", "run", sounds, "--json", "--store", "store")
    assert result.exit_code == 0, result.output
    assert json.loads(result.stdout)["accuracy"] > 0.8
    # Resumed without training, and with another embedder refused.
    assert earmark("train", sounds, "-o", "run", "--json", *settings).exit_code == 0
    write_embedder(tmp_path / "f.onnx", ["batch", 800], dimensions=12, sample_rate=8000)
    other = ("--embedder", "f.onnx", *settings[2:])
    assert earmark("train", sounds, "-o", "run", *other).exit_code != 0
    assert earmark("export", "run", "-o", "model.onnx").exit_code == 0
    files = sorted((sounds / "testing").rglob("*.wav"))
    tables = []
    for model in ("run", "model.onnx"):
        predicted = earmark("predict", model, *files, "--json")
        assert predicted.exit_code == 0, predicted.output
        tables.append([json.loads(one)["label"] for one in predicted.stdout.splitlines()])
        (tmp_path / "e.onnx").unlink(missing_ok=True)
    assert tables[0] == tables[1]
    # Without its file, and without what it would be predicted from.
    assert earmark("predict", "run", files[0]).exit_code != 0
