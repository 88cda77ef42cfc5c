"""The paper's networks at 224 px: images a second against a plain loop, a compiled network and the peak."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from typing import Any

import torch
from options import ROOT
from pieces import make_step, noise, set_precision
from session import Session, main
from torch import nn

from designspace.data.images import ImageData
from designspace.networks.architecture import Architecture
from designspace.networks.build import build_network
from designspace.networks.counting import module_complexity
from designspace.networks.settings import NetworkSettings
from designspace.spaces.load import load_space
from designspace.spaces.sampling import BudgetSettings, sample
from designspace.training.auto import choose
from designspace.training.loop import step_seconds
from designspace.training.settings import TrainSettings

sys.path.append(str(ROOT / "scripts" / "benchmark"))
from plain_training import torchvision_network

IMAGES, EPOCHS = 1_281_167, 10  # of ImageNet, and of experiment=paper
OPERATIONS = 2 * 3  # of a training step, by multiply-add
V100_HOURS = 3.2  # a model of experiment=paper, by flops (docs/scaling.md)
TIMES_PLAIN, NEAR_BEST = 1.5, 0.9
REGNETX_400MF = Architecture(
    "x", (1, 2, 7, 12), (32, 64, 160, 384), (1.0,) * 4, (16,) * 4, stem_width=32, stem_stride=2
)  # as published
WAYS = {
    "bf16 channels_last": TrainSettings(precision="bf16"),
    "bf16 contiguous": TrainSettings(precision="bf16", memory_format="contiguous"),
    "TF32 channels_last": TrainSettings(),
}


class Scene:
    """Sizes, images and networks of this part, made once."""

    def __init__(self, session: Session) -> None:
        self.batch, self.resolution = (4, 32) if session.tiny else (128, 224)
        self.classes = 10 if session.tiny else 1000
        self.data: ImageData = noise(
            self.batch * (2 if session.tiny else 9), self.resolution, self.classes, session.device
        )
        self.device, self.card = session.device, session.on_card

    def seconds(self, architecture: Architecture, settings: TrainSettings) -> float:
        """Of a training step of the package, with its batch."""
        network = build_network(architecture, num_classes=self.classes, seed=0)
        return step_seconds(network, self.data, replace(settings, batch_size=self.batch), self.device)

    def timed(self, step: Callable[[], object], rounds: int = 5) -> float:
        """Seconds of a step that is repeated."""
        for _ in range(2):
            step()
        self.wait()
        start = time.perf_counter()
        for _ in range(rounds):
            step()
        self.wait()
        return (time.perf_counter() - start) / rounds

    def wait(self) -> None:
        if self.card:
            torch.cuda.synchronize()


def networks(session: Session) -> dict[str, Architecture]:
    """RegNetX-400MF and four of AnyNetX of its size."""
    if session.tiny:
        return {"tiny": Architecture("x", (1, 1), (8, 16), (1.0, 1.0), (8, 8), stem_width=8)}
    budget = BudgetSettings(flops=[360e6, 400e6], resolution=224)
    space = load_space("anynetx_a")
    drawn = sample(space, 4, seed=0, budget=budget, network=NetworkSettings(), num_classes=1000)
    return {"RegNetX-400MF": REGNETX_400MF, **{f"AnyNetX {one.model_id}": one for one in drawn.networks}}


def rates(session: Session) -> None:
    """Images a second by precision and format, as a share of the measured peak and against the plain loop."""
    scene = Scene(session)
    peak = bf16_peak(scene, 64 if session.tiny else 8192)
    session.figure("bf16 matrix product, operations a second", peak)
    ratios, hours = [], []
    for name, architecture in networks(session).items():
        set_precision(tf32=True, deterministic=False)
        found = {way: scene.batch / scene.seconds(architecture, settings) for way, settings in WAYS.items()}
        best = max(found.values())
        plain = scene.batch / scene.timed(plain_step(architecture, scene))
        ratios.append(best / plain)
        hours.append(IMAGES * EPOCHS / best / 3600)
        network = build_network(architecture, num_classes=scene.classes)
        flops = module_complexity(network, resolution=scene.resolution).flops
        session.figure(
            f"{name}: images a second",
            {**found, "plain fp32": plain, "percent_of_peak": 100 * OPERATIONS * float(flops) * best / peak},
        )
        if session.seconds_left < 0.4 * session.options.seconds:
            break
    session.check(
        "best way against the plain fp32 loop, least ratio of the networks",
        min(ratios), f">= {TIMES_PLAIN:g}", min(ratios) >= TIMES_PLAIN, asked=not session.tiny,
    )  # fmt: skip
    session.figure(
        "hours a model of experiment=paper on this device, without reading", sum(hours) / len(hours)
    )
    session.figure("the same on a V100, by flops", V100_HOURS)


def bf16_peak(scene: Scene, side: int) -> float:
    left, right = (torch.randn(side, side, dtype=torch.bfloat16, device=scene.device) for _ in range(2))
    return float(2 * side**3 / scene.timed(lambda: left @ right))


def plain_step(architecture: Architecture, scene: Scene) -> Callable[[], object]:
    """A step as a plain script makes it, on one batch: fp32, contiguous, torch's own settings."""
    row: Mapping[str, Any] = {
        "depths": architecture.depths, "widths": architecture.widths,
        "group_widths": architecture.group_widths, "bottleneck_ratios": architecture.bottleneck_ratios,
    }  # fmt: skip
    set_precision(tf32=False, deterministic=False)
    torch.backends.cudnn.benchmark, torch.backends.cudnn.allow_tf32 = False, True
    network: nn.Module = torchvision_network(
        row, architecture.stem_width, scene.classes, zero_init_residual=False
    )
    network.to(scene.device).train()
    optimizer = torch.optim.SGD(network.parameters(), lr=0.05, momentum=0.9, nesterov=True, weight_decay=5e-5)
    images, labels = (
        values.contiguous()
        for values in next(scene.data.train_batches(batch_size=scene.batch, seed=0, epoch=0))
    )

    def step() -> None:
        optimizer.zero_grad()
        torch.autograd.backward(nn.functional.cross_entropy(network(images), labels))
        optimizer.step()

    return step


