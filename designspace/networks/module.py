"""The torch module of one `Architecture`: stem, stages of equal blocks, head (paper, Section 3.1).

Differs from the released code in form only; its counts are those of `complexity`, its weights
can be exchanged, in order, with those of timm's RegNets.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional

from designspace.networks.architecture import Architecture
from designspace.networks.blocks import SE_RATIO, find_block
from designspace.networks.complexity import STAGE_STRIDE


class AnyNet(nn.Module):
    """logits = head(stages(stem(images))), images [n, in_channels, height, width] -> [n, num_classes].

    The weights are undefined until `initialize` (or `load_state_dict`) has run.
    """

    def __init__(self, architecture: Architecture, *, num_classes: int, in_channels: int = 3) -> None:
        super().__init__()
        width = architecture.stem_width
        self.stem = _conv_norm_relu(in_channels, width, kernel=3, stride=architecture.stem_stride)
        self.stages = nn.Sequential()
        for depth, w, v, g in zip(
            architecture.depths,
            architecture.widths,
            architecture.bottleneck_widths,
            architecture.group_widths,
            strict=True,
        ):
            first = _block(architecture.block, width, w, v, g, STAGE_STRIDE)
            rest = [_block(architecture.block, w, w, v, g, 1) for _ in range(depth - 1)]
            self.stages.append(nn.Sequential(first, *rest))
            width = w
        self.head = _Linear(width, num_classes)

    def forward(self, images: Tensor) -> Tensor:
        features: Tensor = self.stages(self.stem(images))
        logits: Tensor = self.head(features.mean((2, 3)))
        return logits


@torch.no_grad()
def initialize(
    network: nn.Module, *, zero_init_residual: bool = False, generator: torch.Generator | None = None
) -> None:
    """Convolutions N(0, sqrt(2 / (k k out_channels))), linear N(0, 0.01), biases 0, BatchNorm 1 and 0.

    `zero_init_residual` lets each residual block start as its shortcut (its last BatchNorm weight is 0);
    blocks without residual have nothing to zero. Without a generator, torch's global one is used.
    """
    for module in network.modules():
        if isinstance(module, nn.Conv2d):
            fan_out = math.prod(module.kernel_size) * module.out_channels  # groups do not divide it
            module.weight.normal_(0.0, math.sqrt(2.0 / fan_out), generator=generator)
        elif isinstance(module, nn.Linear):
            module.weight.normal_(0.0, 0.01, generator=generator)
        elif isinstance(module, nn.BatchNorm2d):
            module.reset_parameters()
        if isinstance(module, nn.Conv2d | nn.Linear) and module.bias is not None:
            module.bias.zero_()
    if zero_init_residual:
        for module in network.modules():
            if isinstance(module, _Residual):
                module.last_norm.weight.zero_()


class _Residual(nn.Module):
    """relu(branch(x) + shortcut(x)); the shortcut is a 1x1 convolution where the branch changes the shape."""

    def __init__(self, branch: nn.Sequential, w_in: int, w: int, stride: int) -> None:
        super().__init__()
        same = w_in == w and stride == 1
        self.branch = branch
        self.shortcut = nn.Identity() if same else _conv_norm(w_in, w, kernel=1, stride=stride)
        self.relu = nn.ReLU(inplace=True)

    @property
    def last_norm(self) -> nn.BatchNorm2d:
        norm = list(self.branch.modules())[-1]
        assert isinstance(norm, nn.BatchNorm2d)
        return norm

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.relu(self.branch(x) + self.shortcut(x))
        return y


class XBlock(_Residual):
    """relu(bn(1x1(relu(bn(grouped 3x3(relu(bn(1x1(x)))))))) + shortcut(x))."""

    def __init__(self, w_in: int, w: int, v: int, g: int, stride: int) -> None:
        branch = nn.Sequential(
            _conv_norm_relu(w_in, v, kernel=1),
            _conv_norm_relu(v, v, kernel=3, stride=stride, groups=v // g),
            _conv_norm(v, w, kernel=1),
        )
        super().__init__(branch, w_in, w, stride)


class YBlock(_Residual):
    """relu(bn(1x1(se(relu(bn(grouped 3x3(relu(bn(1x1(x))))))))) + shortcut(x))."""

    def __init__(self, w_in: int, w: int, v: int, g: int, stride: int) -> None:
        branch = nn.Sequential(
            _conv_norm_relu(w_in, v, kernel=1),
            _conv_norm_relu(v, v, kernel=3, stride=stride, groups=v // g),
            SqueezeExcitation(v, max(round(w_in * SE_RATIO), 1)),
            _conv_norm(v, w, kernel=1),
        )
        super().__init__(branch, w_in, w, stride)


class BasicBlock(_Residual):
    """relu(bn(3x3(relu(bn(3x3(x))))) + shortcut(x))."""

    def __init__(self, w_in: int, w: int, stride: int) -> None:
        branch = nn.Sequential(_conv_norm_relu(w_in, w, kernel=3, stride=stride), _conv_norm(w, w, kernel=3))
        super().__init__(branch, w_in, w, stride)


class VanillaBlock(nn.Sequential):
    """relu(bn(3x3(relu(bn(3x3(x))))))."""

    def __init__(self, w_in: int, w: int, stride: int) -> None:
        super().__init__(_conv_norm_relu(w_in, w, kernel=3, stride=stride), _conv_norm_relu(w, w, kernel=3))


class SingleBlock(nn.Sequential):
    """relu(bn(3x3(x))): the paper's V."""

    def __init__(self, w_in: int, w: int, stride: int) -> None:
        super().__init__(_conv_norm_relu(w_in, w, kernel=3, stride=stride))


