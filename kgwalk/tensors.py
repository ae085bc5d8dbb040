"""Safetensors and JSON, written whole or not at all."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save

from kgwalk.files import write_atomically

_NOTE = "kgwalk"  # key of our JSON in a safetensors header


def save_tensors(path: Path, tensors: Mapping[str, torch.Tensor], note: Mapping[str, Any]) -> None:
    """Save tensors with a JSON note in the same file, so that the two can never disagree."""
    contiguous = {k: v.detach().cpu().contiguous() for k, v in tensors.items()}
    write_atomically(path, save(contiguous, {_NOTE: json.dumps(note, sort_keys=True)}))


def load_tensors(path: Path) -> tuple[dict[str, torch.Tensor], dict[str, Any]]:
    """Tensors and note of ``save_tensors``.

    Raises:
        FileNotFoundError: no such file.
        ValueError: not a whole safetensors file of ours.
    """
    if not path.is_file():
        raise FileNotFoundError(f"no model file {path}")
    try:
        with safe_open(path, framework="pt") as f:
            note = (f.metadata() or {}).get(_NOTE)
            tensors = {key: f.get_tensor(key) for key in f.keys()}  # noqa: SIM118 - safe_open is no mapping
    except (SafetensorError, OSError) as error:
        raise ValueError(f"{path} is no whole safetensors file: {error}") from error
    if note is None:
        raise ValueError(f"{path} was not written by kgwalk: it has no {_NOTE!r} note")
    try:
        parsed = json.loads(note)
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{path}: its {_NOTE!r} note is no JSON: {error}") from error
    if not isinstance(parsed, dict):
        raise ValueError(f"{path}: its {_NOTE!r} note is no JSON object")
    return tensors, parsed


@contextmanager
def reading(path: Path) -> Iterator[None]:
    """Whatever is wrong with what ``path`` holds becomes a ValueError that names it."""
    try:
        yield
    except KeyError as error:
        raise ValueError(f"{path}: its note lacks {error}") from error
    except (TypeError, ValueError, RuntimeError) as error:
        raise ValueError(f"{path}: {error}") from error


def check_weights(network: torch.nn.Module, tensors: Mapping[str, torch.Tensor]) -> None:
    """Refuse weights that are not of a network's names, shapes and types, or not all finite numbers.

    Args:
        network: may be on the meta device.
        tensors: what a file holds for it.

    Raises:
        ValueError: they do not fit.
    """
    expected = {key: (value.shape, value.dtype) for key, value in network.state_dict().items()}
    found = {key: (value.shape, value.dtype) for key, value in tensors.items()}
    if expected != found:
        wrong = sorted(key for key in expected.keys() | found.keys() if expected.get(key) != found.get(key))
        raise ValueError(f"weights {', '.join(wrong)} do not have the shapes and types its note tells")
    broken = sorted(key for key, value in tensors.items() if not bool(torch.isfinite(value).all()))
    if broken:
        raise ValueError(f"weights {', '.join(broken)} are not all finite numbers")
