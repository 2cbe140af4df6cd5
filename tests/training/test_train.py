import json
import math
import os
import signal
import subprocess
import sys
import time

import pytest
import soundfile
import torch

from earmark.config import load_config
from earmark.data.dataset import Batch
from earmark.data.manifest import read_manifest
from earmark.errors import ConfigError, DataError, TrainingError
from earmark.evaluation.evaluate import evaluate_checkpoint
from earmark.inference.classifier import load_model
from earmark.models.architectures.audio_cnn import AudioCNN
from earmark.models.architectures.registry import InputShape
from earmark.models.checkpoint import load_checkpoint
from earmark.models.run_folder import RunFolder
from earmark.system.runtime import Runtime
from earmark.tasks.task import BINARY
from earmark.training.losses import make_loss
from earmark.training.optimizer import Objective, Optimizer, train_epoch
from earmark.training.train import train

CPU = Runtime(torch.device("cpu"))
SMALL = (
    "recipe.name=classic",
    *(f"model.blocks.{one}.channels=4" for one in range(4)),
    "train.crop_seconds=0.5",
    "train.batch_size=8",
    "train.learning_rate=0.01",
    "evaluate.baseline=false",
)
EVERYTHING = (
    "train.epochs=4",
    "train.lr_schedule=one_cycle",
    "train.warmup_fraction=0.3",
    "train.ema_decay=0.8",
    "train.max_grad_norm=1.0",
    "train.grad_accumulation_steps=2",
    "train.precision=bfloat16",
    "augment.time_stretch=0.2",
    "augment.shortest=0.8",
    "augment.gain_db=6.0",
    "augment.mixup=0.5",
    "augment.time_masks=1",
)
LONG = ("train.epochs=20", "train.patience=20")
RUN_FILES = {
    "config.toml",
    "choices.json",
    "recordings.csv",
    "log.jsonl",
    "best.safetensors",
    "last.safetensors",
    "validation.csv",
    "loss.png",
}


def small(*settings):
    return load_config(settings=[*SMALL, *settings])


@pytest.fixture
def run_training(tmp_path, sound_folder):
    def run(name, *settings, **options):
        return train(
            read_manifest(sound_folder),
            tmp_path / name,
            small(*settings),
            device=CPU,
            store=tmp_path / "store",
            **options,
        )

    return run


@pytest.mark.usefixtures("loss_curve")
def test_training_learns_tones_from_noise_and_leaves_a_run_folder(run_training, tmp_path):
    result = run_training("run", "train.epochs=12")
    assert result.validation["num_clips"] == 6
    assert result.validation["num_correct"] == 6
    assert {path.name for path in (tmp_path / "run").iterdir()} == RUN_FILES
    log = RunFolder(tmp_path / "run").read_log()
    assert [line["epoch"] for line in log] == list(range(1, result.epochs + 1))
    assert log[-1]["train_loss"] < log[0]["train_loss"]
    assert (tmp_path / "run" / "loss.png").read_bytes().startswith(b"\x89PNG")


def test_the_best_weights_are_those_of_the_lowest_validation_loss(run_training, tmp_path):
    result = run_training("run", "train.epochs=6", "train.min_delta=10.0")
    losses = [line["val_loss"] for line in RunFolder(tmp_path / "run").read_log()]
    assert result.best_epoch == 1 + losses.index(min(losses))
    assert result.validation["loss"] == min(losses)
    assert load_checkpoint(tmp_path / "run").progress["epoch"] == result.best_epoch


def test_the_same_seed_gives_the_same_bytes_and_another_gives_others(run_training, tmp_path):
    for name, seed in (("a", 3), ("b", 3), ("c", 4)):
        run_training(name, "train.epochs=2", f"train.seed={seed}")
    one, two, other = (
        (tmp_path / name / "last.safetensors").read_bytes() for name in ("a", "b", "c")
    )
    assert one == two != other


def test_the_seed_is_recorded(run_training, tmp_path):
    run_training("run", "train.epochs=1", "train.seed=11")
    assert load_config(tmp_path / "run" / "config.toml").train.seed == 11
    assert load_checkpoint(tmp_path / "run").spec.config.train.seed == 11


UNVALIDATED = ("train.epochs=4", "train.hold_out_validation=false")


