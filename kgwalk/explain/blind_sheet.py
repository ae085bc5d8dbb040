"""Blind sheets: pairs of paths for people to judge, without a hint which agent gave which.

After the human evaluation of Lei et al. (2020), section 4.4: facts that both agents predict, each with the two agents'
paths side by side; judges say which explains the fact better.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from kgwalk.data.dataset import Dataset
from kgwalk.evaluation.ranking import filtered_ranks
from kgwalk.explain.explainer import Routes, path_in_words, walks_behind
from kgwalk.explain.words import PathInWords
from kgwalk.files import write_atomically
from kgwalk.protocols import Agent, Ids
from kgwalk.rules.words import relation_words

#: Columns of a sheet; judges fill the last with ``1``, ``2`` or ``draw``.
COLUMNS = ("row", "question", "answer", "path 1", "path 2", "vote")


@dataclass(frozen=True)
class Pair:
    """A row of a sheet.

    Attributes:
        row: Its number, from 1.
        question: ``Ada --born in--> ?``.
        answer: Label of the entity that is true and that both agents put first.
        paths: What stands under ``path 1`` and ``path 2``.
        first: Whose path is ``path 1``: 0 for agent A, 1 for agent B.
    """

    row: int
    question: str
    answer: str
    paths: tuple[str, str]
    first: int

    def cells(self) -> list[str]:
        """What the sheet shows, without the vote."""
        return [str(self.row), self.question, self.answer, *self.paths]


@dataclass(frozen=True)
class Counts:
    """How the pairs came about; facts in the order in which they were drawn.

    Attributes:
        looked_at: Facts that both agents were asked about.
        both_right: Of these, facts whose answer both agents put first.
        no_path: Of these, facts to whose answer an agent kept no path.
        same_path: Of the others, facts to which both agents gave the same path, or paths that read the same.
    """

    looked_at: int
    both_right: int
    no_path: int
    same_path: int


@dataclass(frozen=True)
class BlindSheet:
    """Pairs of paths, and what only the key may tell.

    Attributes:
        agents: Who A and B are, as JSON values: the name, and whatever else the caller knows.
        dataset: Name of the dataset.
        fingerprint: Of the dataset.
        split: Whose facts were drawn.
        seed: Of the drawing.
        counts: How the pairs came about.
        pairs: The rows.
    """

    agents: tuple[dict[str, Any], dict[str, Any]]
    dataset: str
    fingerprint: str
    split: str
    seed: int
    counts: Counts
    pairs: tuple[Pair, ...]

    def save(self, sheet: Path, key: Path) -> None:
        """Write the sheet, CSV in UTF-8, and the key, JSON.

        Raises:
            ValueError: Both are one file.
            FileExistsError: One is there already; it may be filled with votes.
            OSError: A file cannot be written.
        """
        check_places(sheet, key)
        text = io.StringIO()
        writer = csv.writer(text)
        writer.writerow(COLUMNS)
        writer.writerows([*pair.cells(), ""] for pair in self.pairs)
        write_atomically(key, (json.dumps(asdict(self), indent=2, ensure_ascii=False) + "\n").encode())
        write_atomically(sheet, text.getvalue().encode("utf-8-sig"))  # spreadsheet programs ask for the mark

    @classmethod
    def load(cls, key: Path) -> BlindSheet:
        """The sheet that a key belongs to.

        Raises:
            ValueError: The file is no key, or damaged.
            OSError: It cannot be read.
        """
        try:
            told = json.loads(key.read_bytes())
            pairs = tuple(Pair(**{**pair, "paths": tuple(pair["paths"])}) for pair in told["pairs"])
            loaded = cls(
                **{**told, "agents": tuple(told["agents"]), "counts": Counts(**told["counts"]), "pairs": pairs}
            )
            if len(loaded.agents) != 2 or any(not isinstance(agent["name"], str) for agent in loaded.agents):
                raise ValueError("it does not name two agents")
            if any(len(pair.paths) != 2 or pair.first not in (0, 1) for pair in pairs):
                raise ValueError("a row has not two paths")
        except (ValueError, TypeError, KeyError) as error:
            raise ValueError(f"{key} is no key of a blind sheet, or damaged ({error})") from error
        return loaded


def check_places(sheet: Path, key: Path) -> None:
    """Whether sheet and key may be written there; what `BlindSheet.save` raises if not."""
    if sheet.resolve() == key.resolve():
        raise ValueError(f"sheet and key are both {sheet}: whoever judges must not see the key")
    for path in (sheet, key):
        if path.exists():
            raise FileExistsError(f"{path} is there already, perhaps with votes: choose another name, or move it")


def blind_sheet(
    agents: tuple[Agent, Agent],
    dataset: Dataset,
    *,
    queries: int = 100,
    seed: int = 0,
    split: str = "valid",
    batch_size: int = 256,
    about: tuple[dict[str, Any], dict[str, Any]] = ({}, {}),
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> BlindSheet:
    """Draw facts that two agents predict, with the best path of each.

    The facts of a split are drawn in random order, uniformly and without replacement, and both agents are asked
    ``(head, relation, ?)``, until there are enough pairs. A fact is taken if its tail has filtered rank 1 for both
    agents: no other entity that is not known to be an answer scores as high or higher. The path shown is the most
    probable one to it, waiting stripped and equal paths added up. Facts to which both give the same path are left out
    and counted, and so are paths that read the same.

    Args:
        agents: Agents A and B, both of this dataset.
        dataset: Its names, graphs and splits.
        queries: How many pairs to find at most.
        seed: Of the drawing, and of which path stands first.
        split: Whose facts to draw.
        batch_size: Facts asked about at once; changes no result.
        about: More to tell of the agents in the key.
        progress: Called after each batch with the pairs found and wanted.

    Raises:
        ValueError: An agent gives no paths, or not one pair was found.
        KeyError: The dataset has no such split.
    """
    facts = np.unique(dataset.queries(split), axis=0)
    rng = np.random.default_rng(seed)
    order, first = rng.permutation(len(facts)), rng.integers(0, 2, len(facts))
    pairs: list[Pair] = []
    looked_at = both_right = no_path = same_path = 0
    for begin in range(0, len(facts), batch_size):
        drawn = np.ascontiguousarray(facts[order[begin : begin + batch_size]])
        both = zip(*(_best_walks(agent, dataset, drawn, split) for agent in agents), strict=True)
        for fact, walks in zip(drawn.tolist(), both, strict=True):
            looked_at += 1
            if not all(rank == 1 for rank, _ in walks):
                continue
            both_right += 1
            told = [words for _, words in walks if words]
            if len(told) < 2:
                no_path += 1
            elif told[0] == told[1]:
                same_path += 1
            else:
                one = int(first[looked_at - 1])
                question = f"{dataset.label(fact[0])} --{relation_words(dataset.relation_name(fact[1]))}--> ?"
                paths = (told[one], told[1 - one])
                pairs.append(Pair(len(pairs) + 1, question, dataset.label(fact[2]), paths, one))
                if len(pairs) == queries:
                    break
        progress(len(pairs), queries)
        if len(pairs) == queries:
            break
    counts = Counts(looked_at, both_right, no_path, same_path)
    if not pairs:
        raise ValueError(
            f"no pair of paths: of {looked_at:,} facts of {split}, both agents put the answer of {both_right:,} first, "
            f"of which {no_path:,} lack a path and {same_path:,} have the same path twice"
        )
    named = [{"name": agent.name, **more} for agent, more in zip(agents, about, strict=True)]
    return BlindSheet(
        (named[0], named[1]), dataset.name, dataset.fingerprint, split, seed, counts=counts, pairs=tuple(pairs)
    )


def _best_walks(agent: Agent, dataset: Dataset, facts: Ids, split: str) -> Iterator[tuple[float, str]]:
    """For each fact the filtered rank of its tail, and the agent's best walk to it in words, "" if there is none."""
    untold = facts.copy()
    untold[:, 2] = -1
    graph = dataset.graph_for(split)
    ranked = agent.answer(untold, graph)
    paths = walks_behind(agent, ranked, untold, graph)
    if paths is None:
        raise ValueError(f"{agent.name} does not walk: its answers have no paths to compare")
    ranks = filtered_ranks(ranked, facts, dataset.known_for(split))
    routes = Routes(paths)
    for row, (rank, target) in enumerate(zip(ranks.tolist(), facts[:, 2].tolist(), strict=True)):
        best = [path_in_words(*walk, dataset) for walk in routes.to(row, target, 1)]
        yield rank, "".join(str(_readable(path)) for path in best)


def _readable(path: PathInWords) -> PathInWords:
    return replace(path, hops=tuple(replace(hop, relation=relation_words(hop.relation)) for hop in path.hops))
