"""Reading saved agents: what a file holds is checked before anything is made of it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from torch import Tensor, nn

from kgwalk.data import Dataset, Recommendation
from kgwalk.tensors import check_weights, reading

__all__ = ["check_numbers", "check_trained_on", "fill", "reading", "still"]


def check_trained_on(dataset: str, fingerprint: str, wanted: str | None) -> None:
    """Refuse an agent of another dataset than that with the fingerprint ``wanted``; None wants any.

    Raises:
        ValueError: it is another.
    """
    if wanted is not None and fingerprint != wanted:
        raise ValueError(
            f"trained on {dataset} with fingerprint {fingerprint}, but this dataset has {wanted}: its ids mean other "
            "things"
        )


def check_numbers(dataset: Dataset, *told: Mapping[str, object]) -> None:
    """Refuse an agent that recommends whose file tells other numbers than its dataset has.

    Args:
        dataset: that it is to answer about.
        told: numbers by name; those that a dataset does not have are not looked at.

    Raises:
        ValueError: one differs, or the dataset is none of recommendation.
    """
    if not isinstance(dataset, Recommendation):
        raise ValueError(f"{dataset.name} is no recommendation set")
    graph, users, items = dataset.graph, dataset.users, dataset.items
    true = {
        "interact": dataset.interact,
        "num_entities": graph.num_entities,
        "num_relations": graph.num_relations,
        "item_type": dataset.types.index(items),
        "first_item": items.first,
        "users": len(users),
        "items": len(items),
        "entities": graph.num_entities - len(users),
        "relations": graph.num_relations,
    }
    for numbers in told:
        for key in numbers.keys() & true.keys():
            if numbers[key] != true[key]:
                raise ValueError(f"tells {key} {numbers[key]!r}, but {dataset.name} has {true[key]}")


def fill(network: nn.Module, tensors: Mapping[str, Tensor]) -> None:
    """Give ``network``, which may be on the meta device, its weights; it is then set to answer, not to learn.

    Raises:
        ValueError: they are not of the network's names, shapes and types, or not all are finite numbers.
    """
    check_weights(network, tensors)
    network.load_state_dict(tensors, assign=True)
    network.eval()


@contextmanager
def still(network: nn.Module) -> Iterator[None]:
    """Without what is random in training."""
    training = network.training
    network.eval()
    try:
        yield
    finally:
        network.train(training)
