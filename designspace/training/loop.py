"""Train one network: the whole loop, from top to bottom."""

from __future__ import annotations

import math
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from functools import partial

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from designspace.data.images import ImageData
from designspace.data.settings import DataInfo
from designspace.store.records import Epoch
from designspace.training.checkpoint import Checkpointer, State
from designspace.training.graph import EAGER_STEPS, GraphedStep, Step
from designspace.training.settings import TrainSettings

WARM_STEPS, TIMED_STEPS = 2, 4  # of an estimate


@dataclass(frozen=True)
class TrainingResult:
    """What training a network gave; `diverged` says where the loss stopped being finite."""

    history: tuple[Epoch, ...]
    diverged: str | None
    balanced_error: float | None = None  # mean of the errors of the classes, of the same images as `error`

    @property
    def error(self) -> float | None:
        """Top-1 error in percent after the last epoch, on the validation split; None without validation."""
        return self.history[-1].val_error


def train_network(
    network: nn.Module,
    data: ImageData,
    settings: TrainSettings,
    *,
    seed: int,
    device: torch.device,
    checkpointer: Checkpointer | None = None,
    on_step: Callable[[], None] = lambda: None,
    on_epoch: Callable[[int], None] = lambda epoch: None,
    micro_batches: int = 1,
    validated: bool = True,
) -> TrainingResult:
    """Train `network` in place by the recipe and, where `validated`, validate after each epoch.

    Deterministic on the CPU with one thread: network, data, settings and seed decide every bit, with or
    without interruptions. A loss that is not finite ends the training after that epoch, before validation.
    `micro_batches` splits every batch to save memory; BatchNorm then sees the parts.
    """
    to_format(network.to(device), settings)
    optimizer = new_optimizer(network, settings)
    steps = data.info.steps_per_epoch(settings.batch_size, drop_last=settings.drop_last)
    at = _Position.resume(checkpointer, network, optimizer, steps, device)
    history = at.history
    iterate = _iteration(network, optimizer, data, settings, micro_batches, device)
    random, wrong = _draws(network), None  # wrong: images of each class, after the last epoch
    for epoch in range(at.epoch, settings.epochs):
        on_epoch(epoch + 1)
        start = time.perf_counter()
        network.train()
        batches = data.train_batches(
            batch_size=settings.batch_size,
            seed=seed,
            epoch=epoch,
            start_step=at.step,
            drop_last=settings.drop_last,
        )
        for step, (images, labels) in enumerate(batches, start=at.step):
            set_lr(optimizer, learning_rate(settings, epoch * steps + step, steps))
            if random:
                _seed_draws(device, seed, epoch * steps + step)
            at.losses[step] = iterate(images, labels)
            on_step()
            if checkpointer is not None and step + 1 < steps:
                seconds = at.seconds + time.perf_counter() - start
                checkpointer.after_step(partial(at.state, network, optimizer, epoch, step + 1, seconds))
        diverged = _divergence(at.losses, epoch)  # waits for the device: the time is that of the steps
        train_seconds = at.seconds + time.perf_counter() - start
        if diverged is not None:
            return TrainingResult(tuple(history), diverged)
        start = time.perf_counter()
        wrong = wrong_by_class(network, data, settings, device, on_step, micro_batches) if validated else None
        val_error = None if wrong is None else 100.0 * sum(wrong) / data.info.num_val
        val_seconds = time.perf_counter() - start
        train_loss = _mean_loss(at.losses, data.info, settings)
        history.append(Epoch(epoch + 1, train_loss, val_error, train_seconds, val_seconds))
        at = _Position(epoch + 1, 0, 0.0, torch.zeros(steps, device=device), history)
        if checkpointer is not None and epoch + 1 < settings.epochs:
            checkpointer.after_epoch(partial(at.state, network, optimizer, epoch + 1, 0, 0.0))
    balanced = None if wrong is None else _balanced_error(wrong, data.val_counts)
    return TrainingResult(tuple(history), None, balanced)


def _draws(network: nn.Module) -> bool:
    """Whether the network draws at random: dropout or stochastic depth of torch, torchvision or timm."""
    rates = (getattr(layer, name, 0) for layer in network.modules() for name in ("p", "drop_prob"))
    return any(isinstance(rate, float) and rate > 0 for rate in rates)


def _seed_draws(device: torch.device, seed: int, step: int) -> None:
    """Make what the network draws in a step a function of seed and step, also after an interruption."""
    cuda = device.type == "cuda"
    generators = torch.cuda.default_generators if cuda else (torch.default_generator,)
    word = np.random.SeedSequence([seed, step]).generate_state(1, np.uint64)[0]
    generators[torch.cuda.current_device() if cuda else 0].manual_seed(int(word >> np.uint64(1)))


