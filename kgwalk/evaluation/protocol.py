"""What an evaluation's numbers mean."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from kgwalk.data.dataset import Directions


@dataclass(frozen=True)
class Protocol:
    """Settings of an evaluation. What is not here is fixed, and named in `to_json` beside every number.

    Fixed are: ties take the mean of the places they share; an answer that was not reached is reciprocal rank 0 and a
    miss; a query whose source or target has no edge in the walked graph is a miss too, and is counted.

    Attributes:
        directions: Which queries are asked: ``"tail"`` (h, r, ?), ``"head"`` (?, r, t) asked as (t, inverse of r, ?),
            or ``"both"``. None asks all that the agent can answer (``agent.directions``; both, if it does not say).
        filtered: Take other known answers of a query out of its list before ranking.
        hits: The k of hits@k.
        batch_size: Questions put to the agent at once; changes no result.
    """

    directions: Directions | None = None
    filtered: bool = True
    hits: tuple[int, ...] = (1, 3, 5, 10)
    batch_size: int = 512

    def __post_init__(self) -> None:
        """Refuse settings that mean nothing."""
        if self.directions not in (None, "tail", "head", "both"):
            raise ValueError(f"directions is {self.directions!r}; expected tail, head or both")
        if self.batch_size < 1:
            raise ValueError(f"batch_size is {self.batch_size}; expected 1 or more")
        if not self.hits or min(self.hits) < 1:
            raise ValueError(f"hits is {self.hits}; expected ranks of 1 or more")

    def resolve(self, agent: object) -> Directions:
        """The directions to ask an agent about.

        Raises:
            ValueError: If it was trained on tail queries only and head queries are wanted.
        """
        able: Directions = getattr(agent, "directions", "both")
        asked = self.directions or able
        if able != "both" and asked != able:
            raise ValueError(f"{asked} queries were asked for, but the agent was trained on {able} queries only")
        return asked

    def to_json(self) -> dict[str, Any]:
        """The settings and the fixed rules, for the file of results."""
        return {
            **{name: value for name, value in asdict(self).items() if name != "batch_size"},
            "hits": list(self.hits),
            "ties": "mean rank",
            "unreached": "miss",
            "unseen": "miss",
        }
