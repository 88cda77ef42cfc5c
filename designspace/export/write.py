"""Write the folder of a network to take away, and check every file against the network that it came from."""

from __future__ import annotations

import hashlib
import importlib
import inspect
from collections.abc import Collection
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from designspace.errors import RunError, UserError
from designspace.export.card import card
from designspace.export.layout import CARD, GRAPH, ONNX, SOURCE, WEIGHTS, Description, write_description
from designspace.export.torchvision_keys import BLOCKS, to_torchvision

TOLERANCE = 1e-4  # between the logits of two files of one network
CHECKED = (1, 7)  # images in a batch


def write_package(
    folder: Path, network: nn.Module, description: Description, formats: Collection[str], images: Tensor
) -> Description:
    """Write all files into the folder, which exists and is empty; returns the description with its digest.

    `images` [at least 7, 3, r, r] are standardised ones; the logits of every file are compared on them.

    Raises:
        UserError: a format needs a package that is not installed.
        RunError: a file gives other logits than the network.
    """
    network = network.cpu().eval()
    images = images.cpu().contiguous()
    block = description.network.get("block")
    torchvision = block in BLOCKS
    weights = {
        to_torchvision(name, str(block)) if torchvision else name: value.detach().contiguous()
        for name, value in network.state_dict().items()
    }
    save_file(weights, folder / WEIGHTS)
    description = replace(
        description,
        keys="torchvision" if torchvision else "designspace",
        weights_sha256=hashlib.sha256((folder / WEIGHTS).read_bytes()).hexdigest(),
    )
    if torchvision:
        template = Path(__file__).with_name("network.py.txt")
        (folder / SOURCE).write_text(template.read_text(encoding="utf-8"), encoding="utf-8")
    write_description(folder, description)
    (folder / CARD).write_text(card(description, formats), encoding="utf-8")
    if torchvision:
        _check(folder / SOURCE, network, images, _from_source(folder / SOURCE))
    if "pt2" in formats:
        _write_graph(folder / GRAPH, network, images)
        _check(folder / GRAPH, network, images, torch.export.load(folder / GRAPH).module())
    if "onnx" in formats:
        write_onnx(folder / ONNX, network, images)
        _check(folder / ONNX, network, images, onnx_session(folder / ONNX))
    return description


def _from_source(path: Path) -> nn.Module:
    """What the file beside the weights loads."""
    scope: dict[str, Any] = {"__file__": str(path), "__name__": "network"}
    exec(compile(path.read_text(encoding="utf-8"), str(path), "exec"), scope)
    loaded: nn.Module = scope["load"]()
    return loaded


def _write_graph(path: Path, network: nn.Module, images: Tensor) -> None:
    shapes = {_argument(network): {0: torch.export.Dim.DYNAMIC}}
    torch.export.save(torch.export.export(network, (images[:2],), dynamic_shapes=shapes), path)


def require_onnx() -> None:
    """Raises UserError where the packages that write and run ONNX files are not installed."""
    try:
        for package in ("onnx", "onnxscript", "onnxruntime"):
            importlib.import_module(package)
    except ImportError as error:
        raise UserError(
            f"formats=onnx: needs the package {error.name}: pip install 'designspace[export]'"
        ) from None


def write_onnx(path: Path, network: nn.Module, images: Tensor) -> None:
    """One file, for batches of any size; its input is `images`, its output `logits`.

    Raises:
        UserError: the packages for it are not installed.
    """
    require_onnx()
    torch.onnx.export(
        network,
        (images[:2],),
        path,
        input_names=["images"],
        output_names=["logits"],
        dynamic_shapes={_argument(network): {0: torch.export.Dim.DYNAMIC}},
        external_data=False,
        dynamo=True,
        verbose=False,
    )


def onnx_session(path: Path) -> Any:
    """A function from images to logits that runs the file, on one thread of the processor."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    return lambda images: torch.from_numpy(session.run(None, {"images": images.numpy()})[0])


def _argument(network: nn.Module) -> str:
    """Name of the first argument of forward."""
    return next(iter(inspect.signature(network.forward).parameters))


@torch.inference_mode()
def _check(path: Path, network: nn.Module, images: Tensor, other: Any) -> None:
    for size in CHECKED:
        difference = float((network(images[:size]) - other(images[:size])).abs().max())
        if not difference < TOLERANCE:
            raise RunError(f"{path.name}: its logits differ by {difference:.2g} from the network's")
