"""Published networks that neither timm nor torchvision has."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional
from torchvision import models

VGG_C = ((64, 64), (128, 128), (256, 256, -256), (512, 512, -512), (512, 512, -512))  # negative: 1x1


def lenet5(num_classes: int, in_channels: int) -> nn.Module:
    """LeNet-5 (LeCun et al. 1998), as it is taught: all maps connected, ReLU and max pooling."""
    return nn.Sequential(
        *(nn.Conv2d(in_channels, 6, 5), nn.ReLU(inplace=True), nn.MaxPool2d(2)),
        *(nn.Conv2d(6, 16, 5), nn.ReLU(inplace=True), nn.MaxPool2d(2)),
        *(nn.AdaptiveAvgPool2d(5), nn.Flatten()),  # the identity at the published 32 pixels
        *(nn.Linear(400, 120), nn.ReLU(inplace=True), nn.Linear(120, 84), nn.ReLU(inplace=True)),
        nn.Linear(84, num_classes),
    )


def vgg_c(num_classes: int, in_channels: int) -> nn.Module:
    """Variant C (Simonyan and Zisserman 2015, table 1): D, but three stages end with a 1x1 convolution."""
    layers: list[nn.Module] = []
    for stage in VGG_C:
        for signed in stage:
            kernel, width = (3, signed) if signed > 0 else (1, -signed)
            layers += [nn.Conv2d(in_channels, width, kernel, padding=kernel // 2), nn.ReLU(inplace=True)]
            in_channels = width
        layers.append(nn.MaxPool2d(2))
    network: nn.Module = models.VGG(nn.Sequential(*layers), num_classes=num_classes)
    return network


def resnext152_32x4d(num_classes: int, in_channels: int) -> nn.Module:
    """ResNeXt-152 (Xie et al. 2017) with 32 groups of 4 channels."""
    network: nn.Module = models.ResNet(
        models.resnet.Bottleneck, [3, 8, 36, 3], num_classes=num_classes, groups=32, width_per_group=4
    )
    return network


class CifarBlock(nn.Module):
    """relu(bn(3x3(relu(bn(3x3(x))))) + x); where the shape changes, x is subsampled and padded with zeros."""

    def __init__(self, w_in: int, w: int, stride: int, *, residual: bool) -> None:
        super().__init__()
        self.conv1, self.bn1 = nn.Conv2d(w_in, w, 3, stride, 1, bias=False), nn.BatchNorm2d(w)
        self.conv2, self.bn2 = nn.Conv2d(w, w, 3, 1, 1, bias=False), nn.BatchNorm2d(w)
        self.residual = residual

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.bn2(self.conv2(functional.relu(self.bn1(self.conv1(x)))))
        if self.residual:
            stride = self.conv1.stride[0]
            shortcut = x[:, :, ::stride, ::stride]
            y = y + functional.pad(shortcut, (0, 0, 0, 0, 0, y.shape[1] - x.shape[1]))
        return functional.relu(y)

    @torch.no_grad()
    def zero_init_last(self) -> None:
        """Let the block start as its shortcut; without one there is nothing to start as."""
        if self.residual:
            self.bn2.weight.zero_()


class CifarNet(nn.Sequential):
    """ResNets of the CIFAR experiments (He et al. 2016, section 4.2), and the same without shortcuts."""

    def __init__(self, depth: int, num_classes: int, in_channels: int, *, residual: bool) -> None:
        assert depth % 6 == 2
        super().__init__(nn.Conv2d(in_channels, 16, 3, 1, 1, bias=False), nn.BatchNorm2d(16), nn.ReLU())
        w_in = 16
        for w in (16, 32, 64):
            for i in range((depth - 2) // 6):
                self.append(CifarBlock(w_in, w, 2 if i == 0 and w > 16 else 1, residual=residual))
                w_in = w
        self.append(nn.AdaptiveAvgPool2d(1)).append(nn.Flatten()).append(nn.Linear(64, num_classes))
        for module in self.modules():
            if isinstance(module, nn.Conv2d | nn.Linear):
                nn.init.kaiming_normal_(module.weight)


def _cifar(depth: int, residual: bool) -> Callable[[int, int], nn.Module]:
    return lambda num_classes, in_channels: CifarNet(depth, num_classes, in_channels, residual=residual)


# By name: the network from its number of classes and channels.
OWN: dict[str, Callable[[int, int], nn.Module]] = {
    "lenet5": lenet5,
    "vgg_c": vgg_c,
    "resnext152_32x4d": resnext152_32x4d,
    **{f"resnet{depth}": _cifar(depth, True) for depth in (20, 56, 110)},
    **{f"plain{depth}": _cifar(depth, False) for depth in (20, 56, 110)},
}
