"""Typed face of the C++ core. All id arrays are C-contiguous int32; offsets are int64."""

from collections.abc import Callable, Iterator, Sequence
from os import PathLike
from typing import Any, SupportsIndex

import numpy as np
from numpy.typing import NDArray

Ids = NDArray[np.int32]
Offsets = NDArray[np.int64]
Ragged = tuple[Offsets, Ids, Ids]

ANY: int

def num_threads() -> int: ...
def set_num_threads(n: int) -> None: ...
def instruction_sets() -> list[str]:
    """Those the arithmetic kernels are compiled for and this CPU has, slowest first; all give the same bits."""

def use_instruction_set(name: str) -> None: ...

class FormatError(ValueError):
    """A file is not what its reader expects; the message names file, place, what was expected and what was found."""

class Names:
    """Immutable strings by id: sorted string table, binary search. Equal names are allowed (labels may repeat)."""

    def __init__(self, names: list[str]) -> None: ...
    def __len__(self) -> int: ...
    def __getitem__(self, id: int) -> str:
        """IndexError unless 0 <= id < len(self)."""
    def __iter__(self) -> Iterator[str]: ...
    def find(self, name: str) -> int:
        """Lowest id of that name, or -1."""
    def find_all(self, names: list[str]) -> Ids:
        """(len(names),): lowest id of each, or -1."""
    def to_list(self) -> list[str]: ...

class TripleReader:
    """Reads triples from text; ids in order of first appearance over all files added."""

    def __init__(self) -> None: ...
    def add(
        self,
        data: bytes,
        path: str,
        delimiter: str = "\t",
        columns: tuple[int, int, int] = (0, 1, 2),
        header: bool = False,
        num_columns: int = 0,
        first_line: int = 1,
    ) -> Ids:
        """(n, 3): head, relation, tail of a whole file's lines, or of a later piece from line `first_line` on.

        UTF-8 (byte order mark or not), LF or CRLF; quotes as in RFC 4180 with "," and ";"; blank lines at the end only.
        Every line has `num_columns` columns (0: one more than the last of `columns`). On FormatError, which names
        path and line, nothing of the file is kept.
        """
    def entity_lines(self, first: int = 0) -> bytes:
        """Names from id `first` on, each with a line end."""
    def relation_lines(self, first: int = 0) -> bytes: ...
    def restore(self, entities: bytes, relations: bytes) -> None:
        """Take up where a reader stopped that gave these lines. FormatError unless all differ."""
    @property
    def num_entities(self) -> int: ...
    @property
    def num_relations(self) -> int: ...
    @property
    def entities(self) -> Names:
        """A snapshot."""
    @property
    def relations(self) -> Names:
        """A snapshot."""

class Graph:
    """Immutable typed CSR. Relations 0..R-1 forward, R..2R-1 inverse, 2R STAY."""

    @staticmethod
    def from_triples(triples: Ids, num_entities: int, num_relations: int, type_offsets: list[int] = ...) -> Graph: ...
    @property
    def num_entities(self) -> int: ...
    @property
    def num_relations(self) -> int: ...
    @property
    def num_facts(self) -> int: ...
    @property
    def num_edges(self) -> int: ...
    @property
    def stay(self) -> int: ...
    @property
    def type_offsets(self) -> list[int]: ...
    @property
    def offsets(self) -> Offsets:
        """(num_entities + 1,), read-only."""
    @property
    def edges(self) -> Ids:
        """(num_edges, 2): relation, tail; read-only."""
    def inverse(self, relation: int) -> int: ...
    def type_of(self, entity: int) -> int: ...
    def find(self, head: int, relation: int, tail: int) -> int:
        """Index of the edge, or -1."""
    def slice(self, head: int, relation: int = ...) -> Ids:
        """(degree, 2): relation, tail, sorted; read-only."""
    def pagerank(self, damping: float = 0.85, iterations: int = 50) -> NDArray[np.float64]: ...

