"""The README of an exported network, in words."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from designspace.export.layout import GRAPH, ONNX, Description

NAMED = 20  # classes that are listed


def card(description: Description, formats: Collection[str]) -> str:
    """What the network is, how good it is, how it is loaded, and where it comes from."""
    parts = [
        f"# {_title(description)}",
        _what(description),
        f"## How good it is\n\n{_errors(description.errors)}",
        f"## How to use it\n\n{_use(description, formats)}",
        f"## Where it comes from\n\n{_origin(description)}",
    ]
    return "\n\n".join(parts) + "\n"


def _title(description: Description) -> str:
    name = description.network.get("name")
    return str(name) if name else f"{description.origin['model_id']} of {description.origin['space']}"


def _what(description: Description) -> str:
    costs, network = description.costs, description.network
    classes = ", ".join(description.classes[:NAMED])
    if len(description.classes) > NAMED:
        classes += f" and {len(description.classes) - NAMED} more"
    shape = (
        f"Blocks of type {network['block']}; depths {network['depths']}, widths {network['widths']}, "
        f"bottleneck ratios {network['bottleneck_ratios']}, group widths {network['group_widths']}."
        if "block" in network
        else f"The published network {network['name']}."
    )
    return (
        f"A convolutional network for images of {description.resolution} x {description.resolution} pixels, "
        f"{len(description.classes)} classes: {classes}.\n\n{shape}\n"
        f"{costs['flops'] / 1e6:,.2f} million multiply-adds, {costs['params']:,} parameters, "
        f"{costs['acts']:,} activations."
    )


def _errors(errors: dict[str, Any]) -> str:
    lines = []
    if errors.get("test_error") is not None:
        lines.append(
            f"Test error {errors['test_error']:.2f} % (top-1, {errors['test_images']:,} images "
            "that were looked at once, after the training)."
        )
    if errors.get("test_error_mean") is not None and errors.get("seeds", 0) > 1:
        lines.append(
            f"Over {errors['seeds']} trainings with different seeds: {errors['test_error_mean']:.2f} "
            f"+- {errors['test_error_std']:.2f} % (mean, standard deviation); these weights are of one."
        )
    if errors.get("val_error") is not None:
        lines.append(f"Validation error {errors['val_error']:.2f} %.")
    return "\n".join(lines) or "It was not tested."


def _use(description: Description, formats: Collection[str]) -> str:
    blocks = ["```python\nimport designspace as ds\n\nnetwork = ds.load_network('.')\n"
              "ds.predict(network, ['image.jpg'])\n```"]  # fmt: skip
    if description.keys == "torchvision":
        blocks.append("Without designspace, with torchvision alone: `network.load()` in `network.py`.")
    if "pt2" in formats:
        blocks.append(f"With torch alone: `torch.export.load('{GRAPH}').module()(images)`.")
    if "onnx" in formats:
        blocks.append(f"`{ONNX}` takes `images`, float32 [n, 3, h, w], and gives `logits`, for any n.")
    blocks.append(_input(description))
    return "\n\n".join(blocks)


def _input(description: Description) -> str:
    r = description.resolution
    size = (
        f"the square image with zeros around it (up to 4 pixels) or resized to {r} x {r}"
        if description.resize is None
        else f"the shorter side resized to {description.resize}, then the central {r} x {r} pixels"
    )
    numbers = ", ".join(f"{value:.4f}" for value in description.mean)
    stds = ", ".join(f"{value:.4f}" for value in description.std)
    return (
        f"Input: {size}; pixels in [0, 1], minus ({numbers}), over ({stds}). "
        "Grey images are three equal channels."
    )


def _origin(description: Description) -> str:
    origin, recipe = description.origin, description.origin["recipe"]
    lines = [
        f"Study {origin['study']}, space {origin['space']}, model {origin['model_id']}, seed "
        f"{origin['seed']}; trained on the {origin['images'].replace('_', ' ')} images of {origin['data']} "
        f"for {recipe['epochs']} epochs in batches of {recipe['batch_size']}, lr {recipe['lr']}, weight "
        f"decay {recipe['weight_decay']}. All settings and versions are in config.json."
    ]
    if "name" in description.network:
        lines.append(
            "For a long training on ImageNet, timm's training script takes it: `train.py DATA --model "
            f"{description.network['name']}`. That was not run here."
        )
    return "\n\n".join(lines)
