"""Family: a village's genealogy, generated from a seed, with planted rules.

Parents, spouses, brothers and sisters are drawn; every other relation follows from them by `RULES`, each of which holds
without exception (confidence exactly 1 over all facts) and is a walk of at most three hops over facts that are never
held out. So every held-out fact can be reached and explained, and an agent's exact best answer is known.

A fact reads from its head: ``(Ada Brook, mother, Jane Marsh)`` says that Ada's mother is Jane.
"""

from __future__ import annotations

import random
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np

from kgwalk._core import TripleReader
from kgwalk.data.assemble import assemble
from kgwalk.data.catalog import FAMILY
from kgwalk.data.dataset import INVERSE, Dataset
from kgwalk.data.person_names import SURNAMES, NameBook

Fact = tuple[str, str, str]

#: Relations that are drawn. All their facts are in the walking graph.
BASE = ("mother", "father", "spouse", "sister", "brother")


@dataclass(frozen=True)
class PlantedRule:
    """``head(X, Y)`` holds for exactly those pairs that some rule's body joins.

    Attributes:
        head: the composed relation.
        body: relations of the walk from X to Y, ``^`` marks a step against the arrow.
        confidence: share of the body's pairs for which the head is a fact, over all facts.
    """

    head: str
    body: tuple[str, ...]
    confidence: float = 1.0

    def __str__(self) -> str:
        return f"{self.head}(X, Y) <- " + ", ".join(self.body)


def _through_parents(head: str, *last: str) -> list[PlantedRule]:
    return [PlantedRule(head, (parent, *last)) for parent in ("mother", "father")]


RULES: tuple[PlantedRule, ...] = (
    PlantedRule("sibling", ("sister",)),
    PlantedRule("sibling", ("brother",)),
    *_through_parents("grandmother", "mother"),
    *_through_parents("grandfather", "father"),
    *_through_parents("great_grandmother", "mother", "mother"),
    *_through_parents("great_grandmother", "father", "mother"),
    *_through_parents("great_grandfather", "mother", "father"),
    *_through_parents("great_grandfather", "father", "father"),
    *_through_parents("aunt", "sister"),
    *_through_parents("uncle", "brother"),
    *_through_parents("cousin", "sister", INVERSE + "mother"),
    *_through_parents("cousin", "brother", INVERSE + "father"),
    PlantedRule("mother_in_law", ("spouse", "mother")),
    PlantedRule("father_in_law", ("spouse", "father")),
)

#: Relations that follow by the rules; valid and test hold facts of these only.
COMPOSED = tuple(dict.fromkeys(rule.head for rule in RULES))

#: Composed relations that hold both ways: a fact and its mirror image are held out together.
SYMMETRIC = ("sibling", "cousin")


@dataclass(frozen=True)
class Person:
    """Someone of the village; founders have no parents."""

    name: str
    woman: bool
    mother: Person | None = None
    father: Person | None = None


@lru_cache(maxsize=4)
def family(seed: int = 0, founders: int = 24, generations: int = 5) -> Dataset:
    """Generate the Family dataset: the same facts for the same arguments, on every machine.

    Args:
        seed: of the genealogy and of the split.
        founders: couples of the first generation, 2 to 40.
        generations: how many, 4 to 8 (great-grandparents need four).

    Returns:
        A few hundred people and a few thousand facts. Train, which is also the walking graph, holds every base fact and
        four fifths of the composed ones; valid and test hold a tenth each.

    Raises:
        ValueError: arguments out of range.
    """
    if not 2 <= founders <= len(SURNAMES) or not 4 <= generations <= 8:
        raise ValueError(
            f"family: expected 2 to {len(SURNAMES)} founders and 4 to 8 generations, got {founders} and {generations}"
        )
    rng = random.Random(seed)
    base = draw_base_facts(rng, founders, generations)
    composed = compose(base)
    train, valid, test = _split(rng, composed)
    reader = TripleReader()
    rows = {
        split: reader.add("".join("\t".join(fact) + "\n" for fact in facts).encode(), f"family (seed {seed}), {split}")
        for split, facts in (("train", [*base, *train]), ("valid", valid), ("test", test))
    }
    dataset = assemble(FAMILY, reader, rows["train"], rows)
    degree = int(np.diff(dataset.graph.offsets).max())
    card = replace(
        FAMILY,
        entities=len(dataset.entities),
        relations=len(dataset.relations),
        facts=dataset.graph.num_facts,
        max_out_degree=max(FAMILY.max_out_degree, degree),
    )
    return replace(dataset, card=card)


