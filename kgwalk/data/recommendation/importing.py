"""One's own users, items and what is known of them as a recommendation set."""

from __future__ import annotations

import gzip
import hashlib
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from kgwalk._core import FormatError, TripleReader
from kgwalk.data.card_json import CARD_FILE, card_to_json
from kgwalk.data.cards import Card, DataFile
from kgwalk.data.importing import check_replaceable, write_folder
from kgwalk.data.recommendation.columns import Cell, Table, divided, one_value, read_table
from kgwalk.data.recommendation.dataset import VALID_FROM, Recommendation, assemble_recommendation
from kgwalk.data.split import Shares, split_interactions
from kgwalk.data.tables import add_file
from kgwalk.protocols import Ids

#: The relation from users to items; no fact and no attribute may be called so.
INTERACT = "interact"
USER, ITEM, ENTITY = "user", "item", "entity"
NAMES_FILE = "entity_names.tsv"
USER_TITLES = ("user", "user_id", "userid", "uid", "customer", "customer_id", "reader", "listener")
ITEM_TITLES = ("item", "item_id", "itemid", "iid", "product", "product_id", "movie", "movie_id", "movieid", "id")
RATING_TITLES = ("rating", "score", "stars", "weight")

Fact = tuple[str, str, str]
Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class ImportedInteractions:
    """What `import_interactions` made.

    Attributes:
        folder: load it with ``kgwalk.data.load(folder)``.
        card: as written to its ``card.json``.
        rows: interactions by split; without a valid split of its own, the one that loading carves out of train.
        users: how many.
        items: how many.
        duplicates: rows that repeated an earlier interaction or fact, dropped before the split.
        below: interactions under the least rating, dropped.
        without_facts: items of which nothing is known but who has them.
        cold: items without a training interaction; only facts lead to them.
    """

    folder: Path
    card: Card
    rows: dict[str, int]
    users: int
    items: int
    duplicates: int
    below: int
    without_facts: int
    cold: int


