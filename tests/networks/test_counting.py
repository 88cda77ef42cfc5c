"""What is counted of modules of somebody else, and that they stay as they are."""

import pytest
import torch
from counting import count
from torch import nn
from torchvision import models

import designspace as ds
from designspace.errors import UserError
from designspace.networks.counting import module_complexity


@pytest.mark.parametrize("name", ["alexnet", "mobilenet_v3_small", "shufflenet_v2_x0_5", "convnext_tiny"])
def test_the_same_as_torchs_counter(name: str) -> None:
    with torch.device("meta"):
        network = models.get_model(name, weights=None)
    assert module_complexity(network) == count(network, 224)


class Autoencoder(nn.Module):
    """Layers of other dimensions, one called twice, a buffer that is a plain attribute."""

    def __init__(self) -> None:
        super().__init__()
        self.down = nn.Conv2d(3, 8, 3, stride=2, padding=1, groups=1)
        self.up = nn.ConvTranspose2d(8, 6, 2, stride=2, groups=2)
        self.line = nn.Conv1d(6, 6, 1, bias=False)
        self.scale = torch.ones(6, 1)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        rows = self.up(self.down(images)).flatten(2) * self.scale
        return self.line(self.line(rows)) + torch.zeros(1)


def test_layers_by_hand() -> None:
    cost = module_complexity(Autoencoder(), resolution=8)
    down, up, line = 8 * 4 * 4, 6 * 8 * 8, 6 * 64
    assert cost.acts == down + up + 2 * line
    assert cost.flops == down * (27 + 1) + (8 * 16) * (3 * 2 * 2) + up + 2 * line * 6
    assert cost.params == (27 + 1) * 8 + 8 * 3 * 4 + 6 + 36


def test_the_module_stays_as_it_is() -> None:
    network = nn.Sequential(
        nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), nn.Flatten(), nn.Linear(4 * 36, 2)
    ).double()
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    cost = ds.complexity(network, 8, in_channels=1)
    assert cost.flops == 4 * 36 * 10 + 2 * (4 * 36 + 1)
    assert network.training
    assert all(not module._forward_hooks for module in network.modules())
    for name, tensor in network.state_dict().items():
        assert tensor.device.type == "cpu"
        assert torch.equal(tensor, before[name])


def test_an_image_too_small_is_said_in_one_line() -> None:
    with pytest.raises(UserError, match="resolution=5: the network cannot run: RuntimeError") as error:
        ds.complexity(nn.Sequential(nn.Conv2d(3, 4, 7)), 5)
    assert "\n" not in str(error.value)
