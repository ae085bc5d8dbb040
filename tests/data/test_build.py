"""Graph files built in pieces equal those built at once, byte for byte, whatever kills the building meanwhile."""

from __future__ import annotations

import gzip
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kgwalk import Graph
from kgwalk._core import FormatError, TripleReader
from kgwalk.data import DamagedFileError, MissingDataError, build_stages, pieces
from kgwalk.data.build import build_graph, build_views, parse_memory
from kgwalk.graph import Expand, open_graph, save_graph, verify
from tests.core.oracle import Oracle, expand_all, oracles

SMALL = "300MB"


def text_of(oracle: Oracle, end: str = "\n") -> bytes:
    return "".join(f"e{h}\tr{r}\te{t}{end}" for h, r, t in oracle.facts).encode()


def at_once(files: list[Path], out: Path) -> bytes:
    """The obvious way: everything in memory."""
    reader = TripleReader()
    triples = np.concatenate(
        [reader.add(gzip.decompress(f.read_bytes()) if f.suffix == ".gz" else f.read_bytes(), str(f)) for f in files]
    )
    graph = Graph.from_triples(triples, len(reader.entities), len(reader.relations))
    save_graph(out, graph, reader.entities, reader.relations)
    return out.read_bytes()


@settings(deadline=None, max_examples=60)
@given(data=st.data())
def test_same_bytes_as_at_once(tmp_path_factory: pytest.TempPathFactory, data: st.DataObject) -> None:
    folder = tmp_path_factory.mktemp("build")
    files = []
    for number, oracle in enumerate(
        data.draw(st.lists(oracles().filter(lambda o: bool(o.facts)), min_size=1, max_size=3))
    ):
        text = text_of(oracle, data.draw(st.sampled_from(["\n", "\r\n"]))) + data.draw(st.sampled_from([b"", b"\n\n"]))
        packed = data.draw(st.booleans())
        files.append(folder / f"{number}.tsv{'.gz' if packed else ''}")
        files[-1].write_bytes(gzip.compress(text) if packed else text)
    edges, piece = data.draw(st.integers(1, 40)), data.draw(st.integers(1, 60))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pieces, "PIECE", piece)
        patch.setattr(build_stages, "CHECKPOINT", 1)
        built = build_graph(files, folder / "built.kgw", memory=SMALL, bucket_edges=edges)
    assert (folder / "built.kgw").read_bytes() == at_once(files, folder / "expected.kgw")
    verify(built.path)
    assert built.rows == sum(len(gzip.decompress(f.read_bytes()).split()) // 3 if f.suffix == ".gz" else
                             len(f.read_bytes().split()) // 3 for f in files)  # fmt: skip
    assert sorted(os.listdir(folder)) == sorted([*(f.name for f in files), "built.kgw", "expected.kgw"])


@settings(deadline=None, max_examples=40)
@given(oracle=oracles().filter(lambda o: bool(o.facts)), caps=st.lists(st.integers(1, 4), min_size=1, max_size=2))
def test_views_show_what_is_computed(tmp_path_factory: pytest.TempPathFactory, oracle: Oracle, caps: list[int]) -> None:
    folder = tmp_path_factory.mktemp("views")
    ids = folder / "facts.npy"
    np.save(ids, np.array(oracle.facts, np.int32))
    built = build_graph([ids], folder / "g.kgw", memory=SMALL, max_out_degree=caps)
    stored = open_graph(built.path)
    assert stored.entities is None
    for cap in caps:
        assert built.views[cap].is_file()
        assert expand_all(stored.expand(cap)) == expand_all(Expand(stored.graph, max_out_degree=cap))
        np.testing.assert_array_equal(
            stored.expand(cap).edge_table(), Expand(stored.graph, max_out_degree=cap).edge_table()
        )


KILLED = """
import os, signal, sys
from kgwalk.data import build, build_stages, pieces
pieces.PIECE, build_stages.CHECKPOINT, build_stages._FACTS_AT_ONCE = 64, 100, 10
left = int(sys.argv[1])

def progress(stage, done, total):
    global left
    left -= 1
    if left == 0:
        print(stage, flush=True)
        os.kill(os.getpid(), signal.SIGKILL)

build.build_graph(sys.argv[3:], sys.argv[2], memory="300MB", bucket_edges=20, max_out_degree=[2], progress=progress)
"""


def test_goes_on_after_any_kill(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    files = [tmp_path / "a.tsv", tmp_path / "b.tsv.gz"]
    for file in files:
        text = "".join(f"e{h}\tr{r}\te{t}\n" for h, r, t in rng.integers((12, 3, 12), size=(30, 3))).encode()
        file.write_bytes(gzip.compress(text) if file.suffix == ".gz" else text)
    expected = at_once(files, tmp_path / "expected.kgw")
    build_views(tmp_path / "expected.kgw", [2])
    view = (tmp_path / "expected.kgw.top2").read_bytes()

    def run(left: int, out: Path) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-c", KILLED, str(left), str(out), *map(str, files)]
        return subprocess.run(command, capture_output=True, text=True, check=False)

    stages = set()
    for number, left in enumerate([1, 6, 13, 19, 24, 29, 32, 33, 60, 84]):
        out = tmp_path / f"{number}.kgw"
        killed = run(left, out)
        assert killed.returncode == -signal.SIGKILL, killed.stderr
        stages.add(killed.stdout.split(",")[0].strip())
        assert run(2, out).returncode in (-signal.SIGKILL, 0)  # and once more, a little later if there is anything left
        done = run(0, out)
        assert done.returncode == 0, done.stderr
        assert out.read_bytes() == expected
        assert Path(f"{out}.top2").read_bytes() == view
        assert not Path(f"{out}.building").exists()
    assert stages == {"reading", "counting", "partitioning", "sorting", "writing", "PageRank", "view 2"}


def test_other_files_start_anew(tmp_path: Path) -> None:
    file, out = tmp_path / "a.tsv", tmp_path / "g.kgw"
    file.write_text("a\tr\tb\n")

    def interrupt(stage: str, done: int, total: int) -> None:
        if stage.startswith("sorting"):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        build_graph([file], out, progress=interrupt)
    assert not out.exists()
    file.write_text("c\tr\td\nd\tr\te\n")
    build_graph([file], out)
    assert out.read_bytes() == at_once([file], tmp_path / "expected.kgw")


@pytest.mark.parametrize("piece", [*range(1, 20), 1 << 20])
def test_a_malformed_line_is_named_and_nothing_is_left(
    tmp_path: Path, piece: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pieces, "PIECE", piece)
    good, bad, out = tmp_path / "good.tsv", tmp_path / "bad.tsv", tmp_path / "g.kgw"
    good.write_text("a\tr\tb\n")
    build_graph([good], out)
    before = out.read_bytes()
    bad.write_text("a\tr\tb\nb\tr\tc\nb\tr\n")
    with pytest.raises(FormatError, match=rf"{bad}:3: expected 3 columns separated by tab, found 2"):
        build_graph([good, bad], out)
    bad.write_text("a\tr\tb\n\n\nb\tr\tc\n")
    with pytest.raises(FormatError, match=rf"{bad}:2: expected a triple, found a blank line"):
        build_graph([bad], out)
    bad.write_bytes(b"a\tr\tb\nb\tr\t\xff\n")
    with pytest.raises(FormatError, match=rf"{bad}:2: expected UTF-8"):
        build_graph([bad], out)
    bad.write_bytes(b"")
    with pytest.raises(FormatError, match=rf"{bad}:1: expected a triple, found an empty file"):
        build_graph([good, bad], out)
    assert out.read_bytes() == before
    assert sorted(os.listdir(tmp_path)) == ["bad.tsv", "g.kgw", "good.tsv"]


def test_what_cannot_be_used_is_refused(tmp_path: Path) -> None:
    file, out = tmp_path / "a.tsv", tmp_path / "g.kgw"
    with pytest.raises(MissingDataError, match="no such file"):
        build_graph([file], out)
    file.write_text("a\tr\tb\n")
    with pytest.raises(ValueError, match="expected at least one file"):
        build_graph([], out)
    with pytest.raises(ValueError, match="memory: expected at least 256MB"):
        build_graph([file], out, memory="1MB")
    with pytest.raises(ValueError, match="memory: expected at least 257MB for 2 entities"):
        build_graph([file], out, memory="256MB")
    with pytest.raises(IsADirectoryError, match="expected the name of a graph file"):
        build_graph([file], tmp_path)
    with pytest.raises(ValueError, match="one of the files to read"):
        build_graph([file], file)
    assert file.read_text() == "a\tr\tb\n"
    with pytest.raises(ValueError, match="memory: expected something like 4GB"):
        build_graph([file], out, memory="much")
    with pytest.raises(ValueError, match="max_out_degree: expected a whole number from 1"):
        build_graph([file], out, max_out_degree=[0])
    cut = tmp_path / "cut.tsv.gz"
    cut.write_bytes(gzip.compress(os.urandom(3000))[:-20])
    with pytest.raises(DamagedFileError, match="cut short"):
        build_graph([cut], out)
    ids = tmp_path / "ids.npy"
    for rows, message in (
        (np.zeros((2, 3), np.int64), r"expected ids, \(n, 3\) int32, found \(2, 3\) int64"),
        (np.array([[0, 0, 1], [0, -1, 1]], np.int32), r"expected ids of 0 or more, found \[0, -1, 1\] in row 1"),
        (np.array([[0, 2_000_000_000, 1]], np.int32), "expected relations below 1073741823"),
    ):
        np.save(ids, rows)
        with pytest.raises(FormatError, match=message):
            build_graph([ids], out)
    with pytest.raises(ValueError, match="do not go together"):
        build_graph([ids, file], out)
    assert not out.exists()


@pytest.mark.parametrize(
    ("text", "bytes_"), [("4GB", 4 << 30), ("512 MiB", 512 << 20), ("1.5g", 3 << 29), ("100", 100), (7, 7)]
)
def test_sizes_are_read(text: Any, bytes_: int) -> None:
    assert parse_memory(text) == bytes_


def test_rdf(tmp_path: Path) -> None:
    pytest.importorskip("pyoxigraph", reason="the extra rdf is not installed")
    turtle = tmp_path / "a.ttl"
    turtle.write_text('@prefix x: <http://x/> .\nx:a x:r x:b , "tab\\tline\\n" .\nx:b x:r x:a .\n')
    lines = tmp_path / "b.nt.gz"
    lines.write_bytes(gzip.compress(b"<http://x/a> <http://x/s> <http://x/c> .\n"))
    stored = open_graph(build_graph([turtle, lines], tmp_path / "g.kgw").path)
    assert stored.entities is not None
    assert stored.relations is not None
    assert stored.entities.to_list() == ["http://x/a", "http://x/b", '"tab\\tline\\n"', "http://x/c"]
    assert stored.relations.to_list() == ["http://x/r", "http://x/s"]
    assert stored.graph.num_facts == 4
    turtle.write_text("<http://x/a> <http://x/r> <http://x/b> .\n<http://x/a> 7\n")
    with pytest.raises(FormatError, match=r"a\.ttl:\d+: expected Turtle, found"):
        build_graph([turtle], tmp_path / "g.kgw")


def test_rdf_without_pyoxigraph_names_the_extra(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pyoxigraph", None)
    file = tmp_path / "a.nt"
    file.write_text("<a> <b> <c> .\n")
    with pytest.raises(ImportError, match=r"pip install 'kgwalk\[rdf\]'"):
        build_graph([file], tmp_path / "g.kgw")


def test_files_of_others_in_the_temporary_folder_are_left_alone(tmp_path: Path) -> None:
    file, out = tmp_path / "a.tsv", tmp_path / "g.kgw"
    file.write_text("a\tr\tb\nb\tr\tc\n")
    others = {name: tmp_path / name for name in ("entities.txt", "manifest.json", "rank.npy", "tails.bin")}
    for name, path in others.items():
        path.write_text(name)
    build_graph([file], out, max_out_degree=[1], temporary=tmp_path)
    build_views(out, [2])
    assert {name: path.read_text() for name, path in others.items()} == {name: name for name in others}
    assert not list(tmp_path.glob("g.kgw.*ing"))


@pytest.mark.parametrize("damage", ["facts.bin", "entities.txt", "manifest.json", "edges-0.bin", "bucket-1.bin"])
def test_what_was_damaged_between_is_made_anew(tmp_path: Path, damage: str, monkeypatch: pytest.MonkeyPatch) -> None:
    file, out = tmp_path / "a.tsv", tmp_path / "g.kgw"
    file.write_text("".join(f"e{i}\tr{i % 3}\te{i * 7 % 50}\n" for i in range(50)))
    expected = at_once([file], tmp_path / "expected.kgw")
    stop = "heads" if damage in ("facts.bin", "entities.txt") else "sorted"
    save = build_stages.Stages.save

    def killed(self: Any, **state: Any) -> None:
        if "heads" in state and stop == "heads":
            raise KeyboardInterrupt
        save(self, **state)
        if state.get("sorted"):
            raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(build_stages.Stages, "save", killed)
        with pytest.raises(KeyboardInterrupt):
            build_graph([file], out, bucket_edges=20)
    path = tmp_path / "g.kgw.building" / damage
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    build_graph([file], out, bucket_edges=20)
    assert out.read_bytes() == expected


def test_two_builds_of_one_graph_are_refused(tmp_path: Path) -> None:
    file, out = tmp_path / "a.tsv", tmp_path / "g.kgw"
    file.write_text("a\tr\tb\n")

    def again(*_: Any) -> None:
        with pytest.raises(ValueError, match="another build is at work"):
            build_graph([file], out)

    build_graph([file], out, progress=again)


def test_blank_nodes_are_of_their_file_and_named_alike_each_time(tmp_path: Path) -> None:
    pytest.importorskip("pyoxigraph", reason="the extra rdf is not installed")
    files = [tmp_path / "a.nt", tmp_path / "b.ttl"]
    files[0].write_text("_:x <http://r> _:y .\n_:y <http://r> _:x .\n")
    files[1].write_text("@prefix : <http://> . _:x :r [ :r :e ] .\n")
    first = build_graph(files, tmp_path / "g.kgw").path.read_bytes()
    assert build_graph(files, tmp_path / "h.kgw").path.read_bytes() == first
    names = list(open_graph(tmp_path / "g.kgw").entities or [])
    assert sorted(names) == ["_:a.nt#0", "_:a.nt#1", "_:b.ttl#0", "_:b.ttl#1", "http://e"]


def test_names_that_do_not_fit_into_the_memory_are_told_of(tmp_path: Path) -> None:
    file, out = tmp_path / "long.tsv", tmp_path / "g.kgw"
    with file.open("w") as to:
        to.writelines(f"{i:0>9000}\tr\t{i + 1:0>9000}\n" for i in range(3000))
    with pytest.raises(ValueError, match=r"for 3,001 entities with .* bytes of names so far"):
        build_graph([file], out, memory="300MB")
    assert build_graph([file], out, memory="1GB").num_entities == 3001
