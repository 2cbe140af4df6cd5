import json


def test_features_are_stored_once(earmark, tmp_path, sound_folder):
    first, again = (
        json.loads(earmark("prepare", sound_folder, "-o", tmp_path / "s", "--json").stdout)
        for _ in range(2)
    )
    assert (first["num_clips"], first["num_computed"]) == (24, 24)
    assert (again["num_clips"], again["num_computed"]) == (24, 0)
    assert first["skipped"] == []


def test_files_are_read_again_on_request(earmark, tmp_path, sound_folder):
    for number in (24, 0):
        found = earmark("prepare", sound_folder, "-o", tmp_path / "s", "--json", "--verify")
        assert json.loads(found.stdout)["num_computed"] == number


def test_files_that_crash_their_decoder_are_skipped(
    earmark, tmp_path, sound_folder, write_clip, hostile_decoder
):
    bad = write_clip(sound_folder / "training" / "music" / "crash.wav", seed=99)
    result = earmark("prepare", sound_folder, "-o", tmp_path / "s", "--json")
    assert result.exit_code == 1
    document = json.loads(result.stdout)
    assert document["num_clips"] == 24
    [skipped] = document["skipped"]
    assert skipped["path"] == "training/music/crash.wav"
    assert str(bad) in skipped["error"]
