"""Safetensors and JSON, written whole or not at all."""

from __future__ import annotations

import json
from collections.abc import Mapping
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