def _mean_loss(losses: Tensor, info: DataInfo, settings: TrainSettings) -> float:
    """Mean over the images of an epoch of the losses [steps] of its batches."""
    missing = len(losses) * settings.batch_size - info.images_per_epoch(
        settings.batch_size, drop_last=settings.drop_last
    )
    if not missing:
        return float(losses.mean())
    sizes = torch.full_like(losses, settings.batch_size)
    sizes[-1] -= missing
    return float((losses * sizes).sum() / sizes.sum())


def _divergence(losses: Tensor, epoch: int) -> str | None:
    """Where the losses [steps] of an epoch are no longer finite, in words; None where they all are."""
    if losses.isfinite().all():
        return None
    step = int((~losses.isfinite()).nonzero()[0])
    return f"loss is {losses[step]:g} at epoch {epoch + 1}, step {step + 1}"


@dataclass(frozen=True)
class _Position:
    """Where a training is: so many whole epochs, and so many steps of the next."""

    epoch: int
    step: int
    seconds: float  # spent on those steps
    losses: Tensor  # [steps per epoch] of the epoch; looked at once an epoch: no synchronisation in the loop
    history: list[Epoch]

    @classmethod
    def resume(
        cls,
        checkpointer: Checkpointer | None,
        network: nn.Module,
        optimizer: torch.optim.Optimizer,
        steps: int,
        device: torch.device,
    ) -> _Position:
        """The position of the last checkpoint, with network and optimizer set to it; else the beginning."""
        state = None if checkpointer is None else checkpointer.load()
        if state is None or len(state["losses"]) != steps:
            return cls(0, 0, 0.0, torch.zeros(steps, device=device), [])
        network.load_state_dict(state["network"])
        optimizer.load_state_dict(state["optimizer"])
        history = [Epoch(**epoch) for epoch in state["history"]]
        return cls(state["epoch"], state["step"], state["seconds"], state["losses"].to(device), history)

    def state(
        self, network: nn.Module, optimizer: torch.optim.Optimizer, epoch: int, step: int, seconds: float
    ) -> State:
        return {
            "epoch": epoch,
            "step": step,
            "seconds": seconds,
            "losses": self.losses,
            "history": [asdict(done) for done in self.history],
            "network": network.state_dict(),
            "optimizer": optimizer.state_dict(),
        }