def groups(session: Session) -> None:
    """What `auto` chooses for groups of each width, and how its choice does when all are timed again."""
    scene, asked = Scene(session), not session.tiny
    set_precision(tf32=True, deterministic=False)
    auto = TrainSettings(precision="auto", memory_format="auto")
    for width in (8,) if session.tiny else (1, 2, 4, 8, 16, 32):
        if session.seconds_left < 0.15 * session.options.seconds:
            session.figure("groups that there was no time for, from", width)
            break
        stages = (1, 1) if session.tiny else (1, 2, 6, 4)
        widths = (8, 16) if session.tiny else (32, 64, 160, 384)
        ones = (1.0,) * len(stages)
        architecture = Architecture(
            "x", stages, widths, ones, (width,) * len(stages), 8 if session.tiny else 32
        )
        choice = choose(auto, partial(scene.seconds, architecture), session.options.device)
        again = {name: scene.seconds(architecture, replace(auto, **_named(name))) for name in choice.seconds}
        chosen = " ".join(choice.chosen.values())
        share = min(again.values()) / again[chosen]
        session.figure(
            f"groups of {width}: milliseconds a step", {name: 1e3 * s for name, s in again.items()}
        )
        what = f"groups of {width}: auto ({chosen}), share of the best speed"
        session.check(what, share, f">= {NEAR_BEST:g}", share >= NEAR_BEST, asked=asked)


def _named(label: str) -> dict[str, Any]:
    precision, memory_format = label.split()
    return {"precision": precision, "memory_format": memory_format}


def compiled(session: Session) -> None:
    """torch.compile of one network, its compilation counted over 1 and over 10 epochs of ImageNet."""
    scene = Scene(session)
    set_precision(tf32=True, deterministic=False)
    settings = replace(WAYS["bf16 channels_last"], batch_size=scene.batch)
    architecture = next(iter(networks(session).values()))
    batch = next(scene.data.train_batches(batch_size=scene.batch, seed=0, epoch=0))
    found = {}
    for how in ("as it is", "compiled"):
        network = build_network(architecture, num_classes=scene.classes, seed=0)
        step, _ = make_step(network, settings, session.device)
        if how == "compiled":
            network.compile(backend="eager" if session.tiny else "inductor")
        start = time.perf_counter()
        try:
            step(*batch)
            scene.wait()
        except Exception as error:  # no compiler for C on a bare machine
            session.figure("torch.compile", f"cannot be used here: {' '.join(str(error).split())[:200]}")
            return
        first = time.perf_counter() - start
        a_step = scene.timed(partial(step, *batch))
        steps = IMAGES // scene.batch
        hours = {f"hours_of_{n}_epochs": (first + n * steps * a_step) / 3600 for n in (1, EPOCHS)}
        found[how] = {"first_step_seconds": first, "images_per_second": scene.batch / a_step, **hours}
    session.figure("torch.compile of one network", found)


if __name__ == "__main__":
    main("paper", (rates, groups, compiled))