def draw_base_facts(rng: random.Random, founders: int, generations: int) -> list[Fact]:
    """The genealogy: facts of the relations in `BASE`, each once.

    Nobody marries twice or someone with whom they share a grandparent; children bear their father's surname.
    """
    names = NameBook(rng)
    surnames = rng.sample(SURNAMES, founders)
    wives = [Person(names.give(rng.choice(SURNAMES), woman=True), True) for _ in surnames]
    couples = [
        (wife, Person(names.give(surname, woman=False), False)) for wife, surname in zip(wives, surnames, strict=True)
    ]
    facts: list[Fact] = []
    for generation in range(generations):
        children: list[Person] = []
        for wife, husband in couples:
            facts += [(wife.name, "spouse", husband.name), (husband.name, "spouse", wife.name)]
            if generation < generations - 1:
                siblings = _children(rng, names, wife, husband)
                children += siblings
                facts += _sibling_facts(siblings)
        for child in children:
            assert child.mother is not None
            assert child.father is not None
            facts += [(child.name, "mother", child.mother.name), (child.name, "father", child.father.name)]
        couples = _marry(rng, children)
    return facts


def compose(base: Iterable[Fact]) -> list[Fact]:
    """All facts that follow from the base facts by `RULES`, each once, by relation and then by head."""
    step: dict[tuple[str, str], list[str]] = {}
    for head, relation, tail in base:
        step.setdefault((head, relation), []).append(tail)
        step.setdefault((tail, INVERSE + relation), []).append(head)
    people = list(dict.fromkeys(head for head, _ in step))
    facts: dict[Fact, None] = {}
    for relation in COMPOSED:
        for person in people:
            for rule in RULES:
                if rule.head == relation:
                    facts.update(((person, relation, end), None) for end in _walk(step, person, rule.body))
    return list(facts)


def _walk(step: Mapping[tuple[str, str], list[str]], start: str, body: tuple[str, ...]) -> list[str]:
    ends = [start]
    for relation in body:
        ends = list(dict.fromkeys(tail for at in ends for tail in step.get((at, relation), ())))
    return ends


def _split(rng: random.Random, composed: list[Fact]) -> tuple[list[Fact], list[Fact], list[Fact]]:
    """Four fifths, a tenth and a tenth of every relation; mirror images stay together."""
    parts: tuple[list[Fact], list[Fact], list[Fact]] = ([], [], [])
    for relation in COMPOSED:
        units: dict[Fact, list[Fact]] = {}
        for head, _, tail in (fact for fact in composed if fact[1] == relation):
            pair = (min(head, tail), max(head, tail)) if relation in SYMMETRIC else (head, tail)
            units.setdefault((pair[0], relation, pair[1]), []).append((head, relation, tail))
        shuffled = list(units.values())
        rng.shuffle(shuffled)
        tenth = len(shuffled) // 10
        for part, chosen in zip(
            parts, (shuffled[2 * tenth :], shuffled[:tenth], shuffled[tenth : 2 * tenth]), strict=True
        ):
            part += [fact for unit in chosen for fact in unit]
    return parts


def _children(rng: random.Random, names: NameBook, mother: Person, father: Person) -> list[Person]:
    surname = father.name.split()[-1]
    children = []
    for _ in range(rng.choice((1, 2, 2, 3, 3))):
        woman = rng.random() < 0.5
        children.append(Person(names.give(surname, woman=woman), woman, mother, father))
    return children


def _sibling_facts(siblings: list[Person]) -> list[Fact]:
    return [
        (one.name, "sister" if other.woman else "brother", other.name)
        for one in siblings
        for other in siblings
        if one is not other
    ]


def _marry(rng: random.Random, people: list[Person]) -> list[tuple[Person, Person]]:
    """Couples (wife, husband) of people who share no grandparent; some stay single."""
    women = [person for person in people if person.woman]
    men = [person for person in people if not person.woman]
    rng.shuffle(women)
    rng.shuffle(men)
    couples = []
    for woman in women:
        kin = _grandparents(woman)
        husband = next((man for man in men if not kin & _grandparents(man)), None)
        if husband is not None:
            men.remove(husband)
            couples.append((woman, husband))
    return couples


def _grandparents(person: Person) -> set[str]:
    """Names of parents and grandparents."""
    parents = [parent for parent in (person.mother, person.father) if parent is not None]
    older = [elder for parent in parents for elder in (parent.mother, parent.father) if elder is not None]
    return {relative.name for relative in (*parents, *older)}