class SingleResidualBlock(_Residual):
    """relu(bn(3x3(x)) + shortcut(x)): the paper's VR."""

    def __init__(self, w_in: int, w: int, stride: int) -> None:
        super().__init__(nn.Sequential(_conv_norm(w_in, w, kernel=3, stride=stride)), w_in, w, stride)


class SqueezeExcitation(nn.Module):
    """x * sigmoid(1x1(relu(1x1(mean of x over the pixels))))."""

    def __init__(self, width: int, squeezed: int) -> None:
        super().__init__()
        self.gate = nn.Sequential(
            _Conv2d(width, squeezed, 1), nn.ReLU(inplace=True), _Conv2d(squeezed, width, 1), nn.Sigmoid()
        )

    def forward(self, x: Tensor) -> Tensor:
        gate: Tensor = self.gate(x.mean((2, 3), keepdim=True))
        return x * gate


def _block(block: str, w_in: int, w: int, v: int, g: int, stride: int) -> nn.Module:
    find_block(block)
    return MODULES[block](w_in, w, v, g, stride)


# The torch module of every block in `blocks.BLOCKS`, from w_in, w, v, g and the stride.
MODULES: dict[str, Callable[[int, int, int, int, int], nn.Module]] = {
    "x": XBlock,
    "y": YBlock,
    "v": lambda w_in, w, v, g, stride: VanillaBlock(w_in, w, stride),
    "r": lambda w_in, w, v, g, stride: BasicBlock(w_in, w, stride),
    "paper_r": lambda w_in, w, v, g, stride: XBlock(w_in, w, v, v, stride),
    "paper_v": lambda w_in, w, v, g, stride: SingleBlock(w_in, w, stride),
    "paper_vr": lambda w_in, w, v, g, stride: SingleResidualBlock(w_in, w, stride),
}


def _conv_norm(w_in: int, w: int, *, kernel: int, stride: int = 1, groups: int = 1) -> nn.Sequential:
    conv = _Conv2d(w_in, w, kernel, stride, padding=kernel // 2, groups=groups, bias=False)
    return nn.Sequential(conv, _BatchNorm2d(w))


def _conv_norm_relu(w_in: int, w: int, *, kernel: int, stride: int = 1, groups: int = 1) -> nn.Sequential:
    return _conv_norm(w_in, w, kernel=kernel, stride=stride, groups=groups).append(nn.ReLU(inplace=True))


class _Conv2d(nn.Conv2d):
    def reset_parameters(self) -> None:
        """Nothing: `initialize` draws every weight, and torch's own draw would cost as much again."""


class _Linear(nn.Linear):
    def reset_parameters(self) -> None:
        """Nothing, as above."""


class _BatchNorm2d(nn.BatchNorm2d):
    def forward(self, x: Tensor) -> Tensor:
        """The same, but batches are not counted: a kernel a step, needed for cumulative averages alone."""
        return functional.batch_norm(
            x,
            self.running_mean,
            self.running_var,
            self.weight,
            self.bias,
            self.training,
            self.momentum or 0.0,
            self.eps,
        )
