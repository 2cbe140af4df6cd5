"""The lab scripts, run on small synthetic sounds."""

import io
import json
import os
import re
import runpy
import shutil
import subprocess
import sys
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path

import numpy as np
import pytest
import soundfile

LAB = Path(__file__).parents[1] / "examples" / "lab"
SAMPLE_RATE = 16_000
NUM_CLIPS = {"training": 4, "validation": 2, "testing": 3}
"""Clips of each label."""


def run(script, *args, status=0):
    """What a script prints, or its errors; in this process, where PyTorch is loaded already."""
    output, errors = io.StringIO(), io.StringIO()
    modules = set(sys.modules)
    with pytest.MonkeyPatch.context() as patch, redirect_stdout(output), redirect_stderr(errors):
        patch.syspath_prepend(LAB)
        patch.setattr(sys, "argv", [script, *map(str, args)])
        try:
            runpy.run_path(str(LAB / script), run_name="__main__")
            found = 0
        except SystemExit as done:
            found = done.code
    for name in set(sys.modules) - modules:
        if Path(getattr(sys.modules[name], "__file__", None) or "/").parent == LAB:
            del sys.modules[name]
    assert found == status, output.getvalue() + errors.getvalue()
    return output.getvalue() if status == 0 else errors.getvalue()


def tone(rng, seconds):
    """Three steady partials."""
    time = np.arange(round(seconds * SAMPLE_RATE)) / SAMPLE_RATE
    pitch = rng.uniform(200, 400)
    return 0.1 * sum(np.sin(2 * np.pi * pitch * partial * time) for partial in (1, 2, 3))


def babble(rng, seconds):
    """Noise that comes and goes four times a second, as syllables do."""
    time = np.arange(round(seconds * SAMPLE_RATE)) / SAMPLE_RATE
    return 0.1 * rng.standard_normal(len(time)) * (0.5 + 0.5 * np.sin(2 * np.pi * 4 * time))


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """DATA/{training,validation,testing}/{speech,tone}/*.wav, clips of 1.0 to 1.5 s."""
    root = tmp_path_factory.mktemp("lab") / "data"
    rng = np.random.default_rng(0)
    for split, number in NUM_CLIPS.items():
        for label, make in (("tone", tone), ("speech", babble)):
            (root / split / label).mkdir(parents=True)
            for index in range(number):
                waveform = make(rng, rng.uniform(1.0, 1.5))
                # Names count down, so that the order of making is not the order of names.
                path = root / split / label / f"{label}_{number - index}.wav"
                soundfile.write(path, waveform, SAMPLE_RATE)
    return root


@pytest.fixture(scope="module")
def first_look(data):
    """Output of the first run of the data script, which computes the features."""
    return run("getting_and_init_the_data.py", *data_arguments(data))


def data_arguments(data):
    return [data, "--features", data.parent / "features", "--window-seconds", "0.5"]


@pytest.fixture(scope="module")
def features(data, first_look):
    return data.parent / "features"


@pytest.fixture(scope="module")
def training(data, features):
    """Output and log of a whole training that may last 12 epochs."""
    log = data.parent / "log.jsonl"
    output = run("training_1.py", *data_arguments(data), "--epochs", 12, "--log", log)
    return output, [json.loads(line) for line in log.read_text(encoding="utf-8").splitlines()]


@pytest.fixture
def lab(monkeypatch):
    """Lets a test import the scripts as they import each other."""
    monkeypatch.syspath_prepend(LAB)


def losses(output):
    return [float(loss) for loss in re.findall(r"^epoch +\d+  loss (\S+)$", output, re.MULTILINE)]


def test_dnn_learns_a_rule_that_needs_its_hidden_layers():
    output = run("dnn_pytorch_example.py", "--device", "cpu", "--epochs", 8)
    found = losses(output)
    assert len(found) == 8
    # ln 2 is the loss of guessing; no linear layer gets far below it on this rule.
    assert found[0] < np.log(2)
    assert found[-1] < 0.5 * found[0]
    assert float(output.split()[-1]) > 0.9


def test_dnn_seed_repeats_the_run_and_another_does_not(lab, monkeypatch, capsys):
    import dnn_pytorch_example

    def output(seed):
        arguments = ["--device", "cpu", "--epochs", "1", "--seed", str(seed)]
        monkeypatch.setattr(sys, "argv", ["dnn_pytorch_example.py", *arguments])
        dnn_pytorch_example.main()
        return capsys.readouterr().out

    first = output(1)
    assert first == output(1)
    assert losses(first) != losses(output(2))