def save_graph(
    path: str | PathLike[str],
    graph: Graph,
    entities: Names | None = None,
    relations: Names | None = None,
    labels: Names | None = None,
) -> None: ...
def open_graph(
    path: str | PathLike[str], verify: bool | None = None
) -> tuple[Graph, Names | None, Names | None, Names | None, int]:
    """Graph, entity names, relation names, labels, the header's checksum; mapped. FormatError, OSError."""

def open_view(
    path: str | PathLike[str], graph: Graph, checksum: int, max_out_degree: int, verify: bool | None = None
) -> Expand:
    """A stored view of an opened graph, mapped. FormatError, OSError."""

def view_path(graph: str | PathLike[str], max_out_degree: int) -> str:
    """Where the view of a graph file lies."""

def save_view(
    path: str | PathLike[str],
    graph: str | PathLike[str],
    max_out_degree: int,
    rank: NDArray[np.float64],
    progress: Callable[[int, int], None] | None = None,
) -> None:
    """Writes the view of a graph file, whole or not at all; rank as pagerank_of_file gives it."""

def pagerank_of_file(
    graph: str | PathLike[str], scratch: str | PathLike[str], progress: Callable[[int, int], None] | None = None
) -> NDArray[np.float64]:
    """(num_entities,): Graph.pagerank() in bounded memory; scratch is removed again."""

def count_degrees(
    facts: str | PathLike[str], begin: int, end: int, num_relations: int, degrees: NDArray[np.int64]
) -> None:
    """Adds the directed edges of facts [begin, end) of a file to degrees (num_entities,)."""

def partition_edges(
    facts: str | PathLike[str],
    begin: int,
    end: int,
    num_relations: int,
    first_heads: Ids,
    buckets: Sequence[str | PathLike[str]],
    buffer: int,
) -> None:
    """Appends the directed edges of facts [begin, end) to the buckets of their heads."""

def sort_bucket(bucket: str | PathLike[str], first: int, degrees: NDArray[np.int64], out: str | PathLike[str]) -> None:
    """Sorts a bucket into a file of edges; degrees, with repeated edges, become those without."""

def write_graph(
    path: str | PathLike[str],
    num_relations: int,
    type_offsets: Sequence[int],
    offsets: NDArray[np.int64],
    edges: Sequence[str | PathLike[str]],
    entities: Names | None = None,
    relations: Names | None = None,
) -> None:
    """The graph file of sorted edges that lie in files."""

def fingerprint(graph: Graph) -> str:
    """32 hexadecimal digits."""

class Overlay:
    """Facts hidden from and added to a graph, without a copy of it."""

    def __init__(self, graph: Graph, hidden: Ids, added: Ids, added_types: list[int] = ...) -> None: ...
    @property
    def num_entities(self) -> int: ...
    @property
    def heads(self) -> Ids:
        """Entities that have other edges than in the graph, rising; added ones are among them."""

class Expand:
    """The ragged neighbour kernel over graph, overlay and degree cap."""

    def __init__(
        self,
        graph: Graph,
        overlay: Overlay | None = None,
        max_out_degree: int = 0,
        edge_scores: NDArray[np.float32] | None = None,
    ) -> None:
        """A capped node shows its best edges by edge_scores (num_edges,), else by PageRank of the tail; ties by id."""
    @property
    def graph(self) -> Graph: ...
    @property
    def overlay(self) -> Overlay | None: ...
    def with_overlay(self, overlay: Overlay) -> Expand:
        """The same graph and cap through an overlay; cuts only the rows it touches. ValueError if there is one."""
    @property
    def num_entities(self) -> int: ...
    @property
    def max_out_degree(self) -> int: ...
    def edge_table(self) -> Ids:
        """(edges, 2): what index-only rows point into."""
    def __call__(self, frontier: Ids, relations: Ids, exclude: Ids | None = None, capped: bool = True) -> Ragged:
        """Neighbours of frontier (n,) along relations ((1,) or (n,), ANY = -1); exclude (n, 3) hides one fact a row."""

