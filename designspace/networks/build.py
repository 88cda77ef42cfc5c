"""One way to a torch module, for sampled and for published networks."""

from __future__ import annotations

import torch
from torch import nn

from designspace.networks.architecture import Architecture
from designspace.networks.module import AnyNet, initialize


def build_network(
    model: Architecture | str,
    *,
    num_classes: int,
    in_channels: int = 3,
    resolution: int = 224,
    zero_init_residual: bool = False,
    seed: int | None = None,
) -> nn.Module:
    """The initialised network of an architecture, or of a published one's name (`parse_reference`).

    The weights depend on the arguments alone; `seed=None` draws them from a fresh state each time. Only a
    published network with a small stem depends on the `resolution`.
    """
    if isinstance(model, str):
        from designspace.networks.reference import build_reference  # and with it torchvision, maybe timm

        return build_reference(
            model,
            num_classes=num_classes,
            in_channels=in_channels,
            resolution=resolution,
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
