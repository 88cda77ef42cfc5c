"""What any torch module costs for one image, counted while a copy without weights runs.

The papers' counting, as in `complexity`: multiply-adds of convolutions and linear layers plus one addition
for every bias; activations are the elements of their outputs. Pooling, normalisation and activation functions
count nothing but their parameters; products that no such layer stands for (attention) are not seen.
"""

from __future__ import annotations

import copy
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from designspace.errors import UserError, one_line

CONVOLUTIONS = (nn.Conv1d, nn.Conv2d, nn.Conv3d)
TRANSPOSED = (nn.ConvTranspose1d, nn.ConvTranspose2d, nn.ConvTranspose3d)
COUNTED = (*CONVOLUTIONS, *TRANSPOSED, nn.Linear)


@dataclass(frozen=True)
class Cost:
    """What one image costs in one network."""

    flops: int  # multiply-adds, plus biases
    params: int  # learnable parameters, BatchNorm's included
    acts: int  # summed sizes of the outputs of all convolutions and linear layers


def module_complexity(module: nn.Module, *, resolution: int = 224, in_channels: int = 3) -> Cost:
    """Count a torch module on images of `resolution` x `resolution` pixels; the module is not changed.

    Raises:
        UserError: it cannot run on such an image, or not without weights.
    """
    network = without_weights(module)
    flops = acts = 0

    def add(layer: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> None:
        nonlocal flops, acts
        flops += multiply_adds(layer, inputs[0], output)
        acts += output.numel()

    for layer in network.modules():
        if isinstance(layer, COUNTED):
            layer.register_forward_hook(add)
    try:
        run_without_weights(network, resolution, in_channels)
    except Exception as error:  # whatever a module of somebody else may raise
        raise UserError(f"resolution={resolution}: the network cannot run: {one_line(error)}") from error
    return Cost(flops, sum(p.numel() for p in module.parameters()), acts)


def without_weights(module: nn.Module) -> nn.Module:
    """A copy in evaluation mode on torch's meta device, where tensors have a shape and no values."""
    memo: dict[int, Any] = {}  # the tensors as they are in the copy, so that no weights are copied
    for part in module.modules():
        for tensor in (*part._parameters.values(), *part._buffers.values(), *vars(part).values()):
            if isinstance(tensor, nn.Parameter):
                memo[id(tensor)] = nn.Parameter(tensor.detach().to("meta"), tensor.requires_grad)
            elif isinstance(tensor, Tensor):
                memo[id(tensor)] = tensor.detach().to("meta")
    return copy.deepcopy(module, memo).eval()


@torch.no_grad()
def run_without_weights(network: nn.Module, resolution: int, in_channels: int) -> None:
    """Send one image of a network's own type through a network that has no weights."""
    dtype = next((p.dtype for p in network.parameters() if p.is_floating_point()), None)
    with torch.device("meta"):
        network(torch.empty(1, in_channels, resolution, resolution, dtype=dtype))


def multiply_adds(layer: nn.Module, image: Tensor, output: Tensor) -> int:
    """Of one call of a convolution or linear layer, biases included."""
    weight, bias = layer.weight, layer.bias
    assert isinstance(weight, Tensor)
    elements = image if isinstance(layer, TRANSPOSED) else output  # of which each takes the same
    return elements.numel() * (weight.numel() // weight.shape[0]) + (0 if bias is None else output.numel())