class ActionSets:
    """Which moves are legal. Row i of candidates(): STAY, then the visible edges in row order."""

    def __init__(self, expand: Expand, hide_fact: bool = True, hide_answers: bool = True) -> None: ...
    @property
    def expand(self) -> Expand: ...
    @property
    def graph(self) -> Graph: ...
    def candidates(self, at: Ids, query_of: Ids, queries: Ids, last_hop: bool) -> Ragged:
        """at (n,), query_of (n,) rows of queries (q, 3): source, relation, target or -1."""
    def relations(self, at: Ids, query_of: Ids, queries: Ids, last_hop: bool) -> Ragged:
        """The runs of candidates(): offsets, relations, STAY first, then rising, and how many entities of each."""
    def tails(self, at: Ids, relations: Ids, query_of: Ids, queries: Ids, last_hop: bool) -> tuple[Offsets, Ids]:
        """Offsets and entities, rising, that candidates() has of relations[i] at at[i]; STAY's is at[i] itself."""

# Sampled neighbours, for networks that look at a few of them. They see whole rows, overlay included, whatever the cap of
# the Expand; with forward_only, relations below R. What has no edge gets STAY to itself. The seed decides, never the
# number of threads; give each call a seed of its own, for calls with one seed draw from the same random numbers.
# ValueError on another shape or dtype, a number below 1, offsets that do not cover the items; IndexError on an id out of
# range.

def sample_neighbours(
    expand: Expand, entities: Ids, count: int, seed: int, forward_only: bool = False
) -> tuple[Ids, Ids]:
    """KGCN's sample (Wang et al. 2019, section 3) of each of n entities: relations and tails, (n, count).

    Without replacement where an entity has `count` edges, else with. For one seed an entity has one sample, wherever it
    stands.
    """

def extend_field(expand: Expand, centres: Ids, nodes: Ids, seed: int, forward_only: bool = False) -> tuple[Ids, Ids]:
    """One edge of each of nodes (n,) that does not lead to centres[i], drawn uniformly: relations and tails, (n,).

    The non-central neighbours of MI-KGNN's receptive field (Wang et al.); STAY where all edges lead to the centre.
    """

def ripple_sets(
    expand: Expand, offsets: Offsets, items: Ids, hops: int, size: int, seed: int, forward_only: bool = False
) -> tuple[Ids, Ids, Ids]:
    """RippleNet's ripple sets (Wang et al. 2018, section 3.3) of n users: heads, relations, tails, (n, hops, size).

    User i has items[offsets[i] : offsets[i + 1]]. Hop 0 draws among their edges, each later hop among those of the tails
    drawn before: without replacement where there are `size`, else with; where there are none the hop before is repeated.
    Users whose items have no edge get STAY at the first, those without items STAY at entity 0.
    """

# Ragged policy kernels (kgwalk.ragged): values (C,), offsets (S + 1,). The *_backward ones without a result add to their
# last argument.

Floats = NDArray[np.float32]

def ragged_segment_sum(values: Floats, offsets: Offsets) -> Floats: ...
def ragged_repeat(rows: Floats, offsets: Offsets, size: int) -> Floats: ...
def ragged_log_sum_exp(values: Floats, offsets: Offsets) -> Floats: ...
def ragged_log_sum_exp_backward(values: Floats, result: Floats, grad: Floats, offsets: Offsets) -> Floats: ...
def ragged_log_softmax(logits: Floats, offsets: Offsets) -> Floats: ...
def ragged_log_softmax_backward(log_probs: Floats, grad: Floats, offsets: Offsets) -> Floats: ...
def ragged_entropy(values: Floats, offsets: Offsets) -> Floats: ...
def ragged_entropy_backward(log_probs: Floats, grad: Floats, offsets: Offsets) -> Floats: ...
def ragged_sample(
    log_probs: Floats, offsets: Offsets, rows: Offsets, seed: int, streams: NDArray[np.uint64], counter: int
) -> Offsets: ...
def ragged_edge_logits(
    relation_scores: Floats,
    entity_query: Floats | None,
    entity_table: Floats | None,
    offsets: Offsets,
    relations: Ids,
    entities: Ids,
) -> Floats: ...
def ragged_relation_scores_backward(grad: Floats, offsets: Offsets, relations: Ids, relation_grad: Floats) -> None: ...
def ragged_entity_query_backward(
    grad: Floats, offsets: Offsets, entities: Ids, entity_table: Floats, query_grad: Floats
) -> None: ...
def ragged_entity_table_backward(
    grad: Floats, offsets: Offsets, entities: Ids, entity_query: Floats, table_grad: Floats
) -> None: ...

