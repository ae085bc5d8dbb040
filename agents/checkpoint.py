"""Checkpoints: a training run's weights, optimizer and counters in one file, trusted only as far as they fit.

A file from elsewhere may be damaged or hostile, and an optimizer works in place on whatever it is given, so every
tensor is held against the shapes and types of the model before anything is taken over.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from kgwalk.tensors import load_tensors, save_tensors

NAME = "checkpoint.safetensors"
# What an optimizer keeps of each parameter, in the parameter's own shape, beside the number of its steps.
_SLOTS: dict[type[torch.optim.Optimizer], tuple[str, ...]] = {
    torch.optim.Adam: ("exp_avg", "exp_avg_sq"),
    torch.optim.Adagrad: ("sum",),
}


class OtherRun(ValueError):
    """What is there was made by another run: another configuration, dataset or seed."""


@dataclass
class Progressing:
    """What a checkpoint has to know beside weights.

    Attributes:
        step: steps made.
        best: best validation score so far.
        best_step: when it was reached.
        seconds: wall-clock time spent so far, sessions before a resumption included.
        extra: the algorithm's own numbers, such as a moving baseline.
    """

    step: int = 0
    best: float = -math.inf
    best_step: int = 0
    seconds: float = 0.0
    extra: dict[str, float] = field(default_factory=dict)


def save_checkpoint(
    path: Path, model: nn.Module, optimizer: torch.optim.Optimizer, run: Mapping[str, Any], progress: Progressing
) -> None:
    """Write everything that a resumed run needs, whole or not at all."""
    save_tensors(path, _tensors(model, optimizer), {"run": run, "progress": asdict(progress)})


def load_checkpoint(
    path: Path,
    model: nn.Module,
    optimizer: torch.optim.Optimizer,
    run: Mapping[str, Any],
    progress: Progressing,
    steps: int,
) -> Progressing:
    """Put a checkpoint's weights into ``model`` and ``optimizer`` and give its counters.

    Args:
        path: the file.
        model: as it was begun.
        optimizer: Adam or Adagrad over ``model.parameters()`` in their order.
        run: description of the run; a checkpoint of another is refused.
        progress: counters as they begin; ``extra`` must have the same keys.
        steps: steps of the run in all.

    Raises:
        FileNotFoundError: no such file.
        OtherRun: the checkpoint is of another run.
        ValueError: it is damaged. Nothing has been changed in both cases.
    """
    tensors, note = load_tensors(path)
    check_run(path, note, run)
    restored = _progress(path, note.get("progress"), progress, steps)
    expected = {f"model.{key}": value for key, value in model.state_dict().items()}
    for index, parameter in enumerate(model.parameters()):
        kept: dict[str, Tensor] = {f"optimizer.{index}.{slot}": parameter for slot in _SLOTS[type(optimizer)]}
        kept[f"optimizer.{index}.step"] = torch.zeros(())
        # Adam keeps nothing of a parameter before its first gradient, which some parts of a network wait for.
        if not isinstance(optimizer, torch.optim.Adam) or kept.keys() & tensors.keys():
            expected |= kept
    shapes = {key: (value.shape, value.dtype) for key, value in expected.items()}
    found = {key: (value.shape, value.dtype) for key, value in tensors.items()}
    if shapes != found:
        wrong = sorted(key for key in shapes.keys() | found.keys() if shapes.get(key) != found.get(key))
        raise ValueError(f"{path} is damaged: {', '.join(wrong)} not of the shape and type of this network")
    broken = sorted(key for key, value in tensors.items() if not bool(torch.isfinite(value).all()))
    # Sums of squares, and Adam's moving means of them.
    broken += [
        key for key, value in tensors.items() if key.endswith((".sum", "exp_avg_sq")) and bool((value < 0).any())
    ]
    if broken:
        raise ValueError(f"{path} is damaged: {', '.join(broken)} hold what no training makes")
    model.load_state_dict({key[6:]: value for key, value in tensors.items() if key.startswith("model.")})
    slots: dict[int, dict[str, Tensor]] = {}
    for key, value in tensors.items():
        if key.startswith("optimizer."):
            _, place, slot = key.split(".", 2)
            slots.setdefault(int(place), {})[slot] = value
    optimizer.load_state_dict({"state": slots, "param_groups": optimizer.state_dict()["param_groups"]})
    return restored


def check_run(path: Path, note: Mapping[str, Any], run: Mapping[str, Any]) -> None:
    """Refuse a checkpoint by its note.

    Raises:
        OtherRun: it is not of the run described by ``run``.
        ValueError: it does not say of which it is.
    """
    theirs, ours = note.get("run"), json.loads(json.dumps(run))
    if not isinstance(theirs, dict):
        raise ValueError(f"{path} is damaged: it does not say what run it is of")
    if theirs != ours:
        differs = sorted(key for key in ours.keys() | theirs.keys() if ours.get(key) != theirs.get(key))
        raise OtherRun(f"{path} is of another run: {', '.join(differs)} differ; resume with what it was begun with")


def _tensors(model: nn.Module, optimizer: torch.optim.Optimizer) -> dict[str, Tensor]:
    tensors = {f"model.{key}": value for key, value in model.state_dict().items()}
    for index, slots in optimizer.state_dict()["state"].items():
        tensors |= {f"optimizer.{index}.{slot}": value for slot, value in slots.items()}
    return tensors


def _progress(path: Path, saved: Any, begun: Progressing, steps: int) -> Progressing:
    expected = asdict(begun)
    if not isinstance(saved, dict) or saved.keys() != expected.keys() or not isinstance(saved["extra"], dict):
        raise ValueError(f"{path} is damaged: its counters are not {', '.join(expected)}")
    numbers = {**saved, **saved["extra"]}
    del numbers["extra"]
    wrong = [key for key, value in numbers.items() if type(value) not in (int, float) or not value < math.inf]
    wrong += [key for key in ("step", "best_step") if type(saved[key]) is not int or not 0 <= saved[key] <= steps]
    if wrong or saved["extra"].keys() != begun.extra.keys():
        raise ValueError(f"{path} is damaged: its counters do not make sense: {', '.join(wrong) or 'extra'}")
    return Progressing(**saved)
