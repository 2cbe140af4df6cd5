"""Training with validation after each epoch, early stopping, and one test at the very end.

The network learns from windows. Validation and testing predict whole clips: the logit of a clip is
the mean over its windows.
"""

import argparse
import copy
import json
import math
from pathlib import Path

import numpy as np
import torch
from torch import nn
from torch.utils.data import DataLoader

from dataset_class import MyDataset
from earmark.data.content import Clip
from earmark.errors import DataError, EarmarkError, TrainingError
from earmark.evaluation.metrics.scores import Predictions, score
from earmark.features.store import ClipKey
from earmark.models.architectures.norm import BandNorm
from earmark.system.runtime import DEVICES, pick_device, seed_torch
from earmark.tasks.pooling import clip_logits
from earmark.training.early_stopping import EarlyStopping
from getting_and_init_the_data import Loaders, add_data_arguments, dataset_of, get_loaders
from my_cnn_system import BlockParameters, MyCNNSystem


def make_model(training: MyDataset) -> nn.Sequential:
    """The network, behind a normalisation of each mel band with statistics of the training data."""
    clips = range(len(training.files))
    frames = np.concatenate([training.frames(clip) for clip in clips]).astype(np.float64)
    # Statistics of validation or testing data would leak into the network.
    norm = BandNorm(frames.shape[1])
    norm.fit(torch.tensor(frames.mean(axis=0)).float(), torch.tensor(frames.std(axis=0)).float())
    size = (frames.shape[1], training.num_frames)
    blocks = BlockParameters(channels=16), BlockParameters(channels=32)
    return nn.Sequential(norm, MyCNNSystem(*blocks, size))


def train_epoch(
    model: nn.Module, loader: DataLoader, optimizer: torch.optim.Optimizer, device: torch.device
) -> float:
    """Trains on every batch once; the mean loss over the windows."""
    loss_function = nn.BCEWithLogitsLoss()
    model.train()
    loss_sum, num_windows = torch.zeros((), device=device), 0
    for log_mel, targets in loader:
        optimizer.zero_grad()
        logits = model(log_mel.to(device))
        loss = loss_function(logits[:, 0], targets.float().to(device))
        loss.backward()
        optimizer.step()
        loss_sum += loss.detach() * len(targets)
        num_windows += len(targets)
    return loss_sum.item() / num_windows


def predict(model: nn.Module, loader: DataLoader, device: torch.device) -> Predictions:
    """The logits of each clip of a loader that does not shuffle, in the order of the files."""
    model.eval()
    with torch.inference_mode():
        logits = torch.cat([model(log_mel.to(device)).cpu() for log_mel, _ in loader]).numpy()
    dataset = dataset_of(loader)
    clips = tuple(
        Clip(
            file.relative_to(dataset.folder).with_suffix("").as_posix(),
            ClipKey(str(file)),
            (target,),
        )
        for file, target in zip(dataset.files, dataset.targets, strict=True)
    )
    return Predictions(clips, clip_logits(logits, dataset.window_clips))


def train(
    model: nn.Module, loaders: Loaders, args: argparse.Namespace, device: torch.device
) -> None:
    """Trains until the validation loss gets no better; leaves the best weights in the model.

    Raises:
        TrainingError: The loss is no longer a number.
    """
    optimizer = torch.optim.Adam(model.parameters(), lr=args.learning_rate)
    stopping = EarlyStopping(args.patience, min_delta=1e-3)
    best_weights = copy.deepcopy(model.state_dict())
    with args.log.open("w", encoding="utf-8") as log:
        while stopping.epoch < args.epochs and not stopping.should_stop:
            train_loss = train_epoch(model, loaders.training, optimizer, device)
            predictions = predict(model, loaders.validation, device)
            if not math.isfinite(train_loss + predictions.logits.sum()):
                raise TrainingError("the loss is no longer a number; lower --learning-rate")
            validation = score(predictions, loaders.labels)
            is_best = stopping.update(validation.loss)
            if is_best:
                # state_dict() refers to the weights that go on changing, hence the copy.
                best_weights = copy.deepcopy(model.state_dict())
            line = {"epoch": stopping.epoch, "train_loss": train_loss, "val_loss": validation.loss}
            print(json.dumps(line), file=log, flush=True)
            print(
                f"epoch {stopping.epoch:3d}  train_loss {train_loss:.4f}  "
                f"val_loss {validation.loss:.4f}  val_accuracy {validation.accuracy:.4f}"
                f"{'  best' if is_best else ''}"
            )
    print(f"best epoch: {stopping.best_epoch}")
    model.load_state_dict(best_weights)


def main() -> None:
    """Trains, and then tests once."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    add_data_arguments(parser)
    parser.add_argument("--epochs", type=int, default=100, help="largest number of epochs")
    parser.add_argument("--patience", type=int, default=10, help="epochs without a lower loss")
    parser.add_argument("--learning-rate", type=float, default=1e-3)
    parser.add_argument("--device", choices=DEVICES, default="auto")
    parser.add_argument("--log", type=Path, default=Path("training_1.jsonl"))
    args = parser.parse_args()
    try:
        device = pick_device(args.device)
        loaders = get_loaders(args)
        if len(loaders.labels) != 2:
            raise DataError(f"{args.data}: {len(loaders.labels)} labels; one logit needs two")
        seed_torch(args.seed)
        model = make_model(dataset_of(loaders.training)).to(device)
        train(model, loaders, args, device)
    except EarmarkError as error:
        parser.exit(error.exit_status, f"{error}\n")
    testing = predict(model, loaders.testing, device)
    chosen = testing.choose().argmax(axis=1)
    for clip, target, logit in zip(testing.clips, chosen, testing.logits[:, 0], strict=True):
        verdict = "correct" if (target,) == clip.targets else "wrong"
        print(f"{verdict}  {loaders.labels[target]}  logit {logit:+.2f}  {clip.name}")
    scores = score(testing, loaders.labels)
    print(f"testing loss {scores.loss:.4f}")
    correct = f"{scores.num_correct} of {scores.num_clips} clips"
    print(f"testing accuracy {scores.accuracy:.4f}: {correct}")


if __name__ == "__main__":
    main()
