"""A reward for walks whose relations are the body of a trusted rule."""

from __future__ import annotations

import os
from collections.abc import Mapping
from numbers import Real
from pathlib import Path
from typing import Any
from weakref import WeakKeyDictionary

import numpy as np
from numpy.typing import NDArray

from kgwalk._core import RuleSet
from kgwalk.data.dataset import Dataset
from kgwalk.protocols import FinishedWalks, Ids
from kgwalk.rules.confidence import SMOOTHING
from kgwalk.rules.text import read_rules
from kgwalk.rules.trie import RuleTrie

#: RuleGuider's (Lei et al., EMNLP 2020, "Hyperparameters"): less confident rules are not rewarded.
THRESHOLD = 0.15

_SETTINGS = ("file", "threshold", "smoothing")
_EXPECTED = "the path of a rule file, {'file': path, 'threshold': ..., 'smoothing': ...}, a RuleSet or a RuleReward"

# Rewards by dataset, shared by its environments: a file of rules is read once, whatever the number of environments.
_shared: WeakKeyDictionary[Dataset, dict[tuple[Any, ...], RuleReward]] = WeakKeyDictionary()


class RuleReward:
    """The confidence of the rule that a finished walk followed; 0 if it followed none.

    What counts is the walk's relations without STAY, wherever the walker waited, and the relation of its query: a
    cyclic rule ``h(X, Y) <- b1, ..., bn`` pays for the walk ``b1, ..., bn`` in answer to ``(X, h, ?)``, and for the
    walk back in answer to ``(Y, inverse of h, ?)``. It pays whether or not the walk hit its target: a trusted path to
    another entity is worth learning ("rule guidance reward" of RuleGuider, Lei et al., EMNLP 2020).

    Attributes:
        trie: the rules that pay.
    """

    name = "rules"

    def __init__(
        self, rules: RuleSet, num_relations: int, *, threshold: float = THRESHOLD, smoothing: float = SMOOTHING
    ) -> None:
        """Choose the rules that pay.

        Args:
            rules: in the vocabulary of the environment's graph.
            num_relations: R, of that graph.
            threshold: least confidence that pays.
            smoothing: a rule's confidence is ``support / (predictions + smoothing)``; a rule without counts
                (``predictions`` 0) has its raw confidence.

        Raises:
            ValueError: a threshold outside [0, 1], or a smoothing below 0.
            IndexError: a rule has a relation that the graph has not.
        """
        self.trie = RuleTrie(rules, num_relations, smoothing=smoothing, threshold=threshold)

    @classmethod
    def make(cls, dataset: Dataset, option: Any) -> RuleReward:
        """The term for an environment over ``dataset``.

        Args:
            dataset: whose vocabulary the rules are in.
            option: the environments' argument ``rules=``: path of a rule file; a mapping of ``"file"`` and, if they
                are not the defaults, ``"threshold"`` and ``"smoothing"``; a ``RuleSet``; a ``RuleReward``.

        Raises:
            ValueError: no option, or one of another kind; a RuleReward for another number of relations; a setting
                out of range; a file that is none of rules.
            OSError: the file cannot be read.
        """
        relations = len(dataset.relations)
        if isinstance(option, RuleReward):
            if option.trie.num_relations != relations:
                raise ValueError(
                    f"the reward term 'rules' got a RuleReward for {option.trie.num_relations} relations, "
                    f"but {dataset.name} has {relations}"
                )
            return option
        if isinstance(option, RuleSet):
            return cls(option, relations)
        settings = dict(option) if isinstance(option, Mapping) else {"file": option}
        file = settings.pop("file", None)
        unknown = [name for name in settings if name not in _SETTINGS]
        if unknown or not isinstance(file, (str, os.PathLike)):
            got = "none" if option is None else repr(option)
            raise ValueError(f"the reward term 'rules' asks for rules=: expected {_EXPECTED}; got {got}")
        for name, value in settings.items():
            if not isinstance(value, Real):
                raise ValueError(f"the reward term 'rules': {name} must be a number, got {value!r}")
        path = Path(file).resolve()
        stat = path.stat()
        shared = _shared.setdefault(dataset, {})
        key = (path, stat.st_mtime_ns, stat.st_size, *sorted(settings.items()))
        if key not in shared:
            shared[key] = cls(read_rules(path, dataset), relations, **settings)
        return shared[key]

    def __call__(self, walks: FinishedWalks, queries: Ids) -> NDArray[np.float64]:
        """Reward of each finished walk, (k,) in [0, 1]."""
        return self.trie.confidence(self.trie.follow(queries[:, 1], walks.relations))
