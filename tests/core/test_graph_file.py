"""The graph file: what is saved comes back, and no damage goes unnoticed."""

from __future__ import annotations

import multiprocessing
import os
import struct
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kgwalk.graph import FormatError, Graph, Names, fingerprint, open_graph, save_graph, verify
from tests.core.oracle import Oracle, ids, oracles


def named(oracle: Oracle) -> tuple[Names, Names, Names]:
    entities = Names([f"entity {i}" for i in range(oracle.num_entities)])
    relations = Names([f"relation {i}" for i in range(oracle.num_relations)])
    return entities, relations, Names(["same label"] * oracle.num_entities)


@pytest.fixture
def saved(tmp_path: Path) -> Path:
    oracle = Oracle([(0, 0, 2), (1, 0, 2), (1, 1, 3), (2, 1, 2)], 4, 2, [0, 2, 4])
    path = tmp_path / "graph.kgw"
    save_graph(path, oracle.graph(), *named(oracle))
    return path


@given(oracle=oracles(), names=st.booleans(), whole=st.sampled_from([None, False, True]))
def test_what_is_saved_comes_back(
    tmp_path_factory: pytest.TempPathFactory, oracle: Oracle, names: bool, whole: bool | None
) -> None:
    path = tmp_path_factory.getbasetemp() / "graph.kgw"
    graph = oracle.graph()
    save_graph(path, graph, *(named(oracle) if names else ()))
    verify(path)
    stored = open_graph(path, verify=whole)
    np.testing.assert_array_equal(stored.graph.edges, graph.edges)
    np.testing.assert_array_equal(stored.graph.offsets, graph.offsets)
    assert stored.graph.type_offsets == graph.type_offsets
    assert (stored.graph.num_relations, stored.graph.num_facts) == (graph.num_relations, graph.num_facts)
    assert fingerprint(stored.graph) == fingerprint(graph)
    if names:
        assert stored.entities is not None
        assert stored.relations is not None
        assert stored.labels is not None
        assert stored.entities.find(f"entity {oracle.num_entities - 1}") == oracle.num_entities - 1
        assert stored.relations.to_list() == [f"relation {i}" for i in range(oracle.num_relations)]
        assert set(stored.labels) == {"same label"}
    else:
        assert (stored.entities, stored.relations, stored.labels) == (None, None, None)


def test_saving_leaves_one_file_and_replaces_it_whole(saved: Path) -> None:
    old = open_graph(saved).graph
    before = old.edges.tolist()
    save_graph(saved, Graph.from_triples(ids([[0, 0, 0]]), 1, 1))
    assert os.listdir(saved.parent) == [saved.name]
    assert old.edges.tolist() == before  # whoever has it open keeps what it opened
    assert open_graph(saved).graph.num_facts == 1


def test_a_failed_save_leaves_what_was_there(saved: Path) -> None:
    before = saved.read_bytes()
    with pytest.raises(ValueError, match="entities: expected 1 names, got 2"):
        save_graph(saved, Graph.from_triples(ids([[0, 0, 0]]), 1, 1), Names(["a", "b"]))
    assert saved.read_bytes() == before
    assert os.listdir(saved.parent) == [saved.name]


@given(data=st.data())
def test_any_changed_byte_is_noticed(tmp_path_factory: pytest.TempPathFactory, data: st.DataObject) -> None:
    oracle = Oracle([(0, 0, 2), (1, 0, 2), (1, 1, 3)], 4, 2, [0, 2, 4])
    path = tmp_path_factory.getbasetemp() / "damaged.kgw"
    save_graph(path, oracle.graph(), *named(oracle))
    content = bytearray(path.read_bytes())
    at = data.draw(st.integers(0, len(content) - 1))
    content[at] ^= data.draw(st.integers(1, 255))
    path.write_bytes(content)
    for check in (open_graph, verify):
        with pytest.raises(FormatError, match=r"damaged\.kgw: graph file: "):
            check(path)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "found an empty file"),
        (b"head\trelation\ttail\n" * 20, "magic: this is no kgwalk graph file"),
        (b"\x89KGW\n\n\x1a\n" + bytes(100), "magic"),  # line ends changed on the way
        (b"\x89KG", "header: expected 64 bytes, found 3: the file is cut short"),
    ],
)
def test_a_foreign_or_empty_file_is_refused(tmp_path: Path, content: bytes, message: str) -> None:
    path = tmp_path / "other.kgw"
    path.write_bytes(content)
    with pytest.raises(FormatError, match=message):
        open_graph(path)


