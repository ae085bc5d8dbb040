"""What an explanation consists of, with names instead of ids: as text and as JSON."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True)
class Hop:
    """One move of a path.

    Attributes:
        relation: Name of the forward relation.
        inverse: Whether it was followed from tail to head.
        entity: Name of the entity reached.
        label: Its readable name.
    """

    relation: str
    inverse: bool
    entity: str
    label: str


@dataclass(frozen=True)
class PathInWords:
    """A path with names, waiting stripped.

    Attributes:
        source: Label of the entity it starts at.
        hops: Its moves.
        log_prob: Log of the summed probability of all action sequences that follow it.
        rules: The most confident rules that it is an instance of, best first; empty for agents that have none.
    """

    source: str
    hops: tuple[Hop, ...]
    log_prob: float
    rules: tuple[RuleInWords, ...] = ()

    def __str__(self) -> str:
        """``Ada --parent--> Tom <--sister-- Ann``: arrows point from head to tail, whichever way was walked."""
        if not self.hops:
            return f"{self.source} (stays)"
        words = [self.source]
        for hop in self.hops:
            words.append(f"<--{hop.relation}--" if hop.inverse else f"--{hop.relation}-->")
            words.append(hop.label)
        return " ".join(words)

    def to_json(self) -> dict[str, Any]:
        """Plain JSON values."""
        return {
            "text": str(self),
            "probability": math.exp(self.log_prob),
            "hops": [asdict(hop) for hop in self.hops],
            "rules": [rule.numbers_to_json() for rule in self.rules],
        }


@dataclass(frozen=True)
class RuleInWords:
    """A rule that gave an answer, or that a path is an instance of.

    Attributes:
        words: The rule in words.
        text: The same as AnyBURL writes it.
        confidence: What the agent takes its conclusion to be worth, in [0, 1].
        support: How often it was right when it was mined; 0 if that is not known.
        predictions: How often it said something then.
        groundings: Some of the walks that make its body true; empty beside a path, which is one itself.
    """

    words: str
    text: str
    confidence: float
    support: int
    predictions: int
    groundings: tuple[PathInWords, ...] = ()

    def numbers_to_json(self) -> dict[str, Any]:
        """Plain JSON values, without the groundings."""
        return {
            "words": self.words,
            "text": self.text,
            "confidence": self.confidence,
            "support": self.support,
            "predictions": self.predictions,
        }

    def to_json(self) -> dict[str, Any]:
        """Plain JSON values."""
        grounds = [{"text": str(path), "hops": [asdict(hop) for hop in path.hops]} for path in self.groundings]
        return {**self.numbers_to_json(), "groundings": grounds}


@dataclass(frozen=True)
class Answer:
    """An answer to a query.

    Attributes:
        rank: Place in the list, from 1.
        entity: Its name.
        label: Its readable name.
        score: The agent's score; for those that rank by walks alone the log of the probability to arrive there.
        known: Whether the walked graph holds the answer already, so that it is no prediction.
        paths: The most probable paths to it, best first; empty for agents that walk none.
        rules: The most confident rules that give it, best first; empty for agents that have none.
    """

    rank: int
    entity: str
    label: str
    score: float
    known: bool
    paths: tuple[PathInWords, ...]
    rules: tuple[RuleInWords, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """Plain JSON values."""
        return {
            "rank": self.rank,
            "entity": self.entity,
            "label": self.label,
            "score": self.score if math.isfinite(self.score) else None,
            "known": self.known,
            "paths": [path.to_json() for path in self.paths],
            "rules": [rule.to_json() for rule in self.rules],
        }


@dataclass(frozen=True)
class Explanation:
    """The answers to one query.

    Attributes:
        source: Name of the entity asked about.
        label: Its readable name.
        relation: The relation asked for; ``^name`` is the inverse of ``name``.
        answers: Best first.
    """

    source: str
    label: str
    relation: str
    answers: tuple[Answer, ...]

    def __str__(self) -> str:
        """The question, then answers and, indented, paths with probabilities and rules with confidence and walks.

        A rule that a path is an instance of stands below it.
        """
        lines = [f"{self.label}, {self.relation}: ?"]
        if not self.answers:
            lines.append("  no answer was reached")
        for answer in self.answers:
            known = "  (a fact of the graph)" if answer.known else ""
            lines.append(f"  {answer.rank}. {answer.label}  score {answer.score:.3f}{known}")
            for path in answer.paths:
                lines.append(f"       {math.exp(path.log_prob):.3f}  {path}")
                lines += [f"              by rule {rule.confidence:.3f}  {rule.words}" for rule in path.rules]
            for rule in answer.rules:
                lines.append(f"       {rule.confidence:.3f}  {rule.words}")
                lines += [f"                {path}" for path in rule.groundings if path.hops]
        return "\n".join(lines)

    def to_json(self) -> dict[str, Any]:
        """Plain JSON values."""
        return {
            "query": {"source": self.source, "label": self.label, "relation": self.relation},
            "answers": [answer.to_json() for answer in self.answers],
        }
