"""Relations in plain words, for sentences and pictures: what the tables say, or else what a name lets one guess."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from kgwalk.data.recommendation.dataset import Recommendation
from kgwalk.data.recommendation.importing import INTERACT
from kgwalk.rules.words import relation_words


@dataclass(frozen=True)
class Phrase:
    """How to speak of a relation.

    Attributes:
        noun: What a tail is to its head: "author". Empty if there is no such word.
        verb: What stands between head and tail: "is written by".
        inverse: What stands between tail and head: "wrote"; the relation and `RAISED` if there is no such verb.
    """

    noun: str = ""
    verb: str = ""
    inverse: str = ""


#: Ends what stands for a step against a relation that no verb is known for, as in other pictures.
RAISED = "\u207b\u00b9"

_OFTEN = {
    "also_bought": Phrase(verb="is often bought with", inverse="is often bought with"),
    "also_viewed": Phrase(verb="is often viewed with", inverse="is often viewed with"),
    "bought_together": Phrase(verb="is often sold with", inverse="is often sold with"),
    "produced_by": Phrase("brand", "is made by", "makes"),
    "belongs_to": Phrase("category", "belongs to", "includes"),
}
_SERIES = "book.literary_series.works_in_this_series"

#: By dataset and relation, where the name alone does not tell.
PHRASES: Mapping[str, Mapping[str, Phrase]] = {
    "Bookshop": {
        "written_by": Phrase("author", "is written by", "wrote"),
        "published_by": Phrase("publisher", "is published by", "published"),
        "has_genre": Phrase("genre", "is in the genre", "is the genre of"),
        "part_of": Phrase("series", "belongs to the series", "includes"),
        "followed_by": Phrase(verb="is followed by", inverse="follows"),
    },
    "Amazon-Beauty": _OFTEN,
    "Amazon-Cellphones": _OFTEN,
    "Book-Crossing": {
        "relation_0": Phrase("book", "wrote", "is written by"),
        "book.written_work.literary_series": Phrase("series", "belongs to the series", "includes"),
        _SERIES: Phrase("book", "includes", "belongs to the series"),
    },
}
#: Relations from users to items, head to tail and tail to head, in every dataset.
INTERACTIONS: Mapping[str, tuple[str, str]] = {
    INTERACT: ("has chosen", "was chosen by"),
    "reads": ("has read", "was read by"),
    "listens": ("has listened to", "was heard by"),
    "likes": ("likes", "is liked by"),
    "purchase": ("has bought", "was bought by"),
}
_PREPOSITIONS = frozenset(("at", "by", "for", "from", "in", "of", "on", "to", "with"))
_AUXILIARIES = frozenset(("are", "has", "is", "was"))


def phrase_of(dataset: Recommendation, relation: int) -> Phrase:
    """How to speak of a forward relation of a dataset; ``verb`` is never empty, nor is one of ``noun`` and ``inverse``.

    What is not in `PHRASES` is guessed: ``part_of`` is a verb ("is part of"), ``has_genre`` and ``film.film.director``
    are nouns.
    """
    name = dataset.relations[relation]
    if relation == dataset.interact:
        verb, inverse = INTERACTIONS.get(name, (relation_words(name), relation_words(name) + RAISED))
        return Phrase("", verb, inverse)
    told = PHRASES.get(dataset.name, {}).get(name)
    return told or _guessed(relation_words(name.rsplit(".", 1)[-1]))


def _guessed(words: str) -> Phrase:
    first, *rest = words.split()
    if rest and rest[-1] in _PREPOSITIONS:
        verb = words if first in _AUXILIARIES or first.endswith("s") else f"is {words}"
        return Phrase("", verb, words + RAISED)
    noun = " ".join(rest) if first == "has" and rest else words
    return Phrase(noun, f"has the {noun}", f"is the {noun} of")


def step_words(dataset: Recommendation, relation: int) -> str:
    """What stands between the two ends of a step, walked in either direction."""
    count = dataset.graph.num_relations
    phrase = phrase_of(dataset, relation % count)
    return phrase.verb if relation < count else phrase.inverse


def plural(noun: str) -> str:
    """Of an English noun, as far as rules go.

    >>> plural("category"), plural("series"), plural("book"), plural("place of birth")
    ('categories', 'series', 'books', 'places of birth')
    """
    words = noun.replace("_", " ")
    head, of, rest = words.partition(" of ")
    if of:
        return f"{plural(head)} of {rest}"
    if words.endswith(("s", "x", "ch", "sh")):
        return words if words.endswith("s") else f"{words}es"
    if words.endswith("y") and words[-2:-1] not in tuple("aeiou"):
        return f"{words[:-1]}ies"
    return f"{words}s"


def counted(number: int, noun: str) -> str:
    """A number with its noun: "1 book", "2 books"."""
    return f"{number:,} {noun.replace('_', ' ') if number == 1 else plural(noun)}"


def auxiliary(verb: str) -> str:
    """What stands for a verb after "and so": "is written by" gives "is", "belongs to" gives "does"."""
    first = verb.split()[0]
    return first if first in _AUXILIARIES else "does"


def also(verb: str) -> str:
    """A verb with "also" where it belongs."""
    first, _, rest = verb.partition(" ")
    return f"{first} also {rest}" if first in _AUXILIARIES and rest else f"also {verb}"
