"""What a final training keeps and looks at: the weights, and once the test split."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from torch.nn import functional

from designspace.data.images import ImageData
from designspace.errors import UserError
from designspace.files import replacing
from designspace.store.records import Tested
from designspace.training.loop import logits_of, to_format
from designspace.training.settings import TrainSettings

TOP5_CLASSES = 100  # from so many on the top-5 error is of interest
CONFUSION_CLASSES = 200  # up to so many the confusion matrix is kept


def write_weights(path: Path, network: nn.Module) -> None:
    """Write the parameters and buffers as safetensors, whole or not at all."""
    weights = {name: value.detach().cpu().contiguous() for name, value in network.state_dict().items()}
    with replacing(path) as temporary:
        save_file(weights, temporary)


def read_weights(path: Path, network: nn.Module) -> str:
    """Load the weights into the network; returns the SHA-256 of the file.

    Raises:
        UserError: the file is missing, torn, or of another network.
    """
    try:
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
        network.load_state_dict(load_file(path))
    except FileNotFoundError:
        raise UserError(f"{path}: is missing; delete the record beside it to train again") from None
    except (SafetensorError, RuntimeError) as error:
        problem = " ".join(str(error).split())[:200]
        raise UserError(f"{path}: does not hold the weights of this network: {problem}") from None
    return digest


@torch.inference_mode()
def evaluate(
    network: nn.Module,
    data: ImageData,
    settings: TrainSettings,
    device: torch.device,
    *,
    flip: bool = False,
    on_step: Callable[[], None] = lambda: None,
) -> Tested:
    """Errors and loss of the network on `data.val_batches`, which must be of the test split.

    `flip`: also those of the mean of the softmax scores of each image and its mirror image.
    """
    network.to(device).eval()
    to_format(network, settings)
    classes = data.info.num_classes
    confusion = torch.zeros(classes * classes, dtype=torch.int64, device=device)
    loss = torch.zeros((), dtype=torch.float64, device=device)
    in_top5, flipped_right = (torch.zeros((), dtype=torch.int64, device=device) for _ in range(2))
    for images, labels in data.val_batches(settings.val_batch_size):
        logits = logits_of(network, images, settings)
        loss += functional.cross_entropy(logits.double(), labels, reduction="sum")
        confusion += torch.bincount(labels * classes + logits.argmax(dim=1), minlength=classes * classes)
        if classes >= TOP5_CLASSES:
            in_top5 += (logits.topk(5, dim=1).indices == labels[:, None]).sum()
        if flip:
            both = logits.softmax(dim=1) + logits_of(network, images.flip(3), settings).softmax(dim=1)
            flipped_right += (both.argmax(dim=1) == labels).sum()
        on_step()
    table, count = confusion.view(classes, classes), data.info.num_val

    def percent_wrong(right: Tensor) -> float:
        return 100.0 * (count - int(right)) / count

    return Tested(
        images=count,
        error=percent_wrong(table.diagonal().sum()),
        top5_error=percent_wrong(in_top5) if classes >= TOP5_CLASSES else None,
        loss=float(loss) / count,
        flip_error=percent_wrong(flipped_right) if flip else None,
        confusion=tuple(map(tuple, table.tolist())) if classes <= CONFUSION_CLASSES else None,
        weights_sha256="",
    )