# Scores of pairs and facts from tables of embeddings, gathered row by row without a copy. Distances are positive.
# Complex rows hold their real parts first, then the imaginary ones; a RotatE relation is its cosines, then its sines.
# ValueError for an unknown name, another shape or dtype, an odd number of columns where rows are complex; IndexError for
# an id out of range.

def pair_scores(measure: str, queries: Floats, rows: Offsets, table: Floats, targets: Ids) -> Floats:
    """Scores (n,) of queries[rows[i]], of (q, d), with table[targets[i]], of (m, d).

    ``measure`` is "dot", "l1", "l2" or "modulus": the sum of the moduli of a complex difference, RotatE's distance.
    """

def triple_scores(kind: str, entities: Floats, relations: Floats, heads: Ids, rels: Ids, tails: Ids) -> Floats:
    """Scores (n,) of facts by rows heads[i], rels[i], tails[i] of entities (m, d) and relations (k, d).

    ``kind`` is "distmult", "complex", "transe-l1", "transe-l2", "rotate" (the L2 norm) or "rotate-modulus".
    """

class ResetNeeded(RuntimeError):
    """A walk was stepped that has ended or never begun."""

Arrays = dict[str, NDArray[Any]]

class Walk:
    """A batch of walkers: the environments without Python. Walks depend on seeds and actions, never on threads."""

    def __init__(
        self,
        actions: ActionSets,
        queries: Ids,
        *,
        num_envs: int = 1,
        horizon: int = 3,
        decision: str = "edge",
        candidates: str = "padded",
        autoreset: str = "NextStep",
        training: bool = True,
        in_order: bool = False,
        hit_reward: float = 1.0,
        batched: bool = True,
    ) -> None:
        """queries (q, 3): source, relation, target. ``batched=False``: one environment, arrays without its axis."""
    @property
    def num_envs(self) -> int: ...
    @property
    def num_actions(self) -> int: ...
    @property
    def begun(self) -> bool:
        """Whether every environment has been reset once."""
    def seed(self, seeds: NDArray[np.uint64], streams: NDArray[np.uint64], mask: NDArray[np.bool_]) -> None:
        """Restart the generators of the environments in the mask; all (num_envs,)."""
    def reset(
        self,
        mask: NDArray[np.bool_] | None = None,
        rows: NDArray[np.int64] | None = None,
        out: Arrays | None = None,
    ) -> tuple[Arrays, dict[str, Any]]: ...
    def step(
        self, actions: NDArray[Any], out: Arrays | None = None
    ) -> tuple[Arrays, NDArray[np.float64], NDArray[np.bool_], NDArray[np.bool_], dict[str, Any]]:
        """Observation, rewards, terminations, truncations, infos; actions (num_envs,) int64 or int32."""
    def act(self, action: SupportsIndex) -> tuple[Arrays, float, bool, bool, dict[str, Any]]:
        """A step of an unbatched walk."""
    def action_masks(self) -> NDArray[np.bool_]: ...
    def sample_actions(self) -> NDArray[np.int64]: ...
    def finished(self) -> tuple[Ids, NDArray[np.int64], Ids, Ids, NDArray[np.bool_]]:
        """env, query, entities, relations, hit of the walks that the last step ended."""
    def path(self, env: int = 0) -> tuple[int, Ids, Ids]:
        """Query row, entities and relations of a walk so far; before the first reset, of none."""
    def moves(self, env: int = 0) -> tuple[Ids, Ids, Ids]:
        """Actions, relations and entities open now; entity -1 where the action chooses a relation only."""

def find_paths(
    actions: ActionSets, queries: Ids, hops: int = 3, max_paths: int = 64, max_branch: int = 256, seed: int = 0
) -> tuple[Ids, Ids, Ids]:
    """Legal simple walks of 1 to 16 hops, source to target: query (p,), entities (p, hops + 1), relations (p, hops)."""