@pytest.mark.parametrize("left", [8, 63, 64, 100, 400, -1])
def test_a_file_cut_short_is_refused_even_when_only_the_header_is_read(saved: Path, left: int) -> None:
    saved.write_bytes(saved.read_bytes()[:left])
    with pytest.raises(FormatError, match="cut short"):
        open_graph(saved, verify=False)


@pytest.mark.parametrize(
    ("at", "value", "message"),
    [
        (8, struct.pack("=I", 2), "format version: expected 1, found 2"),
        (12, struct.pack("=I", 0x04030201), "byte order"),
        (32, struct.pack("=i", 5), "header: the checksum does not match"),
        (70, b"\xff", "header: the checksum does not match"),
        (-1, b"\xff", "block 0 .*: the checksum does not match"),
    ],
)
def test_the_bad_part_is_named(saved: Path, at: int, value: bytes, message: str) -> None:
    content = bytearray(saved.read_bytes())
    at %= len(content)
    content[at : at + len(value)] = value
    saved.write_bytes(content)
    with pytest.raises(FormatError, match=message):
        open_graph(saved)


def test_what_the_system_refuses_is_an_os_error(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"absent\.kgw"):
        open_graph(tmp_path / "absent.kgw")
    with pytest.raises(IsADirectoryError):
        open_graph(tmp_path)
    with pytest.raises(FileNotFoundError, match="absent"):
        save_graph(tmp_path / "absent" / "graph.kgw", Graph.from_triples(ids([[0, 0, 0]]), 1, 1))
    assert os.listdir(tmp_path) == []


def test_names_that_repeat_are_refused(tmp_path: Path) -> None:
    graph = Graph.from_triples(ids([[0, 0, 1]]), 2, 1)
    with pytest.raises(ValueError, match='entities: expected different names, got "x" twice'):
        save_graph(tmp_path / "graph.kgw", graph, Names(["x", "x"]))


def mapped_sum(path: Path, send: multiprocessing.connection.Connection) -> None:
    edges = open_graph(path, verify=False).graph.edges
    total = int(edges.sum(dtype=np.int64))
    private = 0
    inside = False
    for line in Path("/proc/self/smaps").read_text().splitlines():
        if line[0].isdigit() or line[0] in "abcdef":
            inside = line.endswith(str(path))
        if inside and line.startswith("Private_Dirty"):
            private += int(line.split()[1])
    send.send((total, private))


@pytest.mark.skipif(not Path("/proc/self/smaps").exists(), reason="needs Linux's list of mappings")
def test_processes_share_the_pages_of_one_file(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    facts = np.stack([rng.integers(0, n, 50_000, dtype=np.int32) for n in (1000, 5, 1000)], axis=1)
    path = tmp_path / "graph.kgw"
    graph = Graph.from_triples(facts, 1000, 5)
    save_graph(path, graph)
    context = multiprocessing.get_context("spawn")
    receive, send = context.Pipe(duplex=False)
    child = context.Process(target=mapped_sum, args=(path, send))
    child.start()
    assert receive.poll(60)
    # The child sees the same bytes and holds no copy of its own.
    assert receive.recv() == (int(graph.edges.sum(dtype=np.int64)), 0)
    child.join(60)


@given(oracles(), oracles())
def test_fingerprints_are_equal_for_equal_graphs_only(a: Oracle, b: Oracle) -> None:
    x, y = a.graph(), b.graph()
    equal = (
        (x.num_entities, x.num_relations, x.type_offsets) == (y.num_entities, y.num_relations, y.type_offsets)
        and x.offsets.tolist() == y.offsets.tolist()
        and x.edges.tolist() == y.edges.tolist()
    )
    assert (fingerprint(x) == fingerprint(y)) == equal
    assert fingerprint(x) == fingerprint(a.graph())
    assert len(fingerprint(x)) == 32
