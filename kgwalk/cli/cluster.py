"""``--ray``: the options, and the door to a cluster."""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated, Any

import typer

Ray = Annotated[
    bool,
    typer.Option("--ray", help="Share the work out over a Ray cluster: that at $RAY_ADDRESS, else one started here."),
]
RayAddress = Annotated[
    str | None, typer.Option(metavar="HOST:PORT", help="The Ray cluster to use; implies --ray.", show_default=False)
]


@contextmanager
def cluster(address: str | None) -> Iterator[Any]:
    """The module ``kgwalk.integrations.ray``, connected.

    Raises:
        ImportError: Ray is not installed; the message says how to get it.
        ConnectionError: no cluster answers.
    """
    ray = importlib.import_module("kgwalk.integrations.ray")
    with ray.connected(address):
        yield ray
