"""Weights of PyKEEN's models in the layout of ours."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import torch
from pykeen.models import ERModel
from pykeen.nn import modules
from torch import Tensor, nn

from kgwalk.scorers.models import (
    ComplEx,
    ComplExConfig,
    ConvE,
    ConvEConfig,
    DistMult,
    EmbeddingModel,
    ModelConfig,
    RotatE,
    RotatEConfig,
    TransE,
    TransEConfig,
    TransR,
    TransRConfig,
)

#: A RotatE relation whose modulus is further from 1 is no rotation.
_MODULUS = 1e-3


class Weights(NamedTuple):
    """A model's weights in our layout; rows have PyKEEN's ids.

    Attributes:
        kind: our model.
        config: its sizes.
        entities: tables with a row for each entity, by our name for them.
        forward: (number of relations, relation_dim) float32.
        inverse: as ``forward``, of inverse relations.
        layers: further weights, by our name for them.
    """

    kind: type[EmbeddingModel]
    config: ModelConfig
    entities: Mapping[str, Tensor]
    forward: Tensor
    inverse: Tensor
    layers: Mapping[str, Tensor] = {}


def weights_of(model: ERModel) -> Weights:
    """The weights of a PyKEEN model, copied; the model is put into evaluation mode.

    Raises:
        ValueError: a kind or shape of model that ours cannot hold.
    """
    read = _READERS.get(type(model.interaction))
    if read is None:
        known = ", ".join(kind.__name__ for kind in _READERS)
        raise ValueError(f"cannot take over a {type(model.interaction).__name__}; known are {known}")
    model.eval()
    with torch.no_grad():
        return read(model)


def _transe(model: ERModel) -> Weights:
    p = model.interaction.p
    if p not in (1, 2):
        raise ValueError(f"TransE with p={p}: known are p=1 and p=2")
    (entities,), (relations,) = _tables(model)
    config = TransEConfig(entities.shape[1], "l1" if p == 1 else "l2")
    return Weights(TransE, config, {"entities": entities}, *_directions(model, relations, torch.neg))


def _transr(model: ERModel) -> Weights:
    p, longest = model.interaction.p, model.interaction.max_projection_norm
    if (p, longest) != (2, 1):
        raise ValueError(f"TransR with p={p} and max_projection_norm={longest}: known are p=2 and 1.0 alone")
    (entities,), (translations, matrices) = _tables(model)
    size = translations.shape[1]
    rows = torch.cat([translations, matrices.flatten(1)], 1)
    directions = _directions(model, rows, lambda rows: torch.cat([-rows[:, :size], rows[:, size:]], 1))
    return Weights(TransR, TransRConfig(entities.shape[1], size), {"entities": entities}, *directions)


def _distmult(model: ERModel) -> Weights:
    (entities,), (relations,) = _tables(model)
    directions = _directions(model, relations, torch.clone)
    return Weights(DistMult, ModelConfig(entities.shape[1]), {"entities": entities}, *directions)


def _complex(model: ERModel) -> Weights:
    (entities,), (relations,) = _tables(model)
    forward, inverse = (_parts(rows) for rows in _directions(model, relations, torch.conj))
    config = ComplExConfig(2 * entities.shape[1])
    return Weights(ComplEx, config, {"entities": _parts(entities)}, forward, inverse)


def _rotate(model: ERModel) -> Weights:
    (entities,), (relations,) = _tables(model)
    off = (relations.abs() - 1).abs().max()
    if off > _MODULUS:
        raise ValueError(
            f"RotatE with relations whose moduli are off 1 by up to {off:.3g}, which is no rotation: train it with "
            "relation_constrainer=complex_normalize"
        )
    # PyKEEN's distance is the Euclidean one, whatever p and power_norm its interaction was given.
    config = RotatEConfig(2 * entities.shape[1], "l2")
    directions = _directions(model, relations.angle(), torch.neg)
    return Weights(RotatE, config, {"entities": _parts(entities)}, *directions)


def _conve(model: ERModel) -> Weights:
    shape, picture, hidden = model.interaction.shape_info, model.interaction.hr2d, model.interaction.hr1d
    expected = [nn.BatchNorm2d, nn.Dropout, nn.Conv2d, nn.BatchNorm2d, nn.ReLU, nn.Dropout2d]
    expected += [nn.Linear, nn.Dropout, nn.BatchNorm1d, nn.ReLU]
    if [type(layer) for layer in (*picture, *hidden)] != expected:
        raise ValueError("ConvE with other layers: known is the one with apply_batch_normalization=True")
    if shape.input_channels != 1 or shape.kernel_height != shape.kernel_width:
        raise ValueError(
            f"ConvE with {shape.input_channels} input channels and a kernel of {shape.kernel_height} x "
            f"{shape.kernel_width}: known are one channel and square kernels"
        )
    config = ConvEConfig(
        dim=shape.embedding_dim,
        height=shape.image_height,
        channels=shape.output_channels,
        kernel=shape.kernel_width,
        input_dropout=picture[1].p,
        feature_dropout=picture[5].p,
        hidden_dropout=hidden[1].p,
    )
    layers = {f"picture.{key}": value for key, value in picture.state_dict().items()}
    for key, value in hidden.state_dict().items():
        place, _, name = key.partition(".")
        layers[f"hidden.{int(place) + 1}.{name}"] = value  # a layer without weights is ours' first
    layers = {key: value.cpu().clone() for key, value in layers.items()}
    (entities, bias), (relations,) = _tables(model)
    return Weights(
        ConvE, config, {"entities": entities, "bias": bias[:, None]}, *_directions(model, relations, None), layers
    )


_READERS: dict[Any, Callable[[ERModel], Weights]] = {
    modules.ComplExInteraction: _complex,
    modules.ConvEInteraction: _conve,
    modules.DistMultInteraction: _distmult,
    modules.RotatEInteraction: _rotate,
    modules.TransEInteraction: _transe,
    modules.TransRInteraction: _transr,
}


def _tables(model: ERModel) -> tuple[list[Tensor], list[Tensor]]:
    """All rows of the model's entities and of its relations; calling representations applies their normalizers."""
    wanted = torch.complex64 if model.interaction.is_complex else torch.float32
    tables = []
    for representations in (model.entity_representations, model.relation_representations):
        tables.append([representation().detach().cpu() for representation in representations])
        for rows in tables[-1]:
            if rows.is_complex() != wanted.is_complex:
                raise ValueError(f"{type(model.interaction).__name__} with vectors of {rows.dtype}: expected {wanted}")
    entities, relations = ([rows.to(wanted) for rows in table] for table in tables)
    return entities, relations


def _directions(model: ERModel, rows: Tensor, invert: Callable[[Tensor], Tensor] | None) -> tuple[Tensor, Tensor]:
    """Rows of relations, then of their inverses: those that were trained, every second one, or made by ``invert``."""
    if model.use_inverse_triples:
        return rows[0::2], rows[1::2]
    if invert is None:
        raise ValueError(
            f"{type(model.interaction).__name__} without inverse relations: head queries cannot be asked of it; train "
            "it with create_inverse_triples=True"
        )
    return rows, invert(rows)


def _parts(rows: Tensor) -> Tensor:
    """Complex rows (n, d) as (n, 2 d): real parts, then imaginary ones."""
    return torch.cat([rows.real, rows.imag], 1)
