"""Published networks by their names in timm, for comparison with the sampled ones; never pretrained."""

from __future__ import annotations

import difflib
from types import ModuleType

import torch
from torch import nn

from designspace.errors import UserError


def reference_network(
    name: str,
    *,
    num_classes: int,
    in_channels: int = 3,
    zero_init_residual: bool = False,
    seed: int | None = None,
) -> nn.Module:
    """The network with timm's initialisation, drawn from `seed`; the global random state is not changed.

    timm zeroes the last BatchNorm of residual blocks in some families (ResNet, RegNet) by default; here
    `zero_init_residual` decides, as in our own networks.
    """
    timm = _import_timm()
    if not timm.is_model(name):
        raise UserError(_unknown(name, timm.list_models()))
    with torch.random.fork_rng(devices=[]):
        if seed is None:
            torch.default_generator.seed()
        else:
            torch.default_generator.manual_seed(seed)
        network: nn.Module = timm.create_model(
            name, pretrained=False, num_classes=num_classes, in_chans=in_channels
        )
    _set_zero_init(network, zero_init_residual)
    return network


def _import_timm() -> ModuleType:
    try:
        import timm
    except ImportError as error:
        raise UserError("reference networks need timm: pip install designspace[models]") from error
    module: ModuleType = timm
    return module


def _unknown(name: str, known: list[str]) -> str:
    close = difflib.get_close_matches(name.lower(), known, n=3)
    hint = f"did you mean {', '.join(close)}?" if close else "timm.list_models() lists the names"
    return f"unknown network {name!r}: {hint}"


@torch.no_grad()
def _set_zero_init(network: nn.Module, zero_init_residual: bool) -> None:
    """Zero the last BatchNorm of each block that can (`zero_init_last`), or undo it."""
    for block in network.modules():
        zero_init_last = getattr(block, "zero_init_last", None)
        if not callable(zero_init_last):
            continue
        if zero_init_residual:
            zero_init_last()
        for norm in block.modules():
            if not zero_init_residual and isinstance(norm, nn.BatchNorm2d) and not norm.weight.any():
                norm.weight.fill_(1.0)
