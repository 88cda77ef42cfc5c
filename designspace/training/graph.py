"""One iteration as a CUDA graph: the hundreds of kernels of a small network started by one call.

A graph replays the same kernels on the same memory, so it needs static shapes (a batch that is not whole
runs without it), a learning rate that lives on the device, and batches that are copied to where it reads.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

Step = Callable[[Tensor, Tensor], Tensor]  # images, labels -> mean loss of the batch; updates the weights

MEMORY_MARGIN = 1.1  # times what a step has taken, for what lies between blocks
EAGER_STEPS = 3  # before the capture: they create the momentum buffers and choose cuDNN's algorithms


class GraphedStep:
    """`step` for whole batches: the first calls run as they are, then one is captured and replayed.

    Every call is one iteration, whichever way it runs. The loss it returns is overwritten by the next
    call. On the CPU, which has no graphs, a replay calls `step` on the same static memory.
    """

    def __init__(
        self, step: Step, optimizer: torch.optim.Optimizer, device: torch.device, batch_size: int
    ) -> None:
        self._step = step
        self._batch_size = batch_size
        self._eager = EAGER_STEPS
        self._replay: Callable[[], Tensor] | None = None
        self._device, cuda = device, device.type == "cuda"
        self._stream = torch.cuda.Stream(device) if cuda else None  # type: ignore[no-untyped-call]
        if cuda:
            torch.cuda.reset_peak_memory_stats(device)  # what the steps before the capture need
        for group in optimizer.param_groups:  # a plain number would be captured as it is now
            group["lr"] = torch.as_tensor(group["lr"], dtype=torch.float32, device=device)

    def __call__(self, images: Tensor, labels: Tensor) -> Tensor:
        if len(images) < self._batch_size:
            return self._eagerly(images, labels)
        if self._eager > 0:
            self._eager -= 1
            return self._eagerly(images, labels)
        if self._replay is None and not self._fits():
            self._eager = EAGER_STEPS  # and then ask again: another process may have ended
            return self._eagerly(images, labels)
        if self._replay is None:
            self._images, self._labels = images.clone(), labels.clone()
            self._replay = self._capture()
        else:
            self._images.copy_(images)
            self._labels.copy_(labels)
        return self._replay()

    def _eagerly(self, images: Tensor, labels: Tensor) -> Tensor:
        if self._stream is None:
            return self._step(images, labels)
        # Capture wants its warm-up on a side stream. Each stream waits for the other, so that memory which
        # one frees and takes again was left by both: nothing needs record_stream.
        self._stream.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(self._stream):
            loss = self._step(images, labels)
        torch.cuda.current_stream().wait_stream(self._stream)
        return loss

    def _fits(self) -> bool:
        """Whether there is memory for the graph's own pool, as much as a step has taken so far.

        A capture that runs out of memory may leave the allocator unusable (PyTorch before 2.13); without a
        graph the step gives the same bits.
        """
        if self._stream is None:
            return True
        torch.cuda.empty_cache()
        free, _ = torch.cuda.mem_get_info(self._device)
        kept = torch.cuda.memory_allocated(self._device)
        return has_room(free, kept, torch.cuda.max_memory_allocated(self._device))

    def _capture(self) -> Callable[[], Tensor]:
        """Record the step on the static batch, without running it."""
        if self._stream is None:
            return lambda: self._step(self._images, self._labels)
        graph = torch.cuda.CUDAGraph()
        # On the stream of the warm-up, for which the libraries have their handles and workspaces already.
        # Other threads may go on calling CUDA, as the one that pins the batches of a DataLoader does.
        with torch.cuda.graph(graph, stream=self._stream, capture_error_mode="thread_local"):
            loss = self._step(self._images, self._labels)

        def replay() -> Tensor:
            graph.replay()
            return loss

        return replay


def has_room(free: int, kept: int, peak: int) -> bool:
    """Whether `free` bytes hold a step's memory once more: its peak without what is kept between steps."""
    return free >= MEMORY_MARGIN * (peak - kept)
