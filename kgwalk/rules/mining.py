"""Mining rules: how long, how deep, and what came of it."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass, field, fields
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from kgwalk import _core
from kgwalk._core import Graph, RuleSet
from kgwalk.protocols import Ids

Stopped = Literal["done", "rounds", "seconds", "interrupted"]

#: ``progress(rounds, total_rounds, seconds)``, called after every round.
Progress = Callable[[int, int, float], None]


@dataclass(frozen=True)
class MiningConfig:
    """Which rules are looked for. The kinds are those of AnyBURL (Meilicke et al. 2019, 2020).

    Attributes:
        max_length: most atoms in the body of a cyclic rule; the other kinds have one atom or none.
        object_identity: different variables of a rule stand for different entities, and for none of its constants.
        cyclic: mine ``h(X,Y) <= b1(X,A), ..., bn(Z,Y)``.
        constants: mine ``h(X,c) <= b(X,d)``, AnyBURL's U_c or AC1.
        existential: mine ``h(X,c) <= b(X,A)``, AnyBURL's U_d or AC2.
        zero: mine ``h(X,c) <=``.
        min_support: least number of facts that a rule gets right.
        min_confidence: least raw confidence.
    """

    max_length: int = 3
    object_identity: bool = False
    cyclic: bool = True
    constants: bool = True
    existential: bool = True
    zero: bool = True
    min_support: int = 2
    min_confidence: float = 0.001

    def __post_init__(self) -> None:
        """Refuse numbers that mean nothing."""
        for name, least, bits in (("max_length", 1, 31), ("min_support", 1, 63)):
            value = getattr(self, name)
            if type(value) is not int or value < least:
                raise ValueError(f"{name}: expected a whole number of {least} or more, got {value!r}")
            if value >= 1 << bits:
                raise ValueError(f"{name}: expected a whole number below 2^{bits}, got {value!r}")
        if not 0 <= self.min_confidence <= 1:
            raise ValueError(f"min_confidence: expected a confidence in [0, 1], got {self.min_confidence!r}")


@dataclass(frozen=True, eq=False)
class Mined:
    """What mining found.

    Attributes:
        rules: by head, then by falling confidence.
        errors: (rules,) float64, standard error of each raw confidence; 0 where it is exact.
        rounds: how many were done; ``mine(..., rounds=rounds)`` finds the same rules again.
        total_rounds: after so many nothing is estimated any more. If that is so earlier, ``rounds`` jumps to it.
        seconds: of wall-clock time, preparation included.
        stopped: what ended it: nothing was left to do (``"done"``), the budget of rounds or of seconds, or Ctrl-C.
    """

    rules: RuleSet
    errors: NDArray[np.float64] = field(repr=False)
    rounds: int
    total_rounds: int
    seconds: float
    stopped: Stopped

    @property
    def exact(self) -> bool:
        """Whether every rule of the configuration was found, with its exact counts."""
        return self.stopped == "done"


def mine(
    graph: Graph,
    config: MiningConfig | None = None,
    *,
    seed: int = 0,
    rounds: int | None = None,
    seconds: float | None = None,
    heads: Ids | None = None,
    progress: Progress | None = None,
) -> Mined:
    """Mine the rules of a graph until everything is counted exactly or the budget is spent.

    Can be stopped at any time: Ctrl-C ends it after the round at work, and what was found is kept. The rules depend on
    configuration, seed and rounds alone, not on threads; a round is never broken off, so a budget of seconds is overrun
    by the rest of one.

    Args:
        graph: whose facts are learnt from.
        config: ``MiningConfig()`` by default; a config that extends it is read for what concerns mining.
        seed: of the order in which facts and sources are looked at, from 0 to 2^64 - 1.
        rounds: most rounds, 1 or more; None for no limit.
        seconds: no round begins after so many; None for no limit.
        heads: forward relations; only rules about these and their inverses are mined, the same ones as if all were.
        progress: called after every round.

    Raises:
        IndexError: a head that is no forward relation.
        ValueError: a budget of nothing, a seed out of range, or a configuration that the miner refuses.
        KeyboardInterrupt: Ctrl-C before the first round was done.
    """
    if type(seed) is not int or not 0 <= seed < 1 << 64:
        raise ValueError(f"seed: expected a whole number from 0 to 2^64 - 1, got {seed!r}")
    if rounds is not None and rounds < 1:
        raise ValueError(f"rounds: expected 1 or more, got {rounds}")
    if seconds is not None and not 0 < seconds < math.inf:
        raise ValueError(f"seconds: expected a positive number, got {seconds}")
    began = time.perf_counter()
    config = config or MiningConfig()
    settings = {own.name: getattr(config, own.name) for own in fields(MiningConfig)}
    miner = _core.RuleMiner(graph, **settings, heads=heads, seed=seed)
    stopped: Stopped = "done"
    try:
        # Python hears of Ctrl-C when the round's C++ returns, so a round is whole or was not begun.
        more = True
        while more:
            more = miner.step()
            spent = time.perf_counter() - began
            if progress is not None:
                progress(miner.rounds, miner.total_rounds, spent)
            if rounds is not None and miner.rounds >= rounds:
                stopped, more = "rounds", False
            elif seconds is not None and spent >= seconds:
                stopped, more = "seconds", False
    except KeyboardInterrupt:
        if miner.rounds == 0:
            raise
        stopped = "interrupted"
    if miner.rounds >= miner.total_rounds:
        stopped = "done"
    rules, errors = miner.result()
    return Mined(
        rules=rules,
        errors=errors,
        rounds=miner.rounds,
        total_rounds=miner.total_rounds,
        seconds=time.perf_counter() - began,
        stopped=stopped,
    )