def test_dnn_gives_bare_logits_and_drops_only_in_training(lab):
    import torch

    from dnn_pytorch_example import MyDNN

    model = MyDNN(num_inputs=2, num_hidden_1=16, num_hidden_2=8, num_outputs=2, dropout=0.5)
    linear = [part for part in model.modules() if isinstance(part, torch.nn.Linear)]
    assert [(part.in_features, part.out_features) for part in linear] == [(2, 16), (16, 8), (8, 2)]
    x = torch.randn(200, 2)
    assert not torch.equal(model(x), model(x))
    logits = model.eval()(x)
    assert logits.shape == (200, 2)
    assert torch.equal(logits, model(x))
    assert logits.min() < 0


def test_data_script_prints_clips_and_shapes(first_look, features):
    lines = first_look.splitlines()
    assert len(lines) == 3
    for line, (split, number) in zip(lines, NUM_CLIPS.items(), strict=True):
        found = re.fullmatch(
            rf"{split}: (\d+) clips, (\d+) windows; "
            r"a batch: \((\d+), 1, 40, 26\), targets \((\d+),\)",
            line,
        )
        assert found, line
        num_clips, num_windows, batch, num_targets = map(int, found.groups())
        assert num_clips == 2 * number
        assert 2 * num_clips <= num_windows <= 3 * num_clips
        assert batch == num_targets == min(16, num_windows)
        assert len(list((features / split).rglob("*.npy"))) == num_clips


def test_dataset_windows_are_pieces_of_the_files_in_order(lab, features):
    from dataset_class import MyDataset

    dataset = MyDataset(features / "testing", ["speech", "tone"], num_frames=26)
    names = [file.name for file in dataset.files]
    assert names == [f"{label}_{n}.wav.npy" for label in ("speech", "tone") for n in (1, 2, 3)]
    assert sorted(set(dataset.window_clips)) == list(range(6))
    covered = [np.zeros(len(np.load(file)), bool) for file in dataset.files]
    for index in range(len(dataset)):
        window, target = dataset[index]
        clip, start = dataset.window_clips[index], dataset.window_starts[index]
        assert target == (clip >= 3)
        np.testing.assert_array_equal(
            window[0].numpy().T, np.load(dataset.files[clip])[start : start + 26]
        )
        covered[clip][start : start + 26] = True
    assert all(one.all() for one in covered)


def test_dataset_script(features):
    output = run("dataset_class.py", features / "testing", "--num-frames", 26).splitlines()
    assert re.fullmatch(r"6 clips, \d+ windows", output[0])
    assert output[1] == "window 0: (1, 40, 26), target 0, of speech_1.wav.npy"
    assert output[2].endswith("(1, 40, 26), target 1, of tone_3.wav.npy")


def test_dataset_refuses_pickles_unknown_labels_and_empty_folders(lab, tmp_path):
    from dataset_class import MyDataset
    from earmark.errors import DataError

    with pytest.raises(DataError, match=tmp_path.name):
        MyDataset(tmp_path, ["speech"], 26)
    (tmp_path / "speech").mkdir()
    np.save(tmp_path / "speech" / "a.npy", np.array([{"a": 1}]), allow_pickle=True)
    with pytest.raises(ValueError, match="Python objects"):
        MyDataset(tmp_path, ["speech"], 26)
    with pytest.raises(DataError, match="speech"):
        MyDataset(tmp_path, ["music"], 26)


def test_features_are_reused_renewed_skipped_and_refused(data, features, tmp_path):
    mine = tmp_path / "data"
    shutil.copytree(data, mine)
    # An own folder of features, as if it had been made from this copy of the data.
    shutil.copytree(features, tmp_path / "features")
    note = tmp_path / "features" / "settings.json"
    settings = json.loads(note.read_text(encoding="utf-8"))
    note.write_text(json.dumps({**settings, "data": str(mine.resolve())}, indent=2) + "\n")
    kept, renewed, gone, broken = (
        tmp_path / "features" / "training" / "tone" / f"tone_{number}.wav.npy"
        for number in (1, 2, 3, 4)
    )
    np.save(kept, np.full((100, 40), -7, np.float16))
    np.save(renewed, np.full((100, 40), -7, np.float16))
    os.utime(renewed, (0, 0))
    (mine / "training" / "tone" / "tone_3.wav").unlink()
    broken_wav = mine / "training" / "tone" / "tone_4.wav"
    broken_wav.write_bytes(b"no sound")
    os.utime(broken, (0, 0))

    output = run("getting_and_init_the_data.py", *data_arguments(mine))
    skipped = [line for line in output.splitlines() if line.startswith("skipped: ")]
    assert len(skipped) == 1
    assert "tone_4.wav" in skipped[0]
    assert "training: 6 clips" in output
    assert (np.load(kept) == -7).all()
    assert not (np.load(renewed) == -7).any()
    assert not gone.exists()
    assert not broken.exists()

    elsewhere = ["--features", tmp_path / "features", "--window-seconds", "0.5"]
    message = run("getting_and_init_the_data.py", data, *elsewhere, status=1)
    assert str(tmp_path / "features") in message


