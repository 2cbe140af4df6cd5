"""The example of the Python API, run on small synthetic sounds."""

import runpy
import sys
from pathlib import Path

SCRIPT = Path(__file__).parents[1] / "examples" / "quickstart.py"


def test_it_trains_tests_and_predicts(sound_folder, tmp_path, monkeypatch, capsys):
    sound = next((sound_folder / "testing" / "music").iterdir())
    run = tmp_path / "run"
    arguments = [sound_folder, sound, "--run", run, "--epochs", "1"]
    monkeypatch.setattr(sys, "argv", ["quickstart.py", *map(str, arguments)])
    runpy.run_path(str(SCRIPT), run_name="__main__")
    report, *predictions = capsys.readouterr().out.splitlines()
    assert str(run / "report.html") in report
    assert (run / "report.html").exists()
    assert len(predictions) == 2
    for line in predictions:
        assert line.startswith(sound.name)
        assert "music" in line
        assert "speech" in line