def sample_paths(
    actions: ActionSets, queries: Ids, hops: int = 3, max_paths: int = 64, max_branch: int = 32, seed: int = 0
) -> tuple[Ids, Ids, Ids, NDArray[np.float32]]:
    """As find_paths, drawn by how likely a random walker takes them; last, the log of what each counts, (p,).

    A sum over a query's paths of exp(weight) * probability estimates a walker's probability to arrive by any such path.
    """

# Metapaths: walks along relations given hop by hop, (L,), 1 to 16 of them, STAY not among them. All are simple: no entity
# twice. They see whole rows, overlay included, whatever the cap of the Expand. ValueError on another length, IndexError
# on an id out of range.

def sample_metapath(
    expand: Expand,
    metapath: Ids,
    sources: Ids,
    targets: Ids,
    count: int,
    seed: int = 0,
    hidden: int = -1,
    max_fan_out: int = 0,
) -> tuple[Ids, Ids]:
    """Up to `count` different walks of each pair, drawn uniformly: pair (p,), entities (p, L + 1).

    The pair's own fact (source, hidden, target) is out of sight. Before the last two hops at most `max_fan_out`
    neighbours are followed, 0 for all; where that cuts, walks are equally likely only among those that are left.
    """

def count_metapaths(
    expand: Expand, offsets: Offsets, relations: Ids, sources: Ids, targets: Ids, hidden: int = -1
) -> NDArray[np.int64]:
    """Number of walks of n pairs along M metapaths, laid side by side by offsets (M + 1,): (n, M)."""

def metapath_ends(expand: Expand, metapath: Ids, sources: Ids) -> tuple[Offsets, Ids, NDArray[np.int64]]:
    """Distinct ends of each source's walks, rising, and how many walks end there: offsets, entities, counts."""

def metapath_search(
    expand: Expand,
    parents: Ids,
    relations: Ids,
    users: Ids,
    budgets: Ids,
    node_queries: Floats,
    entity_table: Floats,
    log_norm: Floats,
    entity_bias: Floats | None = None,
    interact: int = -1,
    closed_offsets: Offsets | None = None,
    closed: Ids | None = None,
) -> tuple[Ids, Ids, Ids, Ids, NDArray[np.float64], NDArray[np.float64]]:
    """Paths of n users along a prefix tree of m nodes, root 0, best first: user row, leaf, entities (p, hops + 1),
    relations (p, hops), log-probability, that of the last hop.

    budgets (n, m): neighbours kept of each path at the node's parent, those with the greatest
    <node_queries[u, x], entity_table[e]> + entity_bias[e], of (n, m, d), (E, d) and (E,). log_norm (n, m) is taken off;
    where it is NaN, the log-sum-exp over the open neighbours. At leaves the user's tails of `interact` and the ragged
    `closed` are closed.
    """

class BeamLayout:
    """Prefix tree of a beam: parents before children, root 0 with parent -1; budgets per node."""

    def __init__(self, parents: Ids, relations: Ids, budgets: Offsets, per_path: bool) -> None: ...
    def select(
        self,
        query_offsets: Offsets,
        nodes: Ids,
        log_prob: NDArray[np.float64],
        offsets: Offsets,
        relations: Ids,
        logits: NDArray[np.float32],
        log_norm: NDArray[np.float32],
        keep_all: bool = False,
    ) -> tuple[Offsets, Offsets, Offsets, Ids, NDArray[np.float64]]:
        """Best moves: query_offsets, row and move of each kept path, its layout node, its log-probability."""

def split_frontier(actions: ActionSets, at: Ids, query_offsets: Offsets, max_moves: int) -> Offsets:
    """Cuts between queries, so that no piece looks at more than max_moves moves unless one query does."""

def pool_entities(
    offsets: Offsets, entities: Ids, log_prob: NDArray[np.float64]
) -> tuple[Offsets, Ids, NDArray[np.float64], NDArray[np.float64]]:
    """Distinct entities of each row in rising order: offsets, entities, log-sum-exp, maximum."""