def test_only_training_is_shuffled_and_by_the_seed(lab, data, features):
    import argparse

    import torch

    from getting_and_init_the_data import add_data_arguments, get_loaders

    def batches(*more):
        parser = argparse.ArgumentParser()
        add_data_arguments(parser)
        loaders = get_loaders(parser.parse_args([*map(str, data_arguments(data)), *more]))
        return [torch.cat([log_mel for log_mel, _ in loader]) for loader in loaders[:3]], loaders

    first, loaders = batches("--seed", "1")
    again, _ = batches("--seed", "1")
    other, _ = batches("--seed", "2")
    in_order = [
        torch.stack([loader.dataset[index][0] for index in range(len(loader.dataset))])
        for loader in loaders[:3]
    ]
    assert torch.equal(first[0], again[0])
    assert not torch.equal(first[0], other[0])
    assert not torch.equal(first[0], in_order[0])
    for split in (1, 2):
        assert torch.equal(first[split], in_order[split])
        assert torch.equal(other[split], in_order[split])


def test_cnn_script_prints_the_sizes():
    """The one script that runs as a student runs it, in a process of its own."""
    command = [sys.executable, "-W", "error", LAB / "my_cnn_system.py", "--n-mels", "40"]
    output = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert re.findall(r"\(8, .*\)", output) == [
        "(8, 1, 40, 251)",
        "(8, 16, 20, 62)",
        "(8, 32, 10, 15)",
        "(8, 1)",
    ]
    assert f"inputs of the linear layer: {32 * 10 * 15}" in output
    # Weights and biases: convolutions, normalisations, linear.
    parameters = 25 * 16 + 16 + 32 + 25 * 16 * 32 + 32 + 64 + 4800 + 1
    assert f"parameters: {parameters}" in output


def test_cnn_takes_every_parameter_and_gets_its_linear_size_right(lab):
    import torch

    from my_cnn_system import BlockParameters, MyCNNSystem

    block_1 = BlockParameters(
        channels=3,
        kernel_size=(3, 5),
        stride=(1, 2),
        padding=(0, 3),
        dilation=(2, 1),
        norm_momentum=0.3,
        pool_size=(3, 2),
        pool_stride=(2, 2),
        dropout=0.5,
    )
    block_2 = BlockParameters(channels=4, kernel_size=(3, 3), padding=(1, 1), pool_size=(2, 2))
    model = MyCNNSystem(block_1, block_2, (31, 77))
    assert model.eval()(torch.rand(2, 1, 31, 77)).shape == (2, 1)
    conv, relu, norm, pool, dropout = model.block_1
    assert isinstance(relu, torch.nn.ReLU)
    assert (conv.kernel_size, conv.stride) == ((3, 5), (1, 2))
    assert (conv.padding, conv.dilation) == ((0, 3), (2, 1))
    assert (norm.num_features, norm.momentum) == (3, 0.3)
    assert (pool.kernel_size, pool.stride, dropout.p) == ((3, 2), (2, 2), 0.5)
    with pytest.raises(ValueError, match=r"\(31, 3\)"):
        MyCNNSystem(block_1, block_2, (31, 3))


def test_training_logs_a_line_an_epoch_and_the_losses_fall(training):
    output, log = training
    printed = re.findall(r"^epoch +(\d+)  train_loss (\S+)  val_loss (\S+)  ", output, re.MULTILINE)
    assert 2 <= len(log) <= 12
    assert [int(epoch) for epoch, _, _ in printed] == [line["epoch"] for line in log]
    assert [line["epoch"] for line in log] == list(range(1, len(log) + 1))
    for (_, train_loss, val_loss), line in zip(printed, log, strict=True):
        assert float(train_loss) == pytest.approx(line["train_loss"], abs=1e-4)
        assert float(val_loss) == pytest.approx(line["val_loss"], abs=1e-4)
    assert log[-1]["train_loss"] < 0.5 * log[0]["train_loss"]
    best = int(re.search(r"^best epoch: (\d+)$", output, re.MULTILINE)[1])
    lowest = min(line["val_loss"] for line in log)
    assert log[best - 1]["val_loss"] == pytest.approx(lowest, abs=1e-3)