@pytest.mark.parametrize("settings", [("train.epochs=4",), EVERYTHING, UNVALIDATED])
def test_a_run_interrupted_in_an_epoch_is_resumed_to_the_same_weights(
    run_training, tmp_path, monkeypatch, settings
):
    run_training("whole", *settings)
    calls = 0

    def interrupted(*args, **options):
        nonlocal calls
        calls += 1
        if calls == 3:
            raise KeyboardInterrupt
        return train_epoch(*args, **options)

    with monkeypatch.context() as patch:
        patch.setattr("earmark.training.epochs.train_epoch", interrupted)
        with pytest.raises(KeyboardInterrupt):
            run_training("cut", *settings)
    assert len(RunFolder(tmp_path / "cut").read_log()) == 2
    run_training("cut", *settings)
    for name in ("best.safetensors", "last.safetensors"):
        whole, cut = (tmp_path / folder / name for folder in ("whole", "cut"))
        assert whole.read_bytes() == cut.read_bytes()
    whole, cut = (
        [{**line, "elapsed_seconds": 0} for line in RunFolder(tmp_path / folder).read_log()]
        for folder in ("whole", "cut")
    )
    assert whole == cut


def test_without_validation_its_recordings_train_and_the_last_weights_are_kept(
    run_training, tmp_path
):
    result = run_training("run", *UNVALIDATED, "train.patience=1")
    assert (result.validation, result.epochs, result.best_epoch) == (None, 4, 4)
    assert not result.stopped_early
    run = RunFolder(tmp_path / "run")
    assert {row["split"] for row in run.read_recordings()} == {"train", "test"}
    assert all(set(line) == {"epoch", "train_loss", "elapsed_seconds"} for line in run.read_log())
    best, last = load_checkpoint(run.best), load_checkpoint(run.last)
    for name, tensor in best.model.items():
        assert torch.equal(tensor, last.average[f"module.{name}"])


def test_without_validation_more_clips_train(run_training, tmp_path):
    split = {}
    for name, settings in (("with", ()), ("without", ("train.hold_out_validation=false",))):
        run_training(name, "train.epochs=1", *settings)
        rows = RunFolder(tmp_path / name).read_recordings()
        split[name] = {
            part: {one["name"] for one in rows if one["split"] == part}
            for part in ("train", "validation", "test")
        }
    with_it, without = split["with"], split["without"]
    assert without["train"] == with_it["train"] | with_it["validation"]
    assert without["test"] == with_it["test"]


