"""The check of both ways to the numbers of `complexity`: what torch's own counter sees in a torch module."""

import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from designspace.networks.counting import Cost


def count(network: nn.Module, resolution: int, in_channels: int = 3) -> Cost:
    """Cost of one image: torch counts two per multiply-add and no biases, which the hooks add."""
    biases = acts = 0

    def add(module: nn.Module, inputs: tuple, output: torch.Tensor) -> None:
        nonlocal biases, acts
        acts += output.numel()
        biases += output.numel() if module.bias is not None else 0

    layers = [m for m in network.modules() if isinstance(m, (nn.Conv2d, nn.Linear))]
    handles = [layer.register_forward_hook(add) for layer in layers]
    images = torch.empty(1, in_channels, resolution, resolution, device=next(network.parameters()).device)
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        network.eval()(images)
    for handle in handles:
        handle.remove()
    params = sum(p.numel() for p in network.parameters())
    return Cost(counter.get_total_flops() // 2 + biases, params, acts)
