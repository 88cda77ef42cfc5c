"""The networks and images that the parts examine, and how they are trained step by step."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from pathlib import Path

import torch
from torch import Tensor, nn

from designspace.data.images import ImageData, InMemoryImages
from designspace.data.settings import DataInfo, DataSettings
from designspace.networks.build import build_network
from designspace.networks.settings import NetworkSettings
from designspace.spaces.load import load_space
from designspace.spaces.sampling import BudgetSettings, sample
from designspace.store.paths import SpaceFolder
from designspace.training.graph import GraphedStep, Step
from designspace.training.loop import learning_rate, new_optimizer, set_lr, to_format, train_step
from designspace.training.messages import Job, Model, training_seed
from designspace.training.settings import TrainSettings

RESOLUTION = 32  # pixels
LAPTOP = NetworkSettings(stem_width=16, zero_init_residual=True)  # as in experiment=laptop
RECIPE = TrainSettings(epochs=4, lr=0.1, warmup_epochs=0.2)


def laptop_models(count: int) -> list[Model]:
    """The first models of experiment=laptop in AnyNetX-C, as the command would train them."""
    budget = BudgetSettings(flops=[0.9e6, 1.0e6], resolution=RESOLUTION)
    space = load_space("anynetx_c")
    population = sample(space, count, seed=0, budget=budget, network=LAPTOP, num_classes=10)
    costs = population.complexity
    return [
        Model(
            network.model_id, network, training_seed(0, network.model_id),
            int(costs.flops[i]), int(costs.params[i]), int(costs.acts[i]),
        )
        for i, network in enumerate(population.networks)
    ]  # fmt: skip


def laptop_job(folder: Path, settings: TrainSettings, resolution: int = RESOLUTION) -> Job:
    """What the workers are told; records go to the folder."""
    place = SpaceFolder(folder)
    place.records.mkdir(parents=True, exist_ok=True)
    return Job(place, DataSettings(), LAPTOP, settings, resolution=resolution)


def noise(images: int, resolution: int, classes: int, device: torch.device) -> ImageData:
    """Random colour images in memory."""
    generator = torch.Generator().manual_seed(0)
    pixels = torch.randint(256, (images, 3, resolution, resolution), generator=generator, dtype=torch.uint8)
    labels = torch.randint(classes, (images,), generator=generator)
    info = DataInfo("noise", num_classes=classes, num_train=images, num_val=images)
    batch = (pixels, labels)
    return InMemoryImages(info, batch, batch, mean=(0.5,) * 3, std=(0.25,) * 3, device=device)


def set_precision(*, tf32: bool, deterministic: bool) -> None:
    """What a worker sets once; here from step to step."""
    torch.backends.cuda.matmul.allow_tf32 = tf32
    torch.backends.cudnn.allow_tf32 = tf32
    torch.backends.cudnn.benchmark = not deterministic
    torch.use_deterministic_algorithms(deterministic)


def build(model: Model) -> nn.Module:
    """The network of a laptop model with its weights."""
    return build_network(model.architecture, num_classes=10, zero_init_residual=True, seed=model.seed)


def make_step(
    network: nn.Module, settings: TrainSettings, device: torch.device
) -> tuple[Step, torch.optim.Optimizer]:
    """A training step of the network on the device, and its optimizer, whose learning rate lies there, too.

    With and without a graph, so that both multiply by the same number.
    """
    to_format(network.to(device), settings).train()
    optimizer = new_optimizer(network, settings)
    step: Step = partial(train_step, network, optimizer, settings, 1)
    if settings.cuda_graphs:
        return GraphedStep(step, optimizer, device, settings.batch_size), optimizer
    for group in optimizer.param_groups:
        group["lr"] = torch.as_tensor(group["lr"], dtype=torch.float32, device=device)
    return step, optimizer


def loss_curve(
    model: Model, data: ImageData, settings: TrainSettings, steps: int, device: torch.device
) -> tuple[Tensor, Tensor]:
    """Losses of the first steps, and all weights after them, on the CPU."""
    network = build(model)
    step, optimizer = make_step(network, settings, device)
    an_epoch = data.info.steps_per_epoch(settings.batch_size, drop_last=settings.drop_last)
    losses = torch.zeros(steps, device=device)
    batches = data.train_batches(batch_size=settings.batch_size, seed=model.seed, epoch=0)
    for i, (images, labels) in zip(range(steps), batches, strict=False):
        set_lr(optimizer, learning_rate(settings, i, an_epoch))
        losses[i] = step(images, labels)
    return losses.cpu(), torch.cat([value.detach().flatten().cpu() for value in network.parameters()])


def recipe(**changes: object) -> TrainSettings:
    """The laptop recipe with changes."""
    return replace(RECIPE, **changes)  # type: ignore[arg-type]
