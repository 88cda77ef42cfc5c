"""What a worker does: from one model of the population to one record."""

from __future__ import annotations

import json
import os
import platform
import statistics
from dataclasses import asdict, replace
from datetime import datetime, timezone

import torch

from designspace.data.images import ImageData
from designspace.data.loading import Splits, load_data
from designspace.errors import RunError, one_line
from designspace.files import host_name
from designspace.launch import interrupt
from designspace.networks.architecture import Architecture
from designspace.networks.build import build_network
from designspace.store.claims import Claim, claimed
from designspace.store.looks import Look, note_look
from designspace.store.records import (
    Attempt,
    Epoch,
    Kind,
    Record,
    Status,
    final_record,
    parse_attempt,
    write_record,
)
from designspace.store.versions import processor, versions
from designspace.training.auto import asked, choose, read_choice, write_choice
from designspace.training.checkpoint import Checkpointer
from designspace.training.final import evaluate, read_weights, write_weights
from designspace.training.loop import TrainingResult, estimate_seconds, step_seconds, train_network
from designspace.training.messages import Job, Model, Timing
from designspace.training.settings import TrainSettings

# What errors of memory say that are no OutOfMemoryError: of torch on the CPU, of CUDA and its libraries.
OUT_OF_MEMORY = (
    *("can't allocate memory", "out of memory"),
    *("CUBLAS_STATUS_ALLOC_FAILED", "CUDNN_STATUS_ALLOC_FAILED"),
)


class Worker:
    """Trains models of one job; holds the data set, which is loaded once."""

    def __init__(self, job: Job, data: ImageData | None = None) -> None:
        """`data`: the job's data set, where it is in memory already."""
        torch.set_num_threads(job.threads)
        torch.set_flush_denormal(True)
        self._job = job
        self._folder = job.folder
        self._device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        if self._device.type == "cuda":
            _set_up_gpu(job.train)
        self._data = data or self._load(Splits() if job.final is None else Splits(job.final.splits))
        self._test_data: ImageData | None = None
        job.train.check_batch(self._data.info.num_train)
        self._settings = self._settled()

    def _load(self, splits: Splits) -> ImageData:
        """The splits' images. Raises RunError where a GPU has no room for them."""
        job = self._job
        try:
            return load_data(
                job.data, resolution=job.resolution, device=self._device, found=job.found, splits=splits
            )
        except torch.OutOfMemoryError as error:
            raise RunError(
                f"data.name={job.data.name}: the memory of the GPU does not hold its images once per worker "
                f"({one_line(error)}); fewer workers per GPU, or for image files data.cache=off"
            ) from None

    def __call__(self, request: Model | Timing) -> Record | float:
        """Train a model, write and return its record; or the seconds that a model would take."""
        return self.train(request) if isinstance(request, Model) else self.time(request)

    def train(self, model: Model) -> Record:
        """Train one model and write its record. A diverged model is a result; exceptions pass.

        Out of memory: again from the start with micro-batches of half the size, noted in the record.

        Raises:
            ClaimedError: another worker is at this model.
            Interrupted: this worker was asked to stop; the checkpoint is written.
        """
        with claimed(self._folder.claim(model.model_id)) as claim:
            record = final_record(self._folder, model.model_id)
            if record is None:  # not trained by another worker either, since this one was asked
                record = self._train_to_the_end(model, claim)
            if model.is_through(record):
                return record
            return self._test(model, record, claim)

    def _train_to_the_end(self, model: Model, claim: Claim) -> Record:
        attempts, micro_batches = self._begun(model)
        while True:
            started = datetime.now(timezone.utc)
            network = self._build(model.architecture, model.seed)
            try:
                result = self._train(network, model, claim, attempts, micro_batches)
                break
            except (RuntimeError, MemoryError) as error:
                if not _is_out_of_memory(error) or 4 * micro_batches > self._job.train.batch_size:
                    raise
                attempts.append(_attempt(Status.FAILED, Kind.OUT_OF_MEMORY, one_line(error), started))
            self._folder.checkpoint(model.model_id).unlink(missing_ok=True)
            torch.cuda.empty_cache()
            micro_batches *= 2
        status, kind = (Status.DIVERGED, Kind.DIVERGED) if result.diverged else (Status.DONE, None)
        attempts.append(_attempt(status, kind, result.diverged, started))
        record = self._record(model, result, tuple(attempts), micro_batches)
        if self._job.final is not None and not result.diverged:
            write_weights(self._folder.weights(model.model_id), network)
        write_record(self._folder.record(model.model_id), record)
        self._folder.checkpoint(model.model_id).unlink(missing_ok=True)
        return record

    def _test(self, model: Model, record: Record, claim: Claim) -> Record:
        """Look at the test split with the weights that were kept, and add what was seen to the record."""
        final, path = self._job.final, self._folder.weights(model.model_id)
        assert final is not None, "only models of a final training are tested"
        if self._test_data is None:
            self._test_data = self._load(Splits(evaluate="test"))
        network = self._build(model.architecture, model.seed)
        digest = read_weights(path, network)
        note_look(final.looks, Look(model.model_id, final.recipe, digest), again=final.again)
        result = evaluate(
            network, self._test_data, self._settings, self._device, flip=final.flip, on_step=claim.touch
        )
        record = replace(record, test=replace(result, weights_sha256=digest))
        write_record(self._folder.record(model.model_id), record)
        return record

    def _begun(self, model: Model) -> tuple[list[Attempt], int]:
        """Attempts so far, and the micro-batches to go on with: those of the checkpoint, if there is one."""
        state = Checkpointer(self._folder.checkpoint(model.model_id)).load()
        if state is None or not state.get("begun"):
            return list(model.earlier), 1
        begun = json.loads(state["begun"])
        kept = [attempt for attempt in map(parse_attempt, begun["attempts"]) if attempt not in model.earlier]
        return [*model.earlier, *kept], begun["micro_batches"]

    def _train(
        self,
        network: torch.nn.Module,
        model: Model,
        claim: Claim,
        attempts: list[Attempt],
        micro_batches: int,
    ) -> TrainingResult:
        begun = {"attempts": [asdict(attempt) for attempt in attempts], "micro_batches": micro_batches}
        checkpointer = Checkpointer(
            self._folder.checkpoint(model.model_id),
            minutes=self._job.checkpoint_minutes,
            interrupted=interrupt.requested,
            begun=json.dumps(begun),
        )
        return train_network(
            network,
            self._data,
            self._settings,
            seed=model.seed,
            device=self._device,
            checkpointer=checkpointer,
            on_step=claim.touch,
            on_epoch=claim.note,
            micro_batches=micro_batches,
            validated=self._job.final is None or "val" not in self._job.final.splits,
        )

    def _record(
        self, model: Model, result: TrainingResult, attempts: tuple[Attempt, ...], micro_batches: int
    ) -> Record:
        train_seconds = sum(epoch.train_seconds for epoch in result.history)
        images = len(result.history) * self._images_per_epoch
        return Record(
            model_id=model.model_id,
            space=self._folder.name,
            status=attempts[-1].status,
            seed=model.seed,
            error=None if result.diverged else result.error,
            reason=result.diverged,
            balanced_error=result.balanced_error,
            chance=self._data.chance_error,
            val_images=self._data.info.num_val,
            epochs=self._job.train.epochs,
            history=tuple(_rounded(epoch) for epoch in result.history),
            flops=model.flops,
            params=model.params,
            acts=model.acts,
            train_seconds=round(train_seconds, 3),
            val_seconds=round(sum(epoch.val_seconds for epoch in result.history), 3),
            images_per_second=round(images / train_seconds, 1) if train_seconds else None,
            device=_device_name(self._device),
            processor=processor(),
            precision=self._settings.precision,
            memory_format=self._settings.memory_format,
            micro_batches=micro_batches,
            versions=versions(),
            attempts=attempts,
        )

    def time(self, request: Timing) -> float:
        """Estimate of the seconds that training this network takes."""
        network = self._build(request.architecture, seed=0)
        return estimate_seconds(network, self._data, self._settings, self._device)

    @property
    def _images_per_epoch(self) -> int:
        train = self._job.train
        return self._data.info.images_per_epoch(train.batch_size, drop_last=train.drop_last)

    def _settled(self) -> TrainSettings:
        """The settings, with a choice for each that is `auto`: the study's, or one from timing."""
        settings, path = self._job.train, self._job.choice
        if not asked(settings):
            return settings
        choice = None if path is None else read_choice(path, settings)
        if choice is None:
            choice = choose(settings, self._step_seconds, _device_name(self._device))
            if path is not None:
                write_choice(path, choice)
                choice = read_choice(path, settings) or choice  # another worker may have been first
        return choice.applied(settings)

    def _step_seconds(self, settings: TrainSettings) -> float:
        """Mean seconds of a training step over the sampled networks."""
        return statistics.fmean(
            step_seconds(self._build(architecture, seed=0), self._data, settings, self._device)
            for architecture in self._job.samples
        )

    def _build(self, architecture: Architecture | str, seed: int) -> torch.nn.Module:
        info = self._data.info
        return build_network(
            architecture,
            num_classes=info.num_classes,
            in_channels=info.in_channels,
            resolution=self._job.resolution,
            zero_init_residual=self._job.network.zero_init_residual,
            seed=seed,
        )