def rank_order(offsets: Offsets, entities: Ids, scores: NDArray[np.float64]) -> Offsets:
    """Indices that sort each row by falling score, ties by rising entity."""

def propagate_hop(
    actions: ActionSets,
    queries: Ids,
    query_offsets: Offsets,
    prefixes: Ids,
    entities: Ids,
    mass: NDArray[np.float64],
    logits: NDArray[np.float32],
    keep_prefixes: int = 0,
) -> tuple[Offsets, Ids, Ids, Ids, NDArray[np.float64], NDArray[np.float64]]:
    """Mass one hop on: query_offsets, old prefix, relation, entity, mass, and per query the mass dropped."""

def propagate_last(
    actions: ActionSets,
    queries: Ids,
    query_offsets: Offsets,
    prefixes: Ids,
    entities: Ids,
    mass: NDArray[np.float64],
    logits: NDArray[np.float32],
) -> tuple[Offsets, Ids, NDArray[np.float64]]:
    """The last hop: offsets, entities in rising order, mass."""

def split_relations(
    actions: ActionSets,
    queries: Ids,
    query_offsets: Offsets,
    prefixes: Ids,
    entities: Ids,
    mass: NDArray[np.float64],
    logits: NDArray[np.float32],
    last_hop: bool,
    keep: int = 0,
) -> tuple[Offsets, Ids, Ids, Ids, NDArray[np.float64], NDArray[np.float64]]:
    """Mass that has chosen a relation: query_offsets, prefix, relation, entity, mass, and per query the mass dropped."""

def split_entities(
    actions: ActionSets,
    queries: Ids,
    query_offsets: Offsets,
    prefixes: Ids,
    relations: Ids,
    entities: Ids,
    mass: NDArray[np.float64],
    entity_query: NDArray[np.float32] | None,
    entity_table: NDArray[np.float32] | None,
    last_hop: bool,
) -> tuple[Offsets, Ids, Ids, NDArray[np.float64]]:
    """Mass that has followed it: query_offsets, prefix, entity, mass; prefix 0 after the last hop."""

VARIABLE: int
SELF: int

class RuleSet:
    """Immutable Horn rules, struct of arrays; all arrays read-only and without a copy. n rules.

    A body is walked from X: an inverse atom b(A, X) is the inverse relation of b. h(c, Y) is the inverse of h with
    constant c. Constants: an entity, SELF (the entity the rule is about) or VARIABLE where there is none.
    """

    def __init__(
        self,
        head: Ids,
        head_constant: Ids,
        body_offsets: Offsets,
        body: Ids,
        body_constant: Ids,
        support: NDArray[np.int64],
        predictions: NDArray[np.int64],
        confidence: NDArray[np.float64],
        *,
        num_entities: int,
        num_relations: int,
    ) -> None:
        """Copies and checks: ValueError on arrays that do not fit or say no rule, IndexError on ids out of range."""
    def __len__(self) -> int: ...
    @property
    def head(self) -> Ids:
        """(n,): in [0, 2R); forward in a cyclic rule."""
    @property
    def head_constant(self) -> Ids:
        """(n,): VARIABLE in a cyclic rule, else an entity or SELF."""
    @property
    def body_offsets(self) -> Offsets:
        """(n + 1,): rule i has the atoms body[body_offsets[i] : body_offsets[i + 1]]."""
    @property
    def body(self) -> Ids:
        """(atoms,): in [0, 2R)."""
    @property
    def body_constant(self) -> Ids:
        """(n,): the end of the last atom: VARIABLE, an entity or SELF."""
    @property
    def support(self) -> NDArray[np.int64]:
        """(n,): pairs of which body and head are true."""
    @property
    def predictions(self) -> NDArray[np.int64]:
        """(n,): pairs of which the body is true."""
    @property
    def confidence(self) -> NDArray[np.float64]:
        """(n,): raw, in [0, 1]."""
    def select(self, indices: NDArray[np.int64]) -> RuleSet:
        """These rules in this order; IndexError outside [0, n)."""

