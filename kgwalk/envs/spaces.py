"""Observation spaces of the walk.

Integer fields are Box int32, never Discrete: agents look ids up in tables, and SB3 would one-hot a Discrete.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from gymnasium import spaces
from gymnasium.vector.utils import batch_space
from numpy.typing import NDArray

from kgwalk.envs.task import Candidates, Decision, Task


class IdSequence(spaces.Space[NDArray[np.int32]]):
    """int32 arrays (n,) of ids in [0, high], for any n up to ``max_length``: one column of ragged candidates.

    Gymnasium's own ``Sequence`` looks at its elements one by one.
    """

    def __init__(self, high: int, max_length: int, seed: int | np.random.Generator | None = None) -> None:
        self.high = high
        self.max_length = max_length
        super().__init__((None,), np.int32, seed)  # type: ignore[arg-type]  # the length is free

    @property
    def is_np_flattenable(self) -> bool:
        """False: the length varies."""
        return False

    def sample(self, mask: Any = None, probability: Any = None) -> NDArray[np.int32]:
        """A random length, then random ids; masks and probabilities are refused."""
        if mask is not None or probability is not None:
            raise ValueError("IdSequence samples without mask and probability")
        length = int(self.np_random.integers(self.max_length + 1))
        return self.np_random.integers(self.high + 1, size=length, dtype=np.int32)

    def contains(self, x: Any) -> bool:
        """Whether ``x`` is such an array."""
        return (
            isinstance(x, np.ndarray)
            and x.dtype == np.int32
            and x.ndim == 1
            and len(x) <= self.max_length
            and (len(x) == 0 or (int(x.min()) >= 0 and int(x.max()) <= self.high))
        )

    def __eq__(self, other: object) -> bool:
        return isinstance(other, IdSequence) and (self.high, self.max_length) == (other.high, other.max_length)

    def __hash__(self) -> int:
        return hash((self.high, self.max_length))

    def __repr__(self) -> str:
        return f"IdSequence({self.high}, {self.max_length})"


def _ids(high: int, shape: tuple[int, ...] = (1,), low: int = 0, dtype: Any = np.int32) -> spaces.Box:
    return spaces.Box(low, high, shape, dtype)


def _state(task: Task, decision: Decision) -> dict[str, spaces.Space[Any]]:
    """The fields that every form of candidates shares."""
    last_entity, stay = task.num_entities - 1, task.stay
    fields: dict[str, spaces.Space[Any]] = {
        "source": _ids(last_entity),
        "query_relation": _ids(stay - 1),
        "entity": _ids(last_entity),
        "step": _ids(task.horizon),
        "last_relation": _ids(stay),
    }
    if decision == "split":
        fields["phase"] = _ids(1)
    return fields


def single_observation_space(task: Task, decision: Decision, candidates: Candidates, num_actions: int) -> spaces.Dict:
    """What one environment sees; ragged candidates are variable-length sequences."""
    fields = _state(task, decision)
    if candidates == "padded":
        fields["relations"] = _ids(task.stay, (num_actions,))
        fields["entities"] = _ids(task.num_entities - 1, (num_actions,))
        fields["action_mask"] = _ids(1, (num_actions,), dtype=np.int8)
    elif candidates == "ragged":
        fields["relations"] = IdSequence(task.stay, num_actions)
        fields["entities"] = IdSequence(task.num_entities - 1, num_actions)
    else:
        fields["row"] = _ids(np.iinfo(np.int64).max, dtype=np.int64)
        fields["degree"] = _ids(num_actions - 1)
        fields["hidden"] = _ids(num_actions - 1, (2,), low=-1)
    return spaces.Dict(fields)


def batched_observation_space(
    single: spaces.Dict, candidates: Candidates, num_envs: int, num_actions: int
) -> spaces.Dict:
    """What a vector environment sees: (num_envs, ...) arrays, ragged candidates side by side under ``offsets``."""
    if candidates != "ragged":
        batched = batch_space(single, num_envs)
        assert isinstance(batched, spaces.Dict)
        return batched
    fields: dict[str, spaces.Space[Any]] = {
        name: IdSequence(space.high, num_envs * num_actions)
        if isinstance(space, IdSequence)
        else batch_space(space, num_envs)
        for name, space in single.spaces.items()
    }
    fields["offsets"] = _ids(num_envs * num_actions, (num_envs + 1,), dtype=np.int64)
    return spaces.Dict(fields)