def _attempt(status: Status, kind: Kind | None, reason: str | None, started: datetime) -> Attempt:
    seconds = (datetime.now(timezone.utc) - started).total_seconds()
    return Attempt(
        status, kind, reason, host_name(), started.isoformat(timespec="seconds"), round(seconds, 3)
    )


def _is_out_of_memory(error: Exception) -> bool:
    """Also where it came in the capture of a CUDA graph, whose own error then hides it."""
    chain: list[BaseException] = [error]
    while (before := chain[-1].__cause__ or chain[-1].__context__) is not None:
        chain.append(before)
    if any(isinstance(each, torch.OutOfMemoryError | MemoryError) for each in chain):
        return True
    return any(words in str(each) for each in chain for words in OUT_OF_MEMORY)


def _rounded(epoch: Epoch) -> Epoch:
    return replace(
        epoch, train_seconds=round(epoch.train_seconds, 3), val_seconds=round(epoch.val_seconds, 3)
    )


def _device_name(device: torch.device) -> str:
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    return f"cpu ({platform.machine()}, {torch.backends.cpu.get_cpu_capability()})"


def _set_up_gpu(settings: TrainSettings) -> None:
    if settings.deterministic:
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # without which older torch refuses
    # At once in the process and before its first kernel: cuBLAS reads its variable where a handle is made.
    torch.backends.cuda.matmul.allow_tf32 = True
    torch.backends.cudnn.allow_tf32 = True
    # It may choose another algorithm each time.
    torch.backends.cudnn.benchmark = settings.cudnn_benchmark and not settings.deterministic
    torch.use_deterministic_algorithms(settings.deterministic)
