"""The peer of training.py: a plain script that trains the networks of a population one after another.

As one would write it with torchvision: its network of the same widths, fp32, a DataLoader with worker
processes and torchvision's transforms, all cores for one network. Images, recipe and validation after
each epoch are those of the population run. One line of JSON for each network.

    python scripts/benchmark/plain_training.py results/laptop/anynetx_c --first 0 --count 4
"""

from __future__ import annotations

import argparse
import json
import math
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import torch
import yaml
from PIL import Image
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset
from torchvision.models.regnet import BlockParams, RegNet, SimpleStemIN
from torchvision.transforms import v2

from designspace.data.sources import read_embedded

MEAN, STD = 0.2860, 0.3530  # of the pixels of Fashion-MNIST


class Clothes(Dataset[tuple[Tensor, int]]):
    """Images in memory, transformed one by one, as torchvision's own MNIST does it."""

    def __init__(
        self, images: npt.NDArray[np.uint8], labels: npt.NDArray[np.int64], transform: nn.Module
    ) -> None:
        self.images, self.labels, self.transform = images, labels, transform

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, index: int) -> tuple[Tensor, int]:
        return self.transform(Image.fromarray(self.images[index])), int(self.labels[index])


def transform(augmentation: list[nn.Module]) -> nn.Module:
    """Grey 28x28 to three standardised channels of 32x32."""
    steps = [
        v2.Pad(2),
        v2.Grayscale(3),
        *augmentation,
        v2.PILToTensor(),
        v2.ToDtype(torch.float32, scale=True),
        v2.Normalize([MEAN] * 3, [STD] * 3),
    ]
    composed: nn.Module = v2.Compose(steps)
    return composed


def torchvision_network(
    model: Mapping[Any, Any], stem_width: int, num_classes: int, *, zero_init_residual: bool
) -> RegNet:
    """torchvision's network of bottleneck blocks with the depths, widths, ratios and groups of a row."""
    blocks = BlockParams(
        depths=[int(d) for d in model["depths"]],
        widths=[int(w) for w in model["widths"]],
        group_widths=[int(g) for g in model["group_widths"]],
        bottleneck_multipliers=[1 / b for b in model["bottleneck_ratios"]],
        strides=[2] * len(model["depths"]),
    )
    network = RegNet(blocks, num_classes, stem_width=stem_width, stem_type=SimpleStemIN)
    if zero_init_residual:
        for name, module in network.named_modules():
            if name.endswith(".f.c"):  # the last convolution of a block and its norm
                nn.init.zeros_(module[1].weight)
    return network


def train(
    network: RegNet, loaders: tuple[DataLoader[Any], DataLoader[Any]], recipe: dict[str, Any], device: str
) -> float:
    """Train and validate after each epoch; returns the last error in percent."""
    train_loader, val_loader = loaders
    network.to(device)
    optimizer = torch.optim.SGD(
        network.parameters(),
        lr=recipe["lr"],
        momentum=recipe["momentum"],
        nesterov=recipe["nesterov"],
        weight_decay=recipe["weight_decay"],
    )
    steps = len(train_loader)
    total, warmup = recipe["epochs"] * steps, max(1.0, recipe["warmup_epochs"] * steps)
    schedule = torch.optim.lr_scheduler.LambdaLR(
        optimizer, lambda step: min(1.0, (step + 1) / warmup) * 0.5 * (1 + math.cos(math.pi * step / total))
    )
    loss_function = nn.CrossEntropyLoss()
    error = math.nan
    for _ in range(recipe["epochs"]):
        network.train()
        for images, labels in train_loader:
            optimizer.zero_grad()
            loss = loss_function(network(images.to(device)), labels.to(device))
            loss.backward()
            optimizer.step()
            schedule.step()
        network.eval()
        correct = count = 0
        with torch.no_grad():
            for images, labels in val_loader:
                correct += int((network(images.to(device)).argmax(1) == labels.to(device)).sum())
                count += len(labels)
        error = 100 * (1 - correct / count)
    return error


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("space", type=Path, help="folder with config.yaml and models.parquet")
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--count", type=int, default=4)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--workers", type=int, default=2, help="of the DataLoader")
    parser.add_argument("--device", default="cpu", help="cpu or cuda")
    parser.add_argument("--images", type=int, help="of each split, the first so many alone")
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    settings = yaml.safe_load((arguments.space / "config.yaml").read_text())
    recipe, network_settings = settings["train"], settings["network"]
    models = pd.read_parquet(arguments.space / "models.parquet")
    arrays = read_embedded()
    flip: list[nn.Module] = [v2.RandomHorizontalFlip()]
    first = slice(arguments.images)
    train_set = Clothes(arrays.train_images[first], arrays.train_labels[first], transform(flip))
    val_set = Clothes(arrays.val_images[first], arrays.val_labels[first], transform([]))
    loaders = (
        DataLoader(
            train_set, recipe["batch_size"], shuffle=True, drop_last=True, num_workers=arguments.workers
        ),
        DataLoader(val_set, recipe["val_batch_size"], num_workers=arguments.workers),
    )
    for model in models.iloc[arguments.first : arguments.first + arguments.count].to_dict("records"):
        torch.manual_seed(int(model["model_id"], 16) % 2**63)
        start = time.perf_counter()
        network = torchvision_network(
            model,
            network_settings["stem_width"],
            num_classes=10,
            zero_init_residual=network_settings["zero_init_residual"],
        )
        error = train(network, loaders, recipe, arguments.device)
        seconds = time.perf_counter() - start
        print(
            json.dumps({"model_id": model["model_id"], "error": error, "seconds": round(seconds, 2)}),
            flush=True,
        )


if __name__ == "__main__":
    main()