class RuleMiner:
    """Mines the rules of a graph in rounds; the last makes all counts exact. Calls from several threads take turns.

    Same settings and rounds, same rules, whatever the number of threads. A fact is never evidence for itself. An Expand
    is mined with its overlay and without its cap.
    """

    def __init__(
        self,
        graph: Graph | Expand,
        *,
        max_length: int = 3,
        object_identity: bool = False,
        cyclic: bool = True,
        constants: bool = True,
        existential: bool = True,
        zero: bool = True,
        min_support: int = 2,
        min_confidence: float = 0.001,
        heads: Ids | None = None,
        slices: int = 64,
        seed: int = 0,
    ) -> None:
        """Rules whose head is one of the forward relations ``heads`` or the inverse of one; None for all.

        Miners of a part of the heads find, in the same rounds, the rules about theirs that a miner of all finds.

        Raises:
            ValueError: a setting that makes no sense, or cyclic rules too long to be counted.
            IndexError: a head that is no forward relation.
            TypeError: no graph.
        """
    def step(self) -> bool:
        """One round; False if none is left after it. Threaded."""
    @property
    def rounds(self) -> int:
        """Done so far; jumps to total_rounds when all is exact."""
    @property
    def total_rounds(self) -> int:
        """Rounds after which all is exact, at the latest."""
    @property
    def num_candidates(self) -> int:
        """Rules looked at by now."""
    def result(self) -> tuple[RuleSet, NDArray[np.float64]]:
        """Rules by head and falling confidence, and the standard error of each confidence, (n,), 0 where exact.

        Before the last round support and predictions are estimates, scaled up from what was looked at.
        """

class RulePredictor:
    """Answers queries with rules. Thread-safe."""

    def __init__(
        self,
        graph: Graph | Expand,
        rules: RuleSet,
        confidence: NDArray[np.float64],
        *,
        against: NDArray[np.float64] | None = None,
        object_identity: bool = False,
        aggregation: str = "noisy-or",
        top_k: int = 10,
        discount: float = 1.0,
    ) -> None:
        """Confidence (n,) of each rule where it answers (x, head, ?); `against`, the same if None, where it answers
        (y, inverse of head, ?). 0 leaves a rule out. `top_k`: an answer's best rules that count, 0 for all (noisy-or).
        The k-th best counts `discount ** (k - 1)` in a noisy-or, discount in (0, 1].

        ValueError on confidences outside [0, 1] or of another length, an aggregation that is neither "noisy-or" nor
        "max-plus", a senseless top_k or discount; IndexError on rules with ids outside the graph; TypeError on no graph or rules.
        """
    def answer(self, queries: Ids, limit: int = 0, skip_known: bool = True) -> tuple[Offsets, Ids, NDArray[np.float64]]:
        """Offsets (n + 1,), answers and falling scores of (n, 3) queries (source, relation, any), ties by id. Threaded.

        At most `limit` of each, 0 for all; without those that the graph holds, if `skip_known`. Noisy-or scores are
        sums of -log(1 - confidence), max-plus scores best confidences, less as little as keeps the order.
        IndexError on ids outside the graph, ValueError on another shape or dtype or a limit below 0.
        """
    def evidence(
        self, source: int, relation: int, answer: int, max_groundings: int = 1
    ) -> list[tuple[int, list[tuple[list[int], list[int]]]]]:
        """Rules that give an answer, most confident first, each with up to so many groundings of its body.

        A grounding: the entities of the walk from X on, and the relations between them. IndexError on ids outside the
        graph, ValueError on max_groundings below 0.
        """

def read_rules(
    data: bytes, path: str, entities: Names, relations: Names, skip_bad: bool = False
) -> tuple[RuleSet, int, list[str]]:
    """Rules of AnyBURL text, lines skipped, and the reasons of the first few; FormatError names path and line."""

def format_rules(rules: RuleSet, entities: Names, relations: Names, skip_bad: bool = False) -> bytes:
    """UTF-8 text that read_rules gives back the same rules of; where it could not, ValueError, or the rule is left out."""

def format_rule(rules: RuleSet, rule: int, entities: Names, relations: Names) -> str:
    """Text of one rule without the numbers; IndexError outside [0, n)."""