def import_interactions(
    interactions: str | Path,
    out: str | Path,
    *,
    facts: Sequence[str | Path] = (),
    attributes: Sequence[str | Path] = (),
    user_column: str | None = None,
    item_column: str | None = None,
    rating_column: str | None = None,
    min_rating: float | None = None,
    title_column: str | None = None,
    separator: str = "|",
    split: str = "80/0/20",
    seed: int = 0,
    name: str | None = None,
    delimiter: str | None = None,
    overwrite: bool = False,
    progress: Progress | None = None,
) -> ImportedInteractions:
    """Make a dataset folder of interactions and of what is known of the items, whole or not at all.

    Users become ``user/<id>``, items ``item/<id>``, the value of an attribute ``<column>/<value>``, and every other
    name in a fact ``entity/<name>``; ``entity_names.tsv`` keeps each with the id or text it came from. An interaction
    is the relation ``interact``. Equal rows are merged before the split, so no held-out interaction is a training one;
    one interaction of everyone stays in train. The same files and seed give the same folder, byte for byte.

    Args:
        interactions: a table with a column of users and one of items, see `columns.read_table`.
        out: the folder to make.
        facts: files of triples, see `kgwalk.data.tables.add_file`; a name that is an item's id is that item.
        attributes: tables with a column of items; every other column is a relation from the item to its values.
        user_column: title of the column of users, if it is none of `USER_TITLES`.
        item_column: likewise of items, `ITEM_TITLES`, in all tables.
        rating_column: likewise of ratings, `RATING_TITLES`; asked for with ``min_rating`` only.
        min_rating: interactions of a lower rating are no interest and are left out.
        title_column: of the attributes: a readable name of the item, which is shown and is no fact.
        separator: of several values in one cell of an attribute; ids and titles are never divided.
        split: percent of train/valid/test, of the interactions; with valid 0, loading carves one of everyone who has
            `VALID_FROM` or more out of train, as for the benchmarks.
        seed: of the split.
        name: of the dataset; the folder's name if None.
        delimiter: of text files whose name does not say it.
        overwrite: replace ``out`` if it is a dataset folder; nothing else is ever deleted.
        progress: called with (files read, files).

    Raises:
        FileExistsError: ``out`` exists and is not to be overwritten, or is no dataset folder.
        MissingDataError, DamagedFileError, FormatError: a file cannot be used.
        ValueError: bad split or seed, nothing known of the items, or too few interactions.
    """
    shares = Shares.parse(split)
    folder = Path(out)
    if seed < 0:
        raise ValueError(f"seed is {seed}; expected 0 or more")
    if not facts and not attributes:
        raise ValueError("import: expected facts or attributes beside interactions: walks need something to follow")
    if min_rating is not None and not math.isfinite(min_rating):
        raise ValueError(f"min_rating is {min_rating}; expected a number")
    if folder.exists():
        check_replaceable(folder, overwrite)
    step = _Steps(1 + len(attributes) + len(facts), progress)
    table = read_table(Path(interactions), delimiter)
    pairs, below = _pairs(table, user_column, item_column, rating_column, min_rating)
    step.done()
    labels: dict[str, str] = {}
    originals = {f"{USER}/{user}": user for user, _ in pairs} | {f"{ITEM}/{item}": item for _, item in pairs}
    known: list[Fact] = []
    for file in attributes:
        table = read_table(Path(file), delimiter)
        known += _attributes(table, item_column, title_column, separator, originals, labels)
        step.done()
    for file in facts:
        known += _triples(Path(file), delimiter, originals)
        step.done()
    if not known:
        raise ValueError("import: the facts and attributes are all empty: walks need something to follow")
    distinct_pairs, distinct_facts = list(dict.fromkeys(pairs)), list(dict.fromkeys(known))
    users = {user: i for i, user in enumerate(dict.fromkeys(user for user, _ in distinct_pairs))}
    owner = np.array([users[user] for user, _ in distinct_pairs])
    sides = split_interactions(owner, shares, seed)
    queries = [(f"{USER}/{user}", INTERACT, f"{ITEM}/{item}") for user, item in distinct_pairs]
    texts = {f"{side}.txt": _text([queries[i] for i in rows]) for side, rows in sides.items()}
    texts["kg.txt"] = _text(distinct_facts)
    texts[NAMES_FILE] = "".join(
        f"{typed}\t{labels.get(typed) or (typed if original.isdigit() else original)}\t{original}\n"
        for typed, original in originals.items()
    ).encode()
    card = Card(
        name=name or folder.resolve().name,
        folder=folder.resolve().name,
        title=f"Imported from {', '.join(Path(file).name for file in (interactions, *attributes, *facts))}",
        description=f"Interactions split {split}, seed {seed}.",
        files=tuple(
            DataFile(file, text.count(b"\n"), hashlib.sha256(text).hexdigest()) for file, text in texts.items()
        ),
        graph="kg.txt",
        splits=tuple((side, f"{side}.txt") for side in sides),
        names=(NAMES_FILE, 1),
        interaction=INTERACT,
        user_type=USER,
        item_type=ITEM,
    )
    made = _assembled(card, texts)
    card = replace(
        card,
        entities=len(made.entities),
        relations=len(made.relations),
        facts=made.graph.num_facts,
        max_out_degree=min(256, int(np.diff(made.graph.offsets).max())),
    )
    result = ImportedInteractions(
        folder=folder,
        card=card,
        rows={side: len(rows) for side, rows in made.splits.items()},
        users=len(made.users),
        items=len(made.items),
        duplicates=len(pairs) - len(distinct_pairs) + len(known) - len(distinct_facts),
        below=below,
        without_facts=_count_without(made, interact=False),
        cold=_count_without(made, interact=True),
    )
    contents = {f"{file}.gz": gzip.compress(text, 9, mtime=0) for file, text in texts.items()}
    contents[CARD_FILE] = card_to_json(card).encode()
    contents["README.md"] = _readme(result).encode()
    write_folder(folder, contents)
    return result


class _Steps:
    def __init__(self, total: int, progress: Progress | None) -> None:
        self._made, self._total, self._progress = 0, total, progress

    def done(self) -> None:
        self._made += 1
        if self._progress is not None:
            self._progress(self._made, self._total)


def _pairs(
    table: Table, user_column: str | None, item_column: str | None, rating_column: str | None, min_rating: float | None
) -> tuple[list[tuple[str, str]], int]:
    """User and item of every row that is rated well enough, and how many are not."""
    user, item = table.column(user_column, USER_TITLES, "user"), table.column(item_column, ITEM_TITLES, "item")
    if user == item:
        raise FormatError(f"{table.path}: the column {table.titles[user]!r} cannot be both of users and of items")
    rating = None if min_rating is None else table.column(rating_column, RATING_TITLES, "rating")
    pairs, below = [], 0
    for where, cells in table.rows:
        user_id, item_id = (one_value(cells[column], where, "a user and an item") for column in (user, item))
        if rating is not None and min_rating is not None and _rating(cells[rating], where) < min_rating:
            below += 1
            continue
        pairs.append((user_id, item_id))
    if not pairs:
        raise FormatError(f"{table.path}: no interaction is rated {min_rating} or more")
    return pairs, below


