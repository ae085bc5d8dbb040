"""Sentences for walks from a user to an item, and names for metapaths, where there is no template."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from kgwalk.data.recommendation.dataset import Recommendation
from kgwalk.data.recommendation.metapaths import Metapath
from kgwalk.recommend.phrases import RAISED, also, auxiliary, phrase_of, plural, step_words


def default_sentence(dataset: Recommendation, metapath: Metapath, names: Sequence[str]) -> str:
    """What a walk says, clause by clause.

    Args:
        dataset: Whose relations it follows.
        metapath: Relations hop by hop, the first that of interactions.
        names: What to call each entity, the user first.
    """
    text = f"{names[0]} {step_words(dataset, metapath[0])} {names[1]}"
    for begin, segment in _segments(dataset, metapath):
        # Right behind the first item "it" can mean nothing else.
        it = "it" if begin == 1 else names[begin]
        text += _clause(dataset, segment, it, names[begin + 1 : begin + 1 + len(segment)])
    return f"{text}."


def default_words(dataset: Recommendation, metapath: Metapath) -> str:
    """A name for a metapath, as short as may be."""
    segments = [segment for _, segment in _segments(dataset, metapath)]
    if len(segments) == 1:
        return _segment_words(dataset, segments[0])
    # Further on there is nothing that "it" could mean.
    bare = (_bare(step_words(dataset, one[0])) if len(one) == 1 else _segment_words(dataset, one) for one in segments)
    return ", then ".join(bare)


def _segments(dataset: Recommendation, metapath: Metapath) -> Iterator[tuple[int, Metapath]]:
    """The hops after the first, those apart that lead out and back along one relation; each with its place."""
    place = 1
    while place < len(metapath):
        there_and_back = metapath[place : place + 2]
        shared = len(there_and_back) == 2 and there_and_back[1] == dataset.graph.inverse(there_and_back[0])
        yield place, there_and_back if shared else there_and_back[:1]
        place += 2 if shared else 1


def _clause(dataset: Recommendation, segment: Metapath, it: str, names: Sequence[str]) -> str:
    count = dataset.graph.num_relations
    relation, inverted = segment[0] % count, segment[0] >= count
    phrase, step = phrase_of(dataset, relation), step_words(dataset, segment[0])
    if len(segment) == 2:
        between, end = names
        if relation == dataset.interact and inverted:
            return f", and {between}, who {phrase.verb} {it} too, {also(phrase.verb)} {end}"
        if phrase.noun and not inverted:
            return f"; {end} has the same {phrase.noun}, {between}"
        if inverted and step.endswith(RAISED):
            return f"; {between} {phrase.verb} both {it} and {end}"
        return f"; {it} {step} {between}, and so {auxiliary(step)} {end}"
    (end,) = names
    if phrase.noun and _joins_items(dataset, relation):
        return f"; {end} goes with {it} ({phrase.noun})"
    if inverted and step.endswith(RAISED):
        return f"; {end} {phrase.verb} {it}"
    return f"; {it} {step} {end}"


def _segment_words(dataset: Recommendation, segment: Metapath) -> str:
    count = dataset.graph.num_relations
    relation, inverted = segment[0] % count, segment[0] >= count
    phrase, step = phrase_of(dataset, relation), step_words(dataset, segment[0])
    item = dataset.items.name.replace("_", " ")
    if len(segment) == 2:
        if relation == dataset.interact:
            return f"other {plural(dataset.users.name)} of the same {plural(item)}"
        if phrase.noun and not inverted:
            return f"the same {phrase.noun}"
        return f"{_bare(step)} the same {_between(dataset, segment[0])}"
    if phrase.noun and _joins_items(dataset, relation):
        return f"what goes with it ({phrase.noun})"
    return f"what it {step}" if not step.endswith(RAISED) else f"what {phrase.verb} it"


def kind_reached(dataset: Recommendation, relation: int) -> str:
    """What to call the entities that a step leads to, in the plural: by what they are to its head, or by their type."""
    count = dataset.graph.num_relations
    kinds = {dataset.types[s.tail].name for s in dataset.signatures if s.relation == relation}
    if dataset.items.name in kinds:
        return plural(dataset.items.name)
    noun = phrase_of(dataset, relation).noun if relation < count else ""
    return plural(noun or min(kinds, default="entity"))


def _between(dataset: Recommendation, relation: int) -> str:
    """What two items share, in the singular."""
    kinds = {dataset.types[s.tail].name for s in dataset.signatures if s.relation == relation}
    return min(kinds, default="entity").replace("_", " ")


def _joins_items(dataset: Recommendation, relation: int) -> bool:
    """Whether a forward relation leads from items to items."""
    kind = dataset.types.index(dataset.items)
    return any(s.relation == relation and s.head == kind == s.tail for s in dataset.signatures)


def _bare(verb: str) -> str:
    """A verb that stands without its subject: "is written by" becomes "written by"."""
    return verb.removeprefix("is ").removeprefix("was ")
