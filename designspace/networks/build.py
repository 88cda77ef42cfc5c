"""One way to a torch module, for sampled and for published networks."""

from __future__ import annotations

import torch
from torch import nn

from designspace.networks.architecture import Architecture
from designspace.networks.module import AnyNet, initialize
from designspace.networks.reference import reference_network


def build_network(
    model: Architecture | str,
    *,
    num_classes: int,
    in_channels: int = 3,
    zero_init_residual: bool = False,
    seed: int | None = None,
) -> nn.Module:
    """The initialised network of an architecture, or of a name that timm knows ("resnet50").

    The weights depend on the arguments alone; `seed=None` draws them from a fresh state each time.
    """
    if isinstance(model, str):
        return reference_network(
            model,
            num_classes=num_classes,
            in_channels=in_channels,
            zero_init_residual=zero_init_residual,
            seed=seed,
        )
    network = AnyNet(model, num_classes=num_classes, in_channels=in_channels)
    generator = torch.Generator()
    if seed is None:
        generator.seed()
    else:
        generator.manual_seed(seed)
    initialize(network, zero_init_residual=zero_init_residual, generator=generator)
    return network