def _rating(cell: Cell, where: str) -> float:
    text = one_value(cell, where, "a number as rating")
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if math.isnan(value):
        raise FormatError(f"{where}: expected a number as rating, got {text!r}")
    return value


def _attributes(
    table: Table,
    item_column: str | None,
    title_column: str | None,
    separator: str,
    originals: dict[str, str],
    labels: dict[str, str],
) -> list[Fact]:
    """Facts of a table of items; enters entities into ``originals`` and titles into ``labels``."""
    key = table.column(item_column, ITEM_TITLES, "item")
    title = None if title_column is None else table.column(title_column, (), "title")
    kinds = [column.replace("/", "_") for column in table.titles]
    for place, (kind, column) in enumerate(zip(kinds, table.titles, strict=True)):
        if place not in (key, title) and (column == INTERACT or kind in (USER, ITEM, "")):
            raise FormatError(f"{table.path}: a column cannot be titled {column!r}: the name is reserved")
    facts = []
    for where, cells in table.rows:
        original = one_value(cells[key], where, "an item")
        item = f"{ITEM}/{original}"
        originals.setdefault(item, original)
        for place, cell in enumerate(cells):
            if place == key:
                continue
            if place == title:
                labels[item] = " ".join(cell)
                continue
            for value in cell if place in table.listed else divided(cell, separator):
                originals.setdefault(f"{kinds[place]}/{value}", value)
                facts.append((item, table.titles[place], f"{kinds[place]}/{value}"))
    return facts


def _triples(path: Path, delimiter: str | None, originals: dict[str, str]) -> list[Fact]:
    """Facts of a file of triples with typed names; enters entities into ``originals``."""
    reader = TripleReader()
    rows = add_file(reader, path, delimiter)
    relations = reader.relations.to_list()
    if INTERACT in relations:
        raise FormatError(f"{path}: no fact may have the relation {INTERACT!r}: it is that of users with items")
    typed = []
    for name in reader.entities.to_list():
        if any(character in name for character in "\t\r\n"):
            raise FormatError(f"{path}: the name {name!r} holds a tab or a line end, which tab-separated files cannot")
        typed.append(f"{ITEM}/{name}" if f"{ITEM}/{name}" in originals else f"{ENTITY}/{name}")
        originals.setdefault(typed[-1], name)
    return [(typed[h], relations[r], typed[t]) for h, r, t in rows.tolist()]


def _assembled(card: Card, texts: dict[str, bytes]) -> Recommendation:
    """The set as loading will find it: whatever is wrong with it shows before anything is written."""
    reader = TripleReader()
    interactions = {side: reader.add(texts[file], file) for side, file in card.splits}
    return assemble_recommendation(card, reader, reader.add(texts[card.graph], card.graph), interactions)


def _count_without(data: Recommendation, *, interact: bool) -> int:
    """How many items have no training interaction, or no other edge."""
    inverse = data.graph.inverse(data.interact)
    heads = np.repeat(np.arange(data.graph.num_entities), np.diff(data.graph.offsets))
    wanted: Ids = heads[(data.graph.edges[:, 0] == inverse) == interact]
    return len(data.items) - len(np.unique(wanted[(wanted >= data.items.first) & (wanted < data.items.last)]))


def _text(facts: Sequence[Fact]) -> bytes:
    return "".join(f"{head}\t{relation}\t{tail}\n" for head, relation, tail in facts).encode()


def _readme(result: ImportedInteractions) -> str:
    card = result.card
    rows = "\n".join(f"| `{entry.name}.gz` | {entry.rows} |" for entry in card.files)
    carved = (
        ""
        if any(side == "valid" for side, _ in card.splits)
        else (f" Loading carves one interaction of everyone who has {VALID_FROM} or more out of train as valid.")
    )
    return (
        f"# {card.name}\n\n{card.title}. {card.description}{carved} {result.duplicates} duplicate rows were dropped"
        f"{f', {result.below} interactions for their low rating' if result.below else ''}.\n\n"
        "Columns of the splits and of `kg.txt`: head, relation, tail; tab-separated UTF-8, no header line. "
        f"`{NAMES_FILE}`: entity, readable name, original id.\n\n"
        f"{result.users} users, {result.items} items ({result.without_facts} without facts, {result.cold} without a "
        f"training interaction), {card.entities} entities, {card.relations} relations.\n\n"
        f"| file | rows |\n|---|---|\n{rows}\n"
    )