def test_training_tests_once_in_the_order_of_the_files(training, data):
    output, _ = training
    found = re.findall(r"^(correct|wrong)  (\w+)  logit (\S+)  (\S+)$", output, re.MULTILINE)
    files = sorted(path.relative_to(data / "testing") for path in data.glob("testing/*/*.wav"))
    assert [name for _, _, _, name in found] == [file.as_posix() for file in files]
    for verdict, predicted, logit, name in found:
        assert predicted == ("tone" if float(logit) >= 0 else "speech")
        assert (verdict == "correct") == (name.split("/")[0] == predicted)
    num_correct = sum(verdict == "correct" for verdict, *_ in found)
    assert output.splitlines()[-1] == (
        f"testing accuracy {num_correct / 6:.4f}: {num_correct} of 6 clips"
    )
    assert output.count("testing accuracy") == 1
    assert num_correct >= 5


def test_the_logit_of_a_clip_is_the_mean_of_its_windows(lab, features):
    import torch
    from torch.utils.data import DataLoader

    from dataset_class import MyDataset
    from training_1 import make_model, predict

    dataset = MyDataset(features / "testing", ["speech", "tone"], num_frames=26)
    torch.manual_seed(0)
    model = make_model(MyDataset(features / "training", ["speech", "tone"], num_frames=26))
    predictions = predict(model, DataLoader(dataset, batch_size=4), torch.device("cpu"))
    assert [clip.targets for clip in predictions.clips] == [(0,)] * 3 + [(1,)] * 3
    for clip in range(6):
        windows = [dataset[i][0] for i in np.flatnonzero(dataset.window_clips == clip)]
        with torch.inference_mode():
            expected = model(torch.stack(windows)).mean().item()
        assert predictions.logits[clip, 0] == pytest.approx(expected, abs=1e-5)


def test_network_normalises_with_statistics_of_training_alone(lab, features):
    from dataset_class import MyDataset
    from training_1 import make_model

    norm = make_model(MyDataset(features / "training", ["speech", "tone"], num_frames=26))[0]
    files = (features / "training").rglob("*.npy")
    frames = np.concatenate([np.load(file).astype(np.float64) for file in files])
    np.testing.assert_allclose(norm.mean.numpy(), frames.mean(axis=0), rtol=1e-4)
    np.testing.assert_allclose(norm.std.numpy(), frames.std(axis=0), rtol=1e-4)


class Recorded:
    """Stands for the work of an epoch: the weight is the epoch, the loss is given."""

    def __init__(self, val_losses):
        self.val_losses = val_losses
        self.epoch = 0

    def train_epoch(self, model, loader, optimizer, device):
        self.epoch += 1
        model.weight.data.fill_(float(self.epoch))
        return 1.0

    def predict(self, model, loader, device):
        from earmark.data.content import Clip
        from earmark.evaluation.metrics.scores import Predictions
        from earmark.features.store import ClipKey

        # A logit of log(exp(loss) - 1) has the loss for the first label.
        logit = np.log(np.expm1(self.val_losses[self.epoch - 1]))
        return Predictions(
            (Clip("a", ClipKey("a"), (0,)), Clip("b", ClipKey("b"), (1,))),
            np.array([[logit], [-logit]]),
        )


def train_on(val_losses, monkeypatch, log, **more):
    import argparse

    import torch

    import training_1

    recorded = Recorded(val_losses)
    monkeypatch.setattr(training_1, "train_epoch", recorded.train_epoch)
    monkeypatch.setattr(training_1, "predict", recorded.predict)
    model = torch.nn.Linear(1, 1, bias=False)
    args = argparse.Namespace(**{"learning_rate": 0.1, "patience": 2, "epochs": 9, "log": log})
    vars(args).update(more)
    loaders = training_1.Loaders(None, None, None, ("speech", "tone"))
    training_1.train(model, loaders, args, torch.device("cpu"))
    return recorded.epoch, model.weight.item()


def test_training_stops_early_and_keeps_the_best_weights(lab, monkeypatch, tmp_path):
    log = tmp_path / "log.jsonl"
    falling_then_rising = [0.9, 0.5, 0.7, 0.6, 0.1]
    assert train_on(falling_then_rising, monkeypatch, log) == (4, 2.0)
    assert len(log.read_text(encoding="utf-8").splitlines()) == 4
    assert train_on(falling_then_rising, monkeypatch, log, epochs=3) == (3, 2.0)
    assert train_on([0.9, 0.5, 0.7, 0.4, 0.5, 0.5], monkeypatch, log) == (6, 4.0)


def test_training_that_diverges_is_an_error(lab, monkeypatch, tmp_path):
    from earmark.errors import TrainingError

    log = tmp_path / "log.jsonl"
    with pytest.raises(TrainingError, match="--learning-rate"):
        train_on([0.9, float("nan")], monkeypatch, log)
    assert len(log.read_text(encoding="utf-8").splitlines()) == 1