def train_step(
    network: nn.Module,
    optimizer: torch.optim.Optimizer,
    settings: TrainSettings,
    micro_batches: int,
    images: Tensor,
    labels: Tensor,
    *,
    weights: Tensor | None = None,
) -> Tensor:
    """One iteration; returns the mean loss of the batch, of each image times the weight of its class."""
    total = torch.zeros((), device=images.device)
    micro_batches = min(micro_batches, max(1, len(images) // 2))  # two images at least: BatchNorm
    parts = zip(images.tensor_split(micro_batches), labels.tensor_split(micro_batches), strict=True)
    for part, targets in parts:
        scores = logits_of(network, part, settings)
        how = "mean" if weights is None else "none"
        loss = functional.cross_entropy(
            scores, targets, label_smoothing=settings.label_smoothing, reduction=how
        )
        loss = loss if weights is None else (loss * weights[targets]).mean()
        loss = loss if micro_batches == 1 else loss * (len(part) / len(images))
        torch.autograd.backward(loss)
        total += loss.detach()
    optimizer.step()
    optimizer.zero_grad(set_to_none=True)
    return total


def balanced_weights(counts: Sequence[int]) -> Tensor:
    """Weights float32 of classes with so many images, n / (classes * count): their mean over images is 1."""
    there = torch.tensor(counts, dtype=torch.float64)
    return (there.sum() / (len(counts) * there.clamp(min=1))).float()


def validate(
    network: nn.Module,
    data: ImageData,
    settings: TrainSettings,
    device: torch.device,
    on_step: Callable[[], None] = lambda: None,
    micro_batches: int = 1,
) -> float:
    """Top-1 error of the network in percent of the validation images."""
    wrong = wrong_by_class(network, data, settings, device, on_step, micro_batches)
    return 100.0 * sum(wrong) / data.info.num_val


def _balanced_error(wrong: Sequence[int], counts: Sequence[int]) -> float:
    """Mean of the errors in percent of the classes that have images."""
    return statistics.fmean(100.0 * k / n for k, n in zip(wrong, counts, strict=True) if n)


@torch.inference_mode()
def wrong_by_class(
    network: nn.Module,
    data: ImageData,
    settings: TrainSettings,
    device: torch.device,
    on_step: Callable[[], None] = lambda: None,
    micro_batches: int = 1,
) -> list[int]:
    """Validation images of each class that the network takes for another."""
    network.eval()
    classes = data.info.num_classes
    wrong = torch.zeros(classes, dtype=torch.int64, device=device)
    for images, labels in data.val_batches(settings.val_batch_size):
        for part, targets in zip(images.chunk(micro_batches), labels.chunk(micro_batches), strict=True):
            is_wrong = logits_of(network, part, settings).argmax(dim=1) != targets
            wrong += (functional.one_hot(targets, classes) * is_wrong[:, None]).sum(dim=0)
        on_step()
    return wrong.tolist()


def learning_rate(settings: TrainSettings, step: int, steps_per_epoch: int) -> float:
    """Learning rate of an iteration (from 0): half-period cosine, times a linear warm-up."""
    cosine = 0.5 * (1 + math.cos(math.pi * step / (settings.epochs * steps_per_epoch)))
    warmup_epochs = settings.warmup_epochs + settings.warmup_share * settings.epochs
    warmup = min(1.0, (step + 1) / max(1.0, warmup_epochs * steps_per_epoch))
    return settings.lr * cosine * warmup


def set_lr(optimizer: torch.optim.Optimizer, lr: float) -> None:
    """Give all parameters this learning rate."""
    for group in optimizer.param_groups:
        if isinstance(group["lr"], Tensor):
            group["lr"].fill_(lr)  # where a CUDA graph reads it
        else:
            group["lr"] = lr


def estimate_seconds(
    network: nn.Module, data: ImageData, settings: TrainSettings, device: torch.device
) -> float:
    """Seconds that `train` would take, from a few training steps and one validation batch."""
    steps = data.info.steps_per_epoch(settings.batch_size, drop_last=settings.drop_last)
    train_seconds = step_seconds(network, data, settings, device) * steps
    images, labels = next(iter(data.val_batches(settings.val_batch_size)))
    network.eval()
    with torch.inference_mode():
        if device.type == "cuda":  # cuDNN tries its algorithms at the first batch of a size
            logits_of(network, images, settings).sum().item()
        start = time.perf_counter()
        logits_of(network, images, settings).sum().item()
    val_seconds = (time.perf_counter() - start) * data.info.num_val / len(labels)
    return settings.epochs * (train_seconds + val_seconds)


def step_seconds(network: nn.Module, data: ImageData, settings: TrainSettings, device: torch.device) -> float:
    """Median seconds of a training step, with its batch; changes the network."""
    to_format(network.to(device), settings).train()
    optimizer = new_optimizer(network, settings)
    batches = data.train_batches(batch_size=settings.batch_size, seed=0, epoch=0)
    iterate, warm = _iteration(network, optimizer, data, settings, 1, device), WARM_STEPS
    if settings.cuda_graphs:
        warm += EAGER_STEPS
    seconds = []
    for _ in range(min(warm + TIMED_STEPS, data.info.steps_per_epoch(settings.batch_size))):
        start = time.perf_counter()
        iterate(*next(batches)).item()
        seconds.append(time.perf_counter() - start)
    return statistics.median(seconds[warm:] or seconds)


def _iteration(
    network: nn.Module,
    optimizer: torch.optim.Optimizer,
    data: ImageData,
    settings: TrainSettings,
    micro_batches: int,
    device: torch.device,
) -> Step:
    """`train_step` for batches of images and labels, as a CUDA graph if that is asked for."""
    balanced = settings.class_weights == "balanced"
    weights = balanced_weights(data.train_counts).to(device) if balanced else None
    step: Step = partial(train_step, network, optimizer, settings, micro_batches, weights=weights)
    return GraphedStep(step, optimizer, device, settings.batch_size) if settings.cuda_graphs else step


def new_optimizer(network: nn.Module, settings: TrainSettings) -> torch.optim.Optimizer:
    """SGD by the recipe; in one kernel for all parameters."""
    return torch.optim.SGD(
        network.parameters(),
        lr=settings.lr,
        momentum=settings.momentum,
        nesterov=settings.nesterov,
        weight_decay=settings.weight_decay,
        fused=True,
    )


def to_format(network: nn.Module, settings: TrainSettings) -> nn.Module:
    """The network, its weights in the settings' memory format."""
    return network.to(memory_format=_memory_format(settings))


def _memory_format(settings: TrainSettings) -> torch.memory_format:
    return torch.channels_last if settings.memory_format == "channels_last" else torch.contiguous_format


def logits_of(network: nn.Module, images: Tensor, settings: TrainSettings) -> Tensor:
    """Logits in float32, computed in the settings' memory format and precision."""
    images = images.contiguous(memory_format=_memory_format(settings))
    # Entered and left in every step: no cast of a weight outlives it, to be read by a CUDA graph as it was.
    with torch.autocast(images.device.type, dtype=torch.bfloat16, enabled=settings.precision == "bf16"):
        scores: Tensor = network(images)
    return scores.float()
