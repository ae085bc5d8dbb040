"""Bookshop: readers with planted tastes, generated from a seed.

Books have an author, genres, a publisher and often a series. A reader has favourite genres and favourite authors within
them, and reads on in a series once begun; a share of what they read is what everybody reads. So a book is best found by
walking from what someone has read over its author or series, popularity alone does worse, and the walk is the reason.

The last fifth of what everyone read is test. The newest books are read in that fifth only: nothing but what is known of
them leads there.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache
from itertools import pairwise

import numpy as np

from kgwalk._core import TripleReader
from kgwalk.data.person_names import SURNAMES, NameBook
from kgwalk.data.recommendation.book_titles import GENRES, TitleBook
from kgwalk.data.recommendation.catalog import BOOKSHOP
from kgwalk.data.recommendation.dataset import Recommendation, assemble_recommendation
from kgwalk.protocols import Ids

Fact = tuple[str, str, str]

#: What walks follow: to a book by the same author, of the same series, genre or house; the next volume; co-readers.
METAPATHS = (
    "reads written_by ^written_by",
    "reads part_of ^part_of",
    "reads followed_by",
    "reads has_genre ^has_genre",
    "reads published_by ^published_by",
    "reads ^reads reads",
)
_PUBLISHERS = [
    "Anchor",
    "Bramble",
    "Cinder",
    "Dovecote",
    "Ember",
    "Foxglove",
    "Granite",
    "Heron",
    "Inkwell",
    "Juniper",
    "Larkspur",
    "Mulberry",
]
_TEST_SHARE = 0.2
_NEW_SHARE = 0.06


@dataclass(frozen=True)
class Book:
    """A book; names are typed."""

    name: str
    author: str
    publisher: str
    genres: tuple[str, ...]
    series: str = ""
    volume: int = 0


@dataclass
class Shelf:
    """The books, looked up in every way a reader chooses by; the newest ones apart."""

    books: list[Book]
    new: set[str]
    popularity: dict[str, float]
    by: dict[str, list[Book]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for book in self.books:
            for key in (book.author, *book.genres, *([book.series] if book.series else [])):
                self.by.setdefault(key, []).append(book)


@lru_cache(maxsize=4)
def bookshop(seed: int = 0, readers: int = 300, authors: int = 90) -> Recommendation:
    """Generate the Bookshop dataset: the same facts for the same arguments, on every machine.

    Args:
        seed: of books, tastes and the split.
        readers: how many, 20 to 1000.
        authors: how many, 20 to 300; each wrote three to seven books.

    Returns:
        Some thousand facts about books and as many interactions ``(reader, reads, book)``. Split test holds the last
        fifth of what everyone read; valid is carved out of train as for all recommendation sets.

    Raises:
        ValueError: arguments out of range.
    """
    if not 20 <= readers <= 1000 or not 20 <= authors <= 300:
        raise ValueError(f"bookshop: expected 20 to 1000 readers and 20 to 300 authors, got {readers} and {authors}")
    rng = random.Random(seed)
    names = NameBook(rng)
    shelf = stock(rng, names, authors)
    train: list[Fact] = []
    test: list[Fact] = []
    for _ in range(readers):
        reader = f"reader/{_person(rng, names)}"
        chosen = _read(rng, shelf)
        cut = len(chosen) - max(1, round(_TEST_SHARE * len(chosen)))
        train += [(reader, "reads", book.name) for book in chosen[:cut]]
        test += [(reader, "reads", book.name) for book in chosen[cut:]]
    triples = TripleReader()
    rows = {part: _add(triples, facts, seed, part) for part, facts in (("train", train), ("test", test))}
    made = assemble_recommendation(
        BOOKSHOP, triples, _add(triples, facts_of(shelf.books), seed, "books"), rows, METAPATHS
    )
    degree = int(np.diff(made.graph.offsets).max())
    card = replace(
        BOOKSHOP,
        entities=len(made.entities),
        relations=len(made.relations),
        facts=made.graph.num_facts,
        max_out_degree=max(BOOKSHOP.max_out_degree, degree),
    )
    return replace(made, card=card)


def stock(rng: random.Random, names: NameBook, authors: int) -> Shelf:
    """Draw the books."""
    titles = TitleBook(rng)
    houses = {house: rng.sample(GENRES, 4) for house in _PUBLISHERS}
    books: list[Book] = []
    for _ in range(authors):
        author, house = f"author/{_person(rng, names)}", rng.choice(_PUBLISHERS)
        main = rng.choice(houses[house])
        written = rng.randint(3, 7)
        volumes = rng.choice((0, 0, 3, 4, 5))
        series = f"series/{titles.give_series(main)}" if volumes else ""
        for number in range(1, max(written, volumes) + 1):
            # A series stays in its genre; other books stray now and then, or belong to two.
            genre = main if number <= volumes or rng.random() < 0.8 else rng.choice(houses[house])
            second = rng.choice(GENRES) if rng.random() < 0.2 else genre
            books.append(
                Book(
                    name=f"book/{titles.give(genre)}",
                    author=author,
                    publisher=f"publisher/{house} {'Press' if len(house) % 2 else 'Books'}",
                    genres=tuple(f"genre/{one}" for one in dict.fromkeys((genre, second))),
                    series=series if number <= volumes else "",
                    volume=number if number <= volumes else 0,
                )
            )
    popularity = {book.name: 1 / (1 + rng.randrange(len(books))) ** 0.8 for book in books}
    latest = [books[i] for i in range(len(books) - 1) if books[i].author != books[i + 1].author]
    new = {book.name for book in rng.sample(latest, round(_NEW_SHARE * len(books)))}
    return Shelf(books, new, popularity)


def facts_of(books: Sequence[Book]) -> list[Fact]:
    """What is known of the books."""
    facts: list[Fact] = []
    for book in books:
        facts += [(book.name, "written_by", book.author), (book.name, "published_by", book.publisher)]
        facts += [(book.name, "has_genre", genre) for genre in book.genres]
        if book.series:
            facts.append((book.name, "part_of", book.series))
    for one, other in pairwise(books):
        if one.series and one.series == other.series:
            facts.append((one.name, "followed_by", other.name))
    return facts


def _read(rng: random.Random, shelf: Shelf) -> list[Book]:
    """What one reader read, in order."""
    genres = [f"genre/{genre}" for genre in rng.sample(GENRES, 2)]
    liked = [book for genre in genres for book in shelf.by.get(genre, ())] or shelf.books
    authors = {rng.choice(liked).author for _ in range(4)}
    total = rng.randint(10, 26)
    first_test = total - max(1, round(_TEST_SHARE * total))
    chosen: dict[str, Book] = {}
    while len(chosen) < total:
        late = len(chosen) >= first_test
        options = _options(rng, shelf, chosen, sorted(authors), genres)
        open_ = [book for book in options if book.name not in chosen and (late or book.name not in shelf.new)]
        if open_:
            weights = [shelf.popularity[book.name] * (2.0 if book.name in shelf.new else 1.0) for book in open_]
            book = rng.choices(open_, weights)[0]
            chosen[book.name] = book
    return list(chosen.values())


def _options(
    rng: random.Random, shelf: Shelf, chosen: dict[str, Book], authors: list[str], genres: list[str]
) -> Sequence[Book]:
    """The books that a mood of the reader's looks at."""
    mood = rng.random()
    if mood < 0.25 and (begun := [book for book in chosen.values() if book.series]):
        last = rng.choice(begun)
        return [book for book in shelf.by[last.series] if book.volume == last.volume + 1]
    if mood < 0.6:
        return shelf.by[rng.choice(authors)]
    if mood < 0.85:
        return shelf.by.get(rng.choice(genres), ())
    return shelf.books


def _person(rng: random.Random, names: NameBook) -> str:
    return names.give(rng.choice(SURNAMES), woman=rng.random() < 0.5)


def _add(triples: TripleReader, facts: Sequence[Fact], seed: int, part: str) -> Ids:
    return triples.add("".join("\t".join(fact) + "\n" for fact in facts).encode(), f"bookshop (seed {seed}), {part}")
