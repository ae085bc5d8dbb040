"""The training loop that agents share: steps, validation, checkpoints, progress.

Everything random in a step is drawn from (seed, step), so a run that was killed and resumed from its last checkpoint
makes the same steps as one that was not.
"""

from __future__ import annotations

import dataclasses
import json
import logging
import math
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from torch import Tensor, nn
from torch.utils.tensorboard import SummaryWriter

from kgwalk.data import Dataset
from kgwalk.evaluation import Protocol, evaluate
from kgwalk.protocols import Agent
from kgwalk.tensors import load_tensors

from .allocator import keep_freed_memory
from .checkpoint import NAME, Progressing, check_run, load_checkpoint, save_checkpoint

log = logging.getLogger(__name__)

AnyDataset = TypeVar("AnyDataset", bound=Dataset)
Losses = Callable[[int], tuple[Tensor, Mapping[str, float]]]


class ShuffledBatches:
    """Endless passes over rows in batches, each pass in an order drawn from its number; what does not fill one is left.

    Args:
        rows: (n,) of anything.
        size: rows in a batch.
        seed: of the orders.
    """

    def __init__(self, rows: NDArray[np.int64], size: int, seed: int) -> None:
        self.rows = rows
        self.size = min(size, len(rows))
        self.seed = seed
        self._order = (-1, rows)

    def __call__(self, step: int) -> NDArray[np.int64]:
        """The batch of a step."""
        epoch, place = divmod(step, len(self.rows) // self.size)
        if self._order[0] != epoch:
            self._order = (epoch, np.random.default_rng([self.seed, epoch]).permutation(self.rows))
        return self._order[1][place * self.size : (place + 1) * self.size]


def first_of_valid(dataset: AnyDataset, count: int, seed: int) -> AnyDataset:
    """The dataset with ``count`` queries of valid, drawn once; all of them for 0.

    Raises:
        ValueError: there are none.
    """
    valid = dataset.splits.get("valid", ())
    if not len(valid):
        raise ValueError(f"{dataset.name} has no valid facts: training selects its model by them")
    if not 0 < count < len(valid):
        return dataset
    rows = np.sort(np.random.default_rng(seed).permutation(len(valid))[:count])
    return dataclasses.replace(dataset, splits={**dataset.splits, "valid": valid[rows]})


def tail_mrr(agent: Agent, dataset: Dataset) -> float:
    """Mean reciprocal rank of the tail queries of valid: what models are selected by."""
    report = evaluate(agent, dataset, "valid", Protocol(directions="tail"), progress=False)
    return float(report.metrics["tail"]["mrr"])


def plain(config: Any) -> dict[str, Any]:
    """A configuration dataclass as JSON gives it back, lists for tuples."""
    fields: dict[str, Any] = json.loads(json.dumps(dataclasses.asdict(config)))
    return fields


def seed_draws(seed: int) -> None:
    """Seed torch's generators of the CPU and of CUDA devices that are in use.

    ``torch.manual_seed`` also notes a seed for devices that are not in use yet, and each time formats a stack trace for
    that: .2 ms, a tenth of a small step.
    """
    torch.default_generator.manual_seed(seed)
    if torch.cuda.is_initialized():  # type: ignore[no-untyped-call]
        torch.cuda.manual_seed_all(seed)


class Trainer:
    """Runs an algorithm's steps.

    Args:
        model: what is trained.
        optimizer: over ``model.parameters()`` in their order.
        folder: where checkpoint and curves go.
        seed: of the run.
        run_id: JSON-able description of the run (config, dataset fingerprint, seed); that of another is refused.
        loss: ``loss(step)`` gives the loss to descend and numbers to log.
        validate: a score to be high, on valid.
        keep: called when validation is best so far; saves the agent.
        steps: steps in all.
        validate_every: steps between validations, each followed by a checkpoint.
        learning_rate: ``learning_rate(step)``.
        clip: largest global norm of the gradient; None for none, as sparse gradients need.
        patience: validations without a better score after which training ends; None for all steps.
        extra: the algorithm's own numbers, read and written by ``loss``.
        score: what ``validate`` measures, for logs and curves.

    Attributes:
        idle: whether ``run`` found nothing left to do.
    """

    def __init__(
        self,
        model: nn.Module,
        optimizer: torch.optim.Optimizer,
        folder: Path,
        *,
        seed: int,
        run_id: Mapping[str, Any],
        loss: Losses,
        validate: Callable[[], float],
        keep: Callable[[], None],
        steps: int,
        validate_every: int,
        learning_rate: Callable[[int], float],
        clip: float | None,
        extra: dict[str, float] | None = None,
        patience: int | None = None,
        score: str = "MRR",
    ) -> None:
        self.model = model
        self.optimizer = optimizer
        self.folder = folder
        self.seed = seed
        self.run_id = json.loads(json.dumps(dict(run_id)))  # as a checkpoint gives it back: tuples are lists
        self.loss = loss
        self.validate = validate
        self.keep = keep
        self.steps = steps
        self.validate_every = validate_every
        self.learning_rate = learning_rate
        self.clip = clip
        self.patience = patience
        self.score = score
        self.idle = False
        self.state = Progressing(extra={} if extra is None else extra)

    def run(self, *, resume: bool) -> Progressing:
        """Train to the end, or until validations have stopped getting better.

        The process keeps the memory that it frees from now on (``keep_freed_memory``).

        Raises:
            FileExistsError: the folder holds a checkpoint and ``resume`` was not asked for.
            ValueError: the checkpoint is damaged or of another run; the loss is not finite.
        """
        checkpoint = self.folder / NAME
        if checkpoint.exists():
            if not resume:
                raise FileExistsError(f"{checkpoint} is there already: resume it, or choose another folder")
            fresh = self.state
            self.state = load_checkpoint(checkpoint, self.model, self.optimizer, self.run_id, fresh, self.steps)
            fresh.extra.update(self.state.extra)
            self.state.extra = fresh.extra  # the loss reads and writes this one
        self.idle = self._done()
        if self.idle:
            return self.state
        keep_freed_memory()
        self.folder.mkdir(parents=True, exist_ok=True)
        for leftover in self.folder.glob(f".{NAME}.*.tmp"):  # of a run that was killed while it wrote
            leftover.unlink()
        with (
            torch.random.fork_rng(devices=[]),
            SummaryWriter(str(self.folder), purge_step=self.state.step) as curves,
            progress_of_training() as progress,
        ):
            task = progress.add_task("training", total=self.steps, completed=self.state.step, note="")
            began = time.monotonic() - self.state.seconds
            while not self._done():
                logged = self.make_step(self.state.step)
                self.state.step += 1
                for key, value in logged.items():
                    curves.add_scalar(key, value, self.state.step)
                if self.state.step % self.validate_every == 0 or self.state.step == self.steps:
                    score = self._select()
                    curves.add_scalar(f"valid/{self.score.lower().replace(' ', '_')}", score, self.state.step)
                    self.state.seconds = time.monotonic() - began
                    save_checkpoint(checkpoint, self.model, self.optimizer, self.run_id, self.state)
                    told = self.state.step, self.score, score, self.state.best
                    log.info("step %d: valid %s %.4f (best %.4f)", *told)
                note = " ".join(f"{key.split('/')[-1]} {value:.3g}" for key, value in logged.items())
                if self.state.best > -math.inf:
                    note += f" valid {self.state.best:.4f}"
                progress.update(task, advance=1, note=note)
        return self.state

    def check(self) -> None:
        """Refuse as ``run`` would, and do nothing else.

        Raises:
            OtherRun: the folder holds a checkpoint of another run.
            ValueError: one that is damaged.
        """
        checkpoint = self.folder / NAME
        if checkpoint.exists():
            check_run(checkpoint, load_tensors(checkpoint)[1], self.run_id)

    def make_step(self, step: int) -> Mapping[str, float]:
        """Descend the loss of one step; gives the numbers to log."""
        seed_draws(self.seed * 1_000_003 + step)  # for dropout; forked in run(), so nobody else's draws change
        for group in self.optimizer.param_groups:
            group["lr"] = self.learning_rate(step)
        self.model.train()
        loss, logged = self.loss(step)
        if not torch.isfinite(loss):
            raise ValueError(f"the loss is {loss.item()} at step {step}: {self._remedy(step)}")
        # Big dense tables: clearing gradients in place spares new pages. Sparse ones are small and not clipped.
        self.optimizer.zero_grad(set_to_none=self.clip is None)
        loss.backward()  # type: ignore[no-untyped-call]
        if self.clip is not None:
            nn.utils.clip_grad_norm_(self.model.parameters(), self.clip)
        # Said aloud, or torch warns of its default.
        with torch.sparse.check_sparse_tensor_invariants(False):  # type: ignore[no-untyped-call]
            self.optimizer.step()
        return logged

    def _done(self) -> bool:
        return self.state.step >= self.steps or self._out_of_patience()

    def _out_of_patience(self) -> bool:
        if self.patience is None or not self.state.best_step:
            return False
        return self.state.step - self.state.best_step >= self.patience * self.validate_every

    def _remedy(self, step: int) -> str:
        """What to do about weights that are broken at ``step``."""
        if step == 0:
            return "nothing was learnt yet, so it is the settings or the data, not the learning rate"
        return f"lower the learning rate from {self.learning_rate(step - 1):g}"

    def _select(self) -> float:
        self.model.eval()
        try:
            score = self.validate()
            if score > self.state.best:
                self.keep()
        except ValueError as error:  # scores that are not finite, mostly
            step = self.state.step
            raise ValueError(
                f"validation after step {step}: {error}; if the weights have diverged, {self._remedy(step)}"
            ) from error
        if score > self.state.best:
            self.state.best, self.state.best_step = score, self.state.step
        return score


def progress_of_training() -> Progress:
    """A bar with a note beside it, silent where stderr is no terminal."""
    console = Console(stderr=True)
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        TextColumn("{task.fields[note]}"),
        console=console,
        disable=not console.is_terminal,
    )
