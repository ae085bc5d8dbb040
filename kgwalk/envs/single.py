"""One walker as a Gymnasium environment."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, SupportsIndex

import gymnasium as gym
import numpy as np
from gymnasium import spaces
from gymnasium.error import ResetNeeded
from gymnasium.utils import EzPickle
from numpy.typing import NDArray

from kgwalk import _core
from kgwalk.data.dataset import Dataset, Directions
from kgwalk.envs.rendering import render
from kgwalk.envs.rewards import make_rewards
from kgwalk.envs.spaces import single_observation_space
from kgwalk.envs.task import Decision, QueryOrder, Task, as_int, check_options
from kgwalk.protocols import FinishedWalks, Ids, Scorer

Observation = dict[str, Any]

_KEY_BITS = 2**64 - 1


class KGWalkEnv(gym.Env[Observation, np.int64], EzPickle):
    """A walk over a knowledge graph in search of the answer to a query.

    ## Description
    A query asks ``(source, relation, ?)``. The walker starts at the source and follows ``horizon`` edges; it is
    rewarded if it stands at the query's target then. Every relation has an inverse, and the walker may wait (STAY).

    In training (``split="train"``) the query's own edge and its inverse are hidden at every step, and at the last hop
    so are the other training answers of the query: they would pay nothing. In evaluation (any other split) nothing
    depends on the target but the reward.

    Of a recommendation set the source is a user, the relation the interaction, and the target an item held out.

    ## Action Space
    ``Discrete(max_out_degree + 1)``: an index into the candidates of the observation. Index 0 is STAY, the legal edges
    follow. With ``decision="split"`` a hop is two actions: in phase 0 the candidates are the distinct relations that
    have a legal edge (their entity is the current one), STAY first; in phase 1 they are the entities of the relation
    chosen, or STAY alone if that was. An illegal action is defined: the walker stays, and ``info["illegal_action"]``
    says so. At least one action is always legal. The mask of legal actions is in the observation, in
    ``info["action_mask"]`` and returned by ``action_masks()``.

    ## Observation Space
    A ``Dict``; ids are int32, A is the number of actions, R the number of relations without inverses.

    | key | shape | meaning |
    |---|---|---|
    | ``source`` | (1,) | entity the query starts at |
    | ``query_relation`` | (1,) | relation asked for; from R up, an inverse |
    | ``entity`` | (1,) | where the walker stands |
    | ``step`` | (1,) | hops made |
    | ``last_relation`` | (1,) | relation of the last hop; STAY (2R) before the first |
    | ``phase`` | (1,) | with ``decision="split"``: 0 choosing a relation, 1 an entity |
    | ``relations`` | (A,) | relation of each candidate; STAY behind the last legal one |
    | ``entities`` | (A,) | entity each candidate leads to; 0 behind the last legal one |
    | ``action_mask`` | (A,) int8 | 1 where the action is legal; legal ones come first |

    ## Rewards
    Paid when the walk ends: the weighted sum of the terms in ``reward``. ``"hit"`` is 1 at the query's own target.
    ``"rules"`` is the confidence of the rule that the walk followed, wherever it led; its option ``rules=`` says which
    rules (``kgwalk.rules.RuleReward``). ``"shaped"`` is 1 at the target and elsewhere what a scorer, given as
    ``shaped=``, thinks of the end as an answer (``kgwalk.envs.ScorerReward``); it holds the hit, so it replaces
    ``"hit"``. Of recommendation sets, ``"teacher"`` is what a scorer, given as ``teacher=``, thinks of the item beside
    the user's best (``kgwalk.envs.TeacherReward``), and ``"pattern"`` is 1 for a walk along a metapath to an item
    (``kgwalk.envs.PatternReward``).

    ## Starting State
    A query drawn uniformly (or the next, with ``query_order="sequential"``), the walker at its source.
    ``reset(options={"query": row})`` starts that row of ``env.unwrapped.queries``; ``info["query"]`` names the row.

    ## Episode End
    Terminates after ``horizon`` hops; only STAY is legal then. It never truncates. ``info["hit"]`` says whether the
    target was met.

    ## Arguments
    See ``Args``; all but a loaded ``Dataset`` are JSON-able: ``gym.make("KGWalk-WN18RR", split="valid", horizon=4)``.

    ## Version History
    * v0: first version

    Args:
        dataset: name of a dataset or a loaded one.
        data_dir: folder of the dataset, if it is not where ``kgwalk.data.load`` looks.
        split: which queries to walk; ``"train"`` is training, all others evaluation.
        directions: tail queries ``(h, r, ?)``, head queries ``(t, inverse of r, ?)``, or both; default: both, and of
            recommendation sets, which ask what a user likes, tail.
        horizon: hops of a walk; default: the dataset card's, mostly 3.
        max_out_degree: edges shown of a node, best first by PageRank; default: the dataset card's. 0 shows all.
        decision: one choice of an edge a hop, or two choices, relation then entity.
        reward: weight by name of reward term; default ``{"hit": 1.0}``.
        query_order: draw queries, or take them in order.
        hide_answers: close, at the last hop, the answers that the walking graph already holds for the query (in
            training the target stays open). Of a recommendation set these are the items that the user has already.
        prune: path of a scorer, or a ``Scorer``, that chooses in PageRank's place which ``max_out_degree`` edges of a
            node are shown: those it finds most plausible (``kgwalk.scorers.pruning``).
        only_pattern: pay the terms of ``reward``, hit included, only to walks that follow a metapath to an item:
            those in ``pattern=``, or the recommendation set's own.
        render_mode: ``"ansi"``, ``"rgb_array"`` or None.
        reward_options: options of reward terms, by the term's name.

    Raises:
        ValueError: an argument outside its choices.
        KeyError: the dataset has no such split.
    """

    metadata: dict[str, Any] = {"render_modes": ["ansi", "rgb_array"], "render_fps": 1}  # noqa: RUF012

    def __init__(
        self,
        dataset: str | Dataset,
        *,
        data_dir: str | Path | None = None,
        split: str = "train",
        directions: Directions | None = None,
        horizon: int | None = None,
        max_out_degree: int | None = None,
        decision: Decision = "edge",
        reward: Mapping[str, float] | None = None,
        query_order: QueryOrder = "random",
        hide_answers: bool = True,
        prune: str | Path | Scorer | None = None,
        only_pattern: bool = False,
        render_mode: str | None = None,
        **reward_options: Any,
    ) -> None:
        EzPickle.__init__(
            self,
            dataset,
            data_dir=data_dir,
            split=split,
            directions=directions,
            horizon=horizon,
            max_out_degree=max_out_degree,
            decision=decision,
            reward=reward,
            query_order=query_order,
            hide_answers=hide_answers,
            prune=prune,
            only_pattern=only_pattern,
            render_mode=render_mode,
            **reward_options,
        )
        if render_mode is not None and render_mode not in self.metadata["render_modes"]:
            raise ValueError(
                f"render_mode: expected one of {self.metadata['render_modes']} or None, got {render_mode!r}"
            )
        self.render_mode = render_mode
        self.task = Task.make(
            dataset,
            data_dir=data_dir,
            split=split,
            directions=directions,
            horizon=horizon,
            max_out_degree=max_out_degree,
            hide_answers=hide_answers,
            prune=prune,
        )
        hit, self._terms = make_rewards(reward, reward_options, self.task.dataset, only_pattern)
        self._walk = self.task.walk(
            decision=decision,
            candidates="padded",
            autoreset="Disabled",
            query_order=query_order,
            hit_reward=hit,
            batched=False,
        )
        self._act = self._walk.act
        self._seeded = False
        self.observation_space = single_observation_space(self.task, decision, "padded", self._walk.num_actions)
        self.action_space = spaces.Discrete(self._walk.num_actions)

    @property
    def queries(self) -> Ids:
        """The query table, (n, 3) int32: source, relation, target."""
        return self.task.queries

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Observation, dict[str, Any]]:
        """Start a walk.

        Args:
            seed: restarts the generator that draws queries.
            options: ``{"query": row}`` walks that query; nothing is drawn then.

        Raises:
            IndexError: the query row is out of range.
            ValueError: the query row is no integer, or another option is given.
        """
        row = check_options(options, "query").get("query")
        rows = None if row is None else np.array([as_int("options['query']", row)], np.int64)
        super().reset(seed=seed)
        if seed is not None or not self._seeded:
            key = self.np_random.integers(_KEY_BITS, dtype=np.uint64) if seed is None else seed & _KEY_BITS
            self._walk.seed(np.array([key], np.uint64), np.zeros(1, np.uint64), np.ones(1, np.bool_))
            self._seeded = True
        return self._walk.reset(rows=rows)

    def step(self, action: SupportsIndex) -> tuple[Observation, float, bool, bool, dict[str, Any]]:
        """Make one move.

        Raises:
            ResetNeeded: the walk has ended, or none has begun.
            IndexError: the action is not in the action space.
            ValueError: the action is no integer.
        """
        try:
            result = self._act(action)
        except _core.ResetNeeded as error:
            raise ResetNeeded(str(error)) from error
        if self._terms and result[2]:
            walks = FinishedWalks(*self._walk.finished())
            queries = self.task.queries[walks.query]
            extra = sum(weight * float(term(walks, queries)[0]) for weight, term in self._terms)
            return result[0], result[1] + extra, *result[2:]
        return result

    def action_masks(self) -> NDArray[np.bool_]:
        """Legal actions, (A,) bool: what sb3-contrib's MaskablePPO asks for. ResetNeeded if no walk has begun."""
        return self._begun().action_masks()

    def sample_action(self) -> np.int64:
        """A uniform draw from the legal actions. ResetNeeded if no walk has begun."""
        return self._begun().sample_actions()[0]  # type: ignore[no-any-return]

    def path(self) -> tuple[Ids, Ids]:
        """Entities visited, source first, and relations followed. ResetNeeded if no walk has begun."""
        _, entities, relations = self._begun().path(0)
        return entities, relations

    def render(self) -> Any:
        """The walk so far with names: text for ``"ansi"``, a picture (height, width, 3) uint8 for ``"rgb_array"``.

        Raises:
            ResetNeeded: no walk has begun.
        """
        if self.render_mode is None:
            gym.logger.warn("render() needs a render mode: gym.make(..., render_mode='ansi') or 'rgb_array'")
            return None
        return render(self.task, self._begun(), 0, self.render_mode)

    def _begun(self) -> _core.Walk:
        if not self._walk.begun:
            raise ResetNeeded("no walk has begun: call reset() first")
        return self._walk
