import json

import pytest

ON_CPU = ("--device", "cpu")


@pytest.mark.usefixtures("quick_report")
def test_a_comparison_equals_a_test_with_a_baseline(earmark, write_run, sound_folder):
    first = write_run(sound_folder, "one", seed=1)
    second = write_run(sound_folder, "two", seed=2)
    assert earmark("evaluate", first, sound_folder, *ON_CPU).exit_code == 0
    baseline = ("--baseline", first / "predictions.csv")
    tested = earmark("evaluate", second, sound_folder, "--json", *baseline, *ON_CPU)
    compared = earmark("compare", second, first, sound_folder, "--json", *ON_CPU)
    for key in ("difference", "difference_interval", "mcnemar"):
        assert json.loads(tested.stdout)["baseline"][key] == json.loads(compared.stdout)[key]


def test_people_see_both_models(earmark, write_run, sound_folder):
    runs = [write_run(sound_folder, name, seed=len(name)) for name in ("one", "other")]
    result = earmark("compare", *runs, sound_folder, *ON_CPU)
    assert result.exit_code == 0, result.output
    assert all(str(run) in result.stdout for run in runs)


def test_skipped_files_make_the_exit_status_one(earmark, write_run, sound_folder):
    run = write_run(sound_folder)
    (sound_folder / "testing" / "music" / "bad.wav").touch()
    result = earmark("compare", run, run, sound_folder, "--json", *ON_CPU)
    assert result.exit_code == 1
    assert len(json.loads(result.stdout)["skipped"]) == 1
