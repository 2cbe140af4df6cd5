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