@pytest.mark.slow
def test_a_killed_run_is_resumed_to_the_same_weights(run_training, tmp_path, sound_folder):
    run_training("whole", *LONG)
    run = tmp_path / "cut"
    settings = [f"--set={one}" for one in (*SMALL, *LONG)]
    command = [sys.executable, "-m", "earmark", "train", str(sound_folder), "-o", str(run)]
    command += ["--store", str(tmp_path / "store"), "--device", "cpu", *settings]
    process = subprocess.Popen(command, stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
    deadline = time.monotonic() + 120
    while not (run / "last.safetensors").exists() and time.monotonic() < deadline:
        time.sleep(0.01)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    assert (run / "last.safetensors").exists()
    run_training("cut", *LONG)
    for name in ("best.safetensors", "last.safetensors"):
        assert (run / name).read_bytes() == (tmp_path / "whole" / name).read_bytes()


def test_a_finished_run_gives_its_result_without_training(run_training, monkeypatch):
    first = run_training("run", "train.epochs=2")
    monkeypatch.delattr("earmark.training.epochs.train_epoch")
    assert run_training("run", "train.epochs=2") == first


def test_another_run_in_the_folder_is_not_overwritten_unless_asked(run_training, tmp_path):
    run_training("run", "train.epochs=1")
    before = (tmp_path / "run" / "last.safetensors").read_bytes()
    with pytest.raises(TrainingError, match=r"run: .*settings"):
        run_training("run", "train.epochs=1", "train.seed=5")
    assert (tmp_path / "run" / "last.safetensors").read_bytes() == before
    run_training("run", "train.epochs=1", "train.seed=5", overwrite=True)
    assert (tmp_path / "run" / "last.safetensors").read_bytes() != before


def test_changed_data_are_noticed(run_training, sound_folder, write_clip):
    run_training("run", "train.epochs=1")
    write_clip(sound_folder / "training" / "music" / "new.wav", seed=77)
    with pytest.raises(TrainingError, match=r"run: .*data"):
        run_training("run", "train.epochs=1")


def test_training_stops_when_patience_runs_out(run_training):
    result = run_training("run", "train.epochs=50", "train.patience=1", "train.min_delta=10.0")
    assert result.stopped_early
    assert result.epochs == 2


def test_one_mean_over_all_windows_not_a_mean_of_batch_means():
    class Constant(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.bias = torch.nn.Parameter(torch.zeros(1))

        def forward(self, log_mel):
            return log_mel.mean(dim=(1, 2, 3))[:, None] + self.bias

    values = [torch.tensor([0.0, 0.0, 0.0]), torch.tensor([10.0])]
    batches = [
        Batch(
            value[:, None, None, None].expand(-1, 1, 2, 2),
            torch.tensor([[1.0, 0.0]]).expand(len(value), 2),
            torch.arange(len(value)),
        )
        for value in values
    ]
    model = Constant()
    steps = Optimizer(model, small("train.learning_rate=1e-30").train)
    expected = (3 * math.log(2) + math.log1p(math.exp(10.0))) / 4
    objective = Objective(make_loss(BINARY))
    assert train_epoch(model, steps, batches, objective, CPU) == pytest.approx(expected, rel=1e-6)


def test_a_network_can_overfit_eight_windows():
    torch.manual_seed(0)
    model = AudioCNN(small().model.blocks, InputShape(40, 51))
    targets = torch.eye(2).repeat(4, 1)
    batch = Batch(torch.rand(8, 1, 40, 51), targets, torch.arange(8))
    steps = Optimizer(model, small("train.lr_schedule=constant", "train.warmup_fraction=0.0").train)
    objective = Objective(make_loss(BINARY))
    losses = [train_epoch(model, steps, [batch], objective, CPU) for _ in range(150)]
    assert losses[0] > 0.5
    assert losses[-1] < 0.01


@pytest.mark.parametrize("settings", [(), ("train.max_crops=1", "train.batch_size=64")])
def test_a_loss_that_is_not_finite_stops_training_and_keeps_the_last_good_epoch(
    run_training, tmp_path, settings
):
    with pytest.raises(TrainingError, match=r"(nan|inf).*train\.learning_rate"):
        run_training("other", "train.epochs=9", "train.learning_rate=1e30", *settings)
    kept = tmp_path / "other" / "last.safetensors"
    assert not kept.exists() or load_checkpoint(kept)


def test_bad_files_are_named_and_skipped(run_training, sound_folder, write_clip):
    folder = sound_folder / "training" / "music"
    (folder / "empty.wav").touch()
    (folder / "text.wav").write_text("no sound at all")
    (folder / "corrupt.flac").write_bytes(b"fLaC" + bytes(500))
    write_clip(folder / "short.wav", seconds=0.05)
    result = run_training("run", "train.epochs=1")
    names = {one.path.rsplit("/", 1)[1]: one.error for one in result.skipped}
    assert set(names) == {"empty.wav", "text.wav", "corrupt.flac", "short.wav"}
    assert all(name in error for name, error in names.items())


def test_the_test_split_is_not_read_while_training(run_training, sound_folder):
    for path in (sound_folder / "testing").rglob("*.wav"):
        path.write_bytes(b"not sound: reading it would be noticed")
    assert run_training("run", "train.epochs=1").skipped == ()


def test_data_that_cannot_be_trained_on_are_refused(run_training, sound_folder, write_clip):
    write_clip(sound_folder / "training" / "third" / "x.wav")
    with pytest.raises(DataError, match=r"'third' .*validation"):
        run_training("run")
    for split in ("validation", "testing"):
        write_clip(sound_folder / split / "third" / "x.wav")
    with pytest.raises(DataError, match=r"train\.task"):
        run_training("run", "train.task=binary")


def test_a_label_of_the_test_split_alone_is_refused(run_training, sound_folder, write_clip):
    write_clip(sound_folder / "testing" / "third" / "x.wav")
    with pytest.raises(DataError, match=r"'third' .*test"):
        run_training("run")


def test_a_single_label_is_refused(run_training, sound_folder):
    for folder in sound_folder.glob("*/speech"):
        folder.rename(folder.parent.parent.parent / f"{folder.parent.name}-speech")
    with pytest.raises(DataError, match="'music'"):
        run_training("run")


def test_a_split_without_a_label_is_refused(run_training, sound_folder):
    for path in (sound_folder / "validation" / "music").iterdir():
        path.unlink()
    with pytest.raises(DataError, match=r"'music' .*validation"):
        run_training("run")


def test_features_of_training_are_those_of_prediction(run_training, tmp_path, sound_folder):
    from earmark.inference.classifier import Classifier

    run_training("run", "train.epochs=2")
    evaluation = evaluate_checkpoint(
        load_checkpoint(tmp_path / "run"),
        read_manifest(sound_folder),
        runtime=CPU,
        store_root=tmp_path / "store",
        run=tmp_path / "run",
    )
    classifier = Classifier.load(tmp_path / "run", device="cpu")
    probabilities = evaluation.predictions.probabilities
    for clip, row in zip(evaluation.predictions.clips, probabilities, strict=True):
        prediction = classifier.predict(sound_folder / clip.name)
        assert list(prediction.probabilities.values()) == pytest.approx(row.tolist(), abs=1e-6)


def test_the_result_has_the_names_that_scripts_rely_on(run_training):
    document = json.loads(json.dumps(run_training("run", "train.epochs=1").to_dict()))
    assert set(document) >= {
        "run",
        "best_epoch",
        "epochs",
        "stopped_early",
        "validation",
        "num_parameters",
        "elapsed_seconds",
        "skipped",
    }
    assert set(document["validation"]) >= {"loss", "accuracy"}


def test_windows_that_would_be_cut_too_short_are_refused_by_name(run_training):
    with pytest.raises(ConfigError, match=r"augment\.shortest = 0\.1 is too short: model\.blocks"):
        run_training("run", "augment.shortest=0.1", "train.epochs=1")


def test_clips_that_are_too_short_for_the_network_are_not_blamed_on_augmentation(run_training):
    pools = [f"model.blocks.{one}.pool_size=[2,6]" for one in (0, 1, 2)]
    with pytest.raises(ConfigError, match=r"^model\.blocks\.2: nothing is left"):
        run_training("run", "train.crop_seconds=8", *pools)


def test_abstention_does_not_change_training(run_training, tmp_path):
    abstaining = run_training("abstaining", "predict.min_probability=0.999", "train.epochs=3")
    (line,) = [
        one
        for one in RunFolder(tmp_path / "abstaining").read_log()
        if one["epoch"] == abstaining.best_epoch
    ]
    plain = run_training("plain", "train.epochs=3")
    assert abstaining.validation == plain.validation
    assert abstaining.validation["loss"] == pytest.approx(line["val_loss"])


def test_a_head_of_fixed_length_takes_no_shortened_windows():
    with pytest.raises(ConfigError, match=r"augment\.shortest = 0\.5: model\.head = flatten"):
        small("model.head=flatten", "augment.shortest=0.5")


def test_a_label_of_silent_clips_is_predicted_for_silence(
    run_training, tmp_path, sound_folder, rng
):
    for split, count in {"training": 4, "validation": 2, "testing": 2}.items():
        for index in range(count):
            path = sound_folder / split / "silence" / f"{index}.wav"
            path.parent.mkdir(exist_ok=True)
            soundfile.write(path, rng.normal(0, 1e-5, 16_000), 16_000, subtype="PCM_24")
    run_training("run", "train.epochs=2")
    classifier = load_model(tmp_path / "run", device="cpu")
    assert classifier.spec.silence_label == "silence"
    run = tmp_path / "run"
    tested = evaluate_checkpoint(
        load_checkpoint(run),
        read_manifest(sound_folder),
        runtime=CPU,
        store_root=tmp_path / "store",
        run=run,
    )
    assert tested.coverage.num_silent == 0
    assert tested.to_dict()["per_class"]["silence"]["recall"] == 1.0
    assert tested.to_dict()["decisions"]["silence_label"] == "silence"
    assert classifier.predict(sound_folder / "testing" / "silence" / "0.wav").label == "silence"
