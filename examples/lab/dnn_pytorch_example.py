"""PyTorch in one file: a module, random data, a loss, an optimizer and a training loop.

Two numbers go in and two logits come out, one for each class. The class says whether the two
numbers have the same sign: a rule that no single linear layer can learn.
"""

import argparse

import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader, TensorDataset

from earmark.errors import ConfigError
from earmark.system.runtime import DEVICES, pick_device

NUM_EXAMPLES = 1024
BATCH_SIZE = 32


class MyDNN(nn.Module):
    """Three linear layers; ReLU and dropout after each of the two hidden ones.

    Nothing follows the third layer, because it gives the logits. ReLU would forbid negative logits,
    dropout would set logits to zero at random, and the loss,
    `nn.CrossEntropyLoss`, applies the last non-linearity (softmax) itself.

    Args:
        num_inputs: Numbers that go in.
        num_hidden_1: Size of the first hidden layer.
        num_hidden_2: Size of the second hidden layer.
        num_outputs: Logits that come out, one for each class.
        dropout: Probability that a hidden value is dropped in training.
    """

    def __init__(
        self,
        num_inputs: int,
        num_hidden_1: int,
        num_hidden_2: int,
        num_outputs: int,
        dropout: float = 0.1,
    ) -> None:
        super().__init__()
        self.linear_1 = nn.Linear(num_inputs, num_hidden_1)
        self.linear_2 = nn.Linear(num_hidden_1, num_hidden_2)
        self.linear_3 = nn.Linear(num_hidden_2, num_outputs)
        self.relu = nn.ReLU()
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: Tensor) -> Tensor:
        """Logits, (batch, num_outputs), of a batch of inputs, (batch, num_inputs)."""
        hidden_1 = self.dropout(self.relu(self.linear_1(x)))
        hidden_2 = self.dropout(self.relu(self.linear_2(hidden_1)))
        return self.linear_3(hidden_2)


def make_data(num_examples: int, generator: torch.Generator) -> TensorDataset:
    """Random pairs of numbers; the target is 1 where both have the same sign."""
    x = torch.randn(num_examples, 2, generator=generator)
    targets = (x[:, 0] * x[:, 1] > 0).long()
    return TensorDataset(x, targets)


def train_epoch(
    model: nn.Module, loader: DataLoader, optimizer: torch.optim.Optimizer, device: torch.device
) -> float:
    """Trains on every batch once; the mean loss over the examples."""
    loss_function = nn.CrossEntropyLoss()
    model.train()
    loss_sum, num_examples = torch.zeros((), device=device), 0
    for batch, batch_targets in loader:
        # Data and module have to be on the same device.
        x, targets = batch.to(device), batch_targets.to(device)
        # Gradients add up from one backward() to the next, so the old ones are cleared first.
        optimizer.zero_grad()
        loss = loss_function(model(x), targets)
        loss.backward()
        optimizer.step()
        # The last batch may be smaller, so the mean of the batches' means would be wrong.
        loss_sum += loss.detach() * len(targets)
        num_examples += len(targets)
    return loss_sum.item() / num_examples


def accuracy(model: nn.Module, data: TensorDataset, device: torch.device) -> float:
    """Fraction of the examples whose largest logit is that of their class."""
    x, targets = data.tensors
    # Dropout is for training only; eval() turns it off.
    model.eval()
    with torch.inference_mode():
        chosen = model(x.to(device)).argmax(dim=1).cpu()
    return (chosen == targets).double().mean().item()


def main() -> None:
    """Trains on random data and prints the loss of each epoch."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--epochs", type=int, default=20)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--device", choices=DEVICES, default="auto")
    args = parser.parse_args()
    try:
        device = pick_device(args.device)
    except ConfigError as error:
        parser.error(str(error))

    torch.manual_seed(args.seed)
    generator = torch.Generator().manual_seed(args.seed)
    training, held_out = make_data(NUM_EXAMPLES, generator), make_data(NUM_EXAMPLES, generator)
    loader = DataLoader(training, batch_size=BATCH_SIZE, shuffle=True, generator=generator)
    model = MyDNN(num_inputs=2, num_hidden_1=32, num_hidden_2=16, num_outputs=2).to(device)
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-2)
    print(f"device {device}, {NUM_EXAMPLES} examples")
    for epoch in range(1, args.epochs + 1):
        print(f"epoch {epoch:3d}  loss {train_epoch(model, loader, optimizer, device):.4f}")
    print(f"accuracy on {NUM_EXAMPLES} held-out examples: {accuracy(model, held_out, device):.3f}")


if __name__ == "__main__":
    main()
