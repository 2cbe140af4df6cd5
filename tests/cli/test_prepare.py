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
