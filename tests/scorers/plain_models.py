"""Every embedding model, small and with weights of size 1, and its score of one fact in plain Python."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import torch

from kgwalk.scorers import MODELS, EmbeddingModel

ENTITIES, RELATIONS = 13, 3

#: Name of a model, and the sizes it is made in.
CASES: dict[str, tuple[str, dict[str, Any]]] = {
    "complex": ("complex", {"dim": 6}),
    "conve": ("conve", {"dim": 12, "height": 3, "channels": 2, "kernel": 2}),
    "distmult": ("distmult", {"dim": 5}),
    "rotate-l2": ("rotate", {"dim": 6}),
    "rotate-modulus": ("rotate", {"dim": 6, "distance": "modulus"}),
    "transe-l1": ("transe", {"dim": 5, "distance": "l1"}),
    "transe-l2": ("transe", {"dim": 5, "distance": "l2"}),
    "transe-dot": ("transe-dot", {"dim": 5}),
    "transr": ("transr", {"dim": 4, "relation_size": 3}),
}


def make(case: str, entities: int = ENTITIES, relations: int = RELATIONS, seed: int = 0) -> EmbeddingModel:
    """A model in eval mode; ConvE's running means and variances are drawn too."""
    name, sizes = CASES[case]
    kind = MODELS[name]
    with torch.random.fork_rng(devices=[]), torch.no_grad():
        torch.manual_seed(seed)
        model = kind(entities, relations, kind.Config(**sizes))
        for parameter in model.parameters():
            parameter.normal_()
        for key, buffer in model.named_buffers():
            if key.endswith("running_mean"):
                buffer.normal_()
            elif key.endswith("running_var"):
                buffer.uniform_(0.5, 2)
    return model.eval()


def plain_score(model: EmbeddingModel, source: int, relation: int, target: int) -> float:
    """The model's own score of a fact, one number after the other, in double precision."""
    h, r, t = (
        [float(number) for number in table[row].tolist()]
        for table, row in ((model.entities, source), (model.relations, relation), (model.entities, target))
    )
    config: Any = model.config
    if model.name == "distmult":
        return sum(a * b * c for a, b, c in zip(h, r, t, strict=True))
    if model.name == "complex":
        return sum((a * b * c.conjugate()).real for a, b, c in zip(*map(as_complex, (h, r, t)), strict=True))
    if model.name == "rotate":
        turns = [complex(math.cos(phase), math.sin(phase)) for phase in r]
        apart = [abs(a * b - c) for a, b, c in zip(as_complex(h), turns, as_complex(t), strict=True)]
        return -sum(apart) if config.distance == "modulus" else -math.hypot(*apart)
    if model.name == "transe":
        apart = [a + b - c for a, b, c in zip(h, r, t, strict=True)]
        return -sum(map(abs, apart)) if config.distance == "l1" else -math.hypot(*apart)
    if model.name == "transe-dot":
        assert model.bias is not None
        bias = model.bias[relation * model.num_entities + target].item()
        return sum((a + b) * c for a, b, c in zip(h, r, t, strict=True)) + bias
    if model.name == "transr":
        size = config.relation_size
        rows = [r[size + i * size : size + (i + 1) * size] for i in range(config.dim)]
        h, t = (at_most_unit([sum(v[i] * rows[i][j] for i in range(config.dim)) for j in range(size)]) for v in (h, t))
        return -math.hypot(*(a + b - c for a, b, c in zip(h, r[:size], t, strict=True)))
    assert model.bias is not None
    return sum(a * b for a, b in zip(plain_conve_query(model, h, r), t, strict=True)) + model.bias[target].item()


def as_complex(numbers: list[float]) -> list[complex]:
    """The first half are real parts, the second imaginary ones."""
    half = len(numbers) // 2
    return [complex(a, b) for a, b in zip(numbers[:half], numbers[half:], strict=True)]


def at_most_unit(vector: list[float]) -> list[float]:
    """Shortened to length 1 if it is longer."""
    length = max(1.0, math.hypot(*vector))
    return [number / length for number in vector]


def plain_conve_query(model: EmbeddingModel, source: list[float], relation: list[float]) -> list[float]:
    """ConvE's vector of a query: no dropout, means and variances as they were kept."""
    config: Any = model.config
    weights = {key: value.double().numpy() for key, value in model.state_dict().items()}

    def normalised(x: np.ndarray, layer: str) -> np.ndarray:
        """By channel, the first axis."""
        shape = (-1,) + (1,) * (x.ndim - 1)
        mean, variance, gain, shift = (
            weights[f"{layer}.{key}"].reshape(shape) for key in ("running_mean", "running_var", "weight", "bias")
        )
        return (x - mean) / np.sqrt(variance + 1e-5) * gain + shift

    width = config.dim // config.height
    picture = np.array(source + relation).reshape(1, 2 * config.height, width)
    picture = normalised(picture, "picture.0")[0]
    filters, k = weights["picture.2.weight"][:, 0], config.kernel
    maps = np.zeros((config.channels, 2 * config.height - k + 1, width - k + 1))
    for channel, row, column in np.ndindex(*maps.shape):
        patch = picture[row : row + k, column : column + k]
        maps[channel, row, column] = (patch * filters[channel]).sum() + weights["picture.2.bias"][channel]
    features = np.maximum(normalised(maps, "picture.3"), 0).reshape(-1)
    hidden = weights["hidden.1.weight"] @ features + weights["hidden.1.bias"]
    return list(np.maximum(normalised(hidden, "hidden.3"), 0).tolist())
