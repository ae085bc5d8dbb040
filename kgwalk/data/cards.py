"""Dataset cards: what a benchmark is, where it comes from, what its files hold, and its traps.

kgwalk ships no benchmark data. SHA-256 and rows are those of the decompressed text, so that a gzipped and a plain copy
are checked alike.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class DataFile:
    """One file of a dataset's folder.

    Attributes:
        name: without ``.gz``.
        rows: lines of the text; 0 if not known.
        sha256: hex digest of the decompressed text; empty if not known.
        upstream: file of the published archive or repository that this text equals, up to CRLF; for a name ending in
            ``2id.txt``, the id-coded triples that it decodes. Empty if there is none.
        url: address of bytes with just this SHA-256; empty if none is known.
        optional: the dataset loads without it.
    """

    name: str
    rows: int = 0
    sha256: str = ""
    upstream: str = ""
    url: str = ""
    optional: bool = False


@dataclass(frozen=True)
class Source:
    """Where files are published.

    Attributes:
        repository: ``owner/name`` on GitHub.
        commit: 40 hex digits.
        archive: file of the repository that holds the data, or empty if they lie there as they are.
        licence: as far as the repository states it.
    """

    repository: str
    commit: str
    archive: str = ""
    licence: str = "not stated"

    def __str__(self) -> str:
        inside = f" ({self.archive})" if self.archive else ""
        return f"https://github.com/{self.repository} at commit {self.commit}{inside}"

    def url(self, path: str) -> str:
        """Address of the raw bytes of ``path`` at the commit."""
        return f"https://raw.githubusercontent.com/{self.repository}/{self.commit}/{path}"


@dataclass(frozen=True)
class Card:
    """What one needs to know of a dataset before and after loading it.

    Attributes:
        name: as in the environment id ``KGWalk-<name>``.
        folder: name of its folder under ``$KGWALK_DATA``.
        title: one line.
        description: a short paragraph.
        files: what the folder holds.
        source: where the facts are published; None for embedded and custom sets.
        licence: of the data, as far as stated.
        graph: file with the facts one may walk.
        splits: split name to file.
        known: file with further true facts, used only to filter rankings.
        names: tab-separated file of readable entity names, and which column (0 is the entity) holds them.
        candidates: file of labelled candidates (head, relation, tail, 0 or 1) for MAP.
        rules: file of rules in text form.
        inverse_prefix: relations in ``graph`` that start with it are stored inverses; they are dropped, as the graph
            makes its own.
        valid_in_test_graph: whether one walks the valid facts as well when answering test queries.
        entities: expected number over all files; 0 if not known.
        relations: expected number of forward relations; 0 if not known.
        facts: expected number of distinct forward facts of the walking graph; 0 if not known.
        max_out_degree: default cap of an environment's or a walker's view, 0 for none.
        horizon: default number of hops.
        interaction: of a recommendation set: the relation from users to items, whose facts are the queries; ``graph``
            then holds what is known of the items, and walks see the training interactions too. Empty for other sets.
        user_type: of a recommendation set, what stands before the ``/`` in the names of users.
        item_type: likewise of items.
        metapaths: file of metapaths from a user to an item, one a line.
        test_share: share of the interactions that becomes test, drawn once and for all, where there is no split.
        every_interaction: file of all interactions, also of users that the splits leave out: user, relation, item, and
            columns that are not read. Only `labelled` reads it; empty if the splits hold everything.
        oddities: what surprises, one sentence each.
    """

    name: str
    folder: str
    title: str
    description: str = ""
    files: tuple[DataFile, ...] = ()
    source: Source | None = None
    licence: str = "not stated"
    graph: str = "train.txt"
    splits: tuple[tuple[str, str], ...] = (("train", "train.txt"), ("valid", "valid.txt"), ("test", "test.txt"))
    known: str = ""
    names: tuple[str, int] | None = None
    candidates: str = ""
    rules: str = ""
    inverse_prefix: str = ""
    valid_in_test_graph: bool = False
    entities: int = 0
    relations: int = 0
    facts: int = 0
    max_out_degree: int = 256
    horizon: int = 3
    interaction: str = ""
    user_type: str = "user"
    item_type: str = "item"
    metapaths: str = ""
    test_share: float = 0.0
    every_interaction: str = ""
    oddities: tuple[str, ...] = ()

    @property
    def embedded(self) -> bool:
        """Whether kgwalk generates the set itself."""
        return not self.files

    def file(self, name: str) -> DataFile:
        """The card's entry for a file; KeyError if it has none."""
        for entry in self.files:
            if entry.name == name:
                return entry
        raise KeyError(f"{self.name} has no file {name!r}; it has {', '.join(f.name for f in self.files)}")
