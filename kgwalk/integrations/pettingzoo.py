"""A walk as a game of two for PettingZoo: one agent chooses the relation to follow, the other the entity behind it.

Needs the extra ``pettingzoo``.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from gymnasium import spaces
from gymnasium.utils import EzPickle

from kgwalk.data.dataset import Dataset
from kgwalk.envs.single import KGWalkEnv, Observation
from kgwalk.integrations.extras import needs

with needs("pettingzoo"):
    from pettingzoo.utils import AECEnv, OrderEnforcingWrapper

RELATION, ENTITY = "relation_agent", "entity_agent"

_SHARED = ("source", "query_relation", "entity", "step", "last_relation")


def env(dataset: str | Dataset, **arguments: Any) -> OrderEnforcingWrapper[str, Observation, int]:
    """A ``KGWalkAEC`` that complains when it is used out of order, as PettingZoo's own environments do.

    Args:
        dataset: see ``KGWalkAEC``.
        arguments: see ``KGWalkAEC``.
    """
    return OrderEnforcingWrapper(KGWalkAEC(dataset, **arguments))


class KGWalkAEC(AECEnv[str, Observation, int], EzPickle):  # type: ignore[misc]  # PettingZoo has no types
    """``KGWalkEnv(decision="split")`` under PettingZoo's AEC API: the same walks, by the same seeds and actions.

    A hop is a turn of ``relation_agent``, then one of ``entity_agent``. Both are paid what the walk earns when it ends,
    and both are done then.

    An observation is ``{"observation": ..., "action_mask": ...}``. The first is a dict of what ``KGWalkEnv`` shows:
    ``source``, ``query_relation``, ``entity``, ``step``, ``last_relation``, each (1,) int32, and what the agent chooses
    from:

    | agent | keys | action |
    |---|---|---|
    | ``relation_agent`` | ``relations`` (K,) int32 | index into ``relations``; 0 is STAY |
    | ``entity_agent`` | ``relation`` (1,), the one chosen, ``entities`` (A,) int32 | index into ``entities`` |

    A is ``max_out_degree + 1``, and K the same or, if that is less, all relations, their inverses and STAY. The mask
    (K,) or (A,) int8 is 1 where an action is legal. An agent whose turn it is not has no candidates, and its mask is
    all 0. An illegal action is defined: the walker stays, and ``infos`` say so.

    Args:
        dataset: name of a dataset or a loaded one; of knowledge graphs and of recommendation alike.
        arguments: those of ``KGWalkEnv``, but for ``decision``.

    Raises:
        ValueError: an argument outside its choices.
        KeyError: the dataset has no such split.
        TypeError: ``decision`` is given; it is always ``"split"``.
    """

    metadata: dict[str, Any] = {  # noqa: RUF012
        **KGWalkEnv.metadata,
        "name": "kgwalk_v0",
        "is_parallelizable": False,
    }

    def __init__(self, dataset: str | Dataset, **arguments: Any) -> None:
        super().__init__()
        EzPickle.__init__(self, dataset, **arguments)
        self.walk = KGWalkEnv(dataset, decision="split", **arguments)
        self.render_mode = self.walk.render_mode
        self.possible_agents = [RELATION, ENTITY]
        self.agents: list[str] = []
        shown = self.walk.observation_space
        assert isinstance(shown, spaces.Dict)
        self._shown = shown
        num_actions = int(self.walk.action_space.n)  # type: ignore[attr-defined]
        self._num_relations = min(num_actions, self.walk.task.stay + 1)
        choices: dict[str, tuple[int, dict[str, spaces.Space[Any]]]] = {
            RELATION: (self._num_relations, {"relations": self._ids("relations", self._num_relations)}),
            ENTITY: (num_actions, {"relation": self._ids("relations", 1), "entities": shown["entities"]}),
        }
        self.action_spaces = {agent: spaces.Discrete(size) for agent, (size, _) in choices.items()}
        self.observation_spaces = {
            agent: spaces.Dict(
                {
                    "observation": spaces.Dict({key: shown[key] for key in _SHARED} | fields),
                    "action_mask": spaces.Box(0, 1, (size,), np.int8),
                }
            )
            for agent, (size, fields) in choices.items()
        }

    def _ids(self, key: str, size: int) -> spaces.Box:
        """A space of ``size`` ids like those of a field of the walk."""
        high = self._shown[key].high.max()  # type: ignore[attr-defined]
        return spaces.Box(0, high, (size,), np.int32)

    def observation_space(self, agent: str) -> spaces.Space[Any]:
        """What an agent sees."""
        return self.observation_spaces[agent]

    def action_space(self, agent: str) -> spaces.Space[Any]:
        """What an agent may do."""
        return self.action_spaces[agent]

    def reset(self, seed: int | None = None, options: dict[str, Any] | None = None) -> None:
        """Start a walk.

        Args:
            seed: restarts the generator that draws queries.
            options: ``{"query": row}`` walks that query; others are passed over, for PettingZoo lets callers give any.

        Raises:
            IndexError: the query row is out of range.
            ValueError: the query row is no integer.
        """
        chosen = {"query": options["query"]} if options and "query" in options else None
        observation, info = self.walk.reset(seed=seed, options=chosen)
        self.agents = [*self.possible_agents]
        self._cumulative_rewards = dict.fromkeys(self.agents, 0.0)
        self._tell(observation, 0.0, False, info)

    def step(self, action: int) -> None:
        """The move of the agent whose turn it is; None from one that is done.

        Raises:
            IndexError: the action is not in the walk's action space.
            ValueError: the action is no integer, or there is one though the agent is done.
        """
        agent = self.agent_selection
        if self.terminations[agent]:
            self._was_dead_step(action)
            return
        observation, reward, over, _, info = self.walk.step(action)
        self._cumulative_rewards[agent] = 0.0
        self._tell(observation, reward, over, info)
        self._accumulate_rewards()

    def observe(self, agent: str) -> Observation:
        """What ``agent`` sees now, whoever's turn it is."""
        seen, stay = self._seen, self.walk.task.stay
        its_turn = agent == self._turn
        fields = {key: seen[key].copy() for key in _SHARED}
        size = self._num_relations if agent == RELATION else len(seen["action_mask"])
        relations, entities, mask = (seen[key][:size].copy() for key in ("relations", "entities", "action_mask"))
        if not its_turn:
            relations, entities, mask = np.full_like(relations, stay), np.zeros_like(entities), np.zeros_like(mask)
        if agent == RELATION:
            fields["relations"] = relations
        else:
            fields |= {"relation": relations[:1], "entities": entities}
        return {"observation": fields, "action_mask": mask}

    def render(self) -> Any:
        """See ``KGWalkEnv.render``."""
        return self.walk.render()

    def close(self) -> None:
        """Nothing is left open."""
        self.walk.close()

    def _tell(self, seen: Observation, reward: float, over: bool, info: dict[str, Any]) -> None:
        """What the walk said last, to both agents."""
        self._seen = seen
        self._turn = self.agent_selection = self.possible_agents[int(seen["phase"][0])]
        told = {key: value for key, value in info.items() if key != "action_mask"}
        self.rewards = dict.fromkeys(self.agents, float(reward))
        self.terminations = dict.fromkeys(self.agents, bool(over))
        self.truncations = dict.fromkeys(self.agents, False)
        self.infos = {agent: dict(told) for agent in self.agents}
