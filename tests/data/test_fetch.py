"""Downloads by hash from a local server, and folders made of archives."""

import hashlib
import io
import tarfile
import threading
import zipfile
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer

import pytest

from kgwalk.data import CARDS, DamagedFileError, MissingDataError, fetch, load
from kgwalk.data.archives import decode_ids, read_members
from kgwalk.data.cards import Card, DataFile, Source

TEXTS = {"train.txt": b"a\tr\tb\nb\tr\tc\n", "valid.txt": b"a\tr\tc\n", "test.txt": b"c\tr\ta\n"}


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *_):
        pass


@pytest.fixture
def server(tmp_path):
    """Address of a server of the folder tmp_path/served."""
    (tmp_path / "served").mkdir()
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=tmp_path / "served")) as http:
        thread = threading.Thread(target=http.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{http.server_port}"
        http.shutdown()
        thread.join()


@pytest.fixture
def card(monkeypatch):
    """A card in the catalogue, whose test.txt has no address."""

    def make(address="http://127.0.0.1:9", upstream="{}"):
        files = tuple(
            DataFile(
                name,
                text.count(b"\n"),
                hashlib.sha256(text).hexdigest(),
                upstream.format(name),
                "" if name == "test.txt" else f"{address}/{name}",
            )
            for name, text in TEXTS.items()
        )
        made = Card("Tiny", "tiny", "A tiny set", files=files, source=Source("some/one", "c" * 40, "Tiny.tar.gz"))
        monkeypatch.setitem(CARDS, "Tiny", made)
        return made

    return make


def archive(path, members):
    """A tar.gz or zip of name -> bytes; a tuple (type, target) makes a link."""
    if path.suffix == ".zip":
        with zipfile.ZipFile(path, "w") as out:
            for name, content in members.items():
                out.writestr(name, content)
        return path
    with tarfile.open(path, "w:gz") as out:
        for name, content in members.items():
            info = tarfile.TarInfo(name)
            if isinstance(content, tuple):
                info.type, info.linkname = content
                out.addfile(info)
            else:
                info.size = len(content)
                out.addfile(info, io.BytesIO(content))
    return path


def test_fetch_downloads_what_it_knows_and_says_how_to_get_the_rest(card, server, tmp_path):
    card(server)
    for name, text in TEXTS.items():
        (tmp_path / "served" / name).write_bytes(text)
    steps = []
    found = fetch.fetch("Tiny", tmp_path / "tiny", progress=lambda *step: steps.append(step))
    assert (found.files, found.elsewhere) == (("train.txt", "valid.txt"), ("test.txt",))
    assert "https://github.com/some/one at commit cccc" in found.advice
    assert "kgwalk data convert Tiny" in found.advice
    assert steps[-1] == (3, 3)
    assert (tmp_path / "tiny" / "train.txt").read_bytes() == TEXTS["train.txt"]
    # What is there and whole is not asked for again.
    (tmp_path / "served" / "train.txt").unlink()
    assert fetch.fetch("Tiny", tmp_path / "tiny").files == found.files
    # The rest comes from an archive.
    fetch.convert("Tiny", [archive(tmp_path / "t.tar.gz", {"test.txt": TEXTS["test.txt"]})], tmp_path / "tiny")
    assert load("Tiny", data_dir=tmp_path / "tiny").graph.num_facts == 2
    assert fetch.fetch("Tiny", tmp_path / "tiny").advice == ""


def test_a_download_of_other_bytes_is_refused(card, server, tmp_path):
    card(server)
    (tmp_path / "served" / "train.txt").write_bytes(b"<html>moved</html>")
    with pytest.raises(DamagedFileError, match=r"train\.txt: not the text that kgwalk knows"):
        fetch.fetch("Tiny", tmp_path / "tiny")
    assert not (tmp_path / "tiny" / "train.txt").exists()


def test_without_a_network_the_error_names_the_address_and_another_way(card, tmp_path):
    card()
    with pytest.raises(OSError, match=r"http://127\.0\.0\.1:9/train\.txt.*kgwalk data convert Tiny"):
        fetch.fetch("Tiny", tmp_path / "tiny")


@pytest.mark.parametrize("suffix", [".tar.gz", ".zip"])
@pytest.mark.parametrize("prefix", ["", "./", "Tiny/original/"])
def test_an_archive_with_crlf_becomes_a_folder(card, tmp_path, suffix, prefix):
    card()
    members = {prefix + name: text.replace(b"\n", b"\r\n") for name, text in TEXTS.items()}
    members |= {f"{prefix}._train.txt": b"junk", "other/train.txt": b"another set's\n"}
    folder = fetch.convert("Tiny", [archive(tmp_path / f"t{suffix}", members)], tmp_path / "tiny")
    assert {file.name: file.read_bytes() for file in folder.iterdir()} == TEXTS


def test_an_unpacked_folder_will_do(card, tmp_path):
    card(upstream="data/set/{}")
    (tmp_path / "repo" / "data" / "set").mkdir(parents=True)
    for name, text in TEXTS.items():
        (tmp_path / "repo" / "data" / "set" / name).write_bytes(text)
    folder = fetch.convert("Tiny", [tmp_path / "repo"], tmp_path / "tiny")
    assert sorted(file.name for file in folder.iterdir()) == sorted(TEXTS)


def test_members_that_lead_out_or_link_elsewhere_do_no_harm(card, tmp_path):
    card()
    (tmp_path / "secret").write_bytes(TEXTS["test.txt"])
    members = {
        "../../train.txt": TEXTS["train.txt"],
        "/valid.txt": TEXTS["valid.txt"],
        "test.txt": (tarfile.SYMTYPE, str(tmp_path / "secret")),
    }
    with pytest.raises(MissingDataError, match=r"no test\.txt in"):
        fetch.convert("Tiny", [archive(tmp_path / "t.tar.gz", members)], tmp_path / "a" / "tiny")
    assert not (tmp_path / "a").exists()
    members["test.txt"] = TEXTS["test.txt"]
    folder = fetch.convert("Tiny", [archive(tmp_path / "t.tar.gz", members)], tmp_path / "a" / "tiny")
    assert sorted(file.name for file in folder.iterdir()) == sorted(TEXTS)
    assert not (tmp_path / "train.txt").exists()


@pytest.mark.parametrize(
    ("other", "message"),
    [(b"a\tr\tb\n", "another version: 1 lines, not the known 2"), (b"b\tr\tc\na\tr\tb\n", "other facts or order")],
)
def test_another_version_of_a_set_is_refused(card, tmp_path, other, message):
    card()
    path = archive(tmp_path / "t.tar.gz", {**TEXTS, "train.txt": other})
    with pytest.raises(DamagedFileError, match=message):
        fetch.convert("Tiny", [path], tmp_path / "tiny")
    assert not (tmp_path / "tiny").exists()


def test_archives_that_cannot_be_read_are_named(card, tmp_path):
    card()
    whole = archive(tmp_path / "t.tar.gz", {name: text * 1000 for name, text in TEXTS.items()}).read_bytes()
    (tmp_path / "cut.tar.gz").write_bytes(whole[: len(whole) // 2])
    (tmp_path / "no.tar.gz").write_bytes(b"no archive")
    for name in ("cut.tar.gz", "no.tar.gz"):
        with pytest.raises(DamagedFileError, match=name):
            fetch.convert("Tiny", [tmp_path / name], tmp_path / "tiny")
    with pytest.raises(MissingDataError, match="no such archive"):
        fetch.convert("Tiny", [tmp_path / "gone.tar.gz"], tmp_path / "tiny")
    with pytest.raises(MissingDataError, match="no archive"):
        fetch.convert("Tiny", [], tmp_path / "tiny")


def test_a_generated_set_has_nothing_to_convert_or_fetch(tmp_path):
    with pytest.raises(ValueError, match="generated"):
        fetch.convert("Family", [tmp_path])
    assert fetch.fetch("Family", tmp_path / "family").advice == ""


def test_ids_become_names():
    entities, relations = b"3\nann\t0\nbob\t1\nnew york 2\n", b"2\nknows\t0\nin\t1\n"
    assert decode_ids(b"2\n0 1 0\n1 2 1\n", entities, relations, "x") == b"ann\tknows\tbob\nbob\tin\tnew york\n"
    for bad in (b"1\n0 3 0\n", b"1\n0 1\n"):
        with pytest.raises(DamagedFileError, match="x: ids"):
            decode_ids(bad, entities, relations, "x")


def test_members_are_matched_by_whole_path_parts(tmp_path):
    path = archive(tmp_path / "t.zip", {"a/set/train.txt": b"1", "a/notset/train.txt": b"2", "xtrain.txt": b"3"})
    assert read_members(path, ["set/train.txt", "train.txt"]) == {"set/train.txt": [b"1"], "train.txt": [b"1", b"2"]}


def test_wn18rr_is_rebuilt_from_an_archive_laid_out_as_published(benchmarks, tmp_path):
    data = load("WN18RR", data_dir=benchmarks)
    texts = {}
    for split, rows in data.splits.items():
        lines = (f"{data.entities[h]}\t{data.relations[r]}\t{data.entities[t]}\r\n" for h, r, t in rows.tolist())
        texts[f"WN18RR/{split}.txt"] = "".join(lines).encode()
    folder = fetch.convert("WN18RR", [archive(tmp_path / "WN18RR.tar.gz", texts)], tmp_path / "wn18rr")
    assert load("WN18RR", data_dir=folder).fingerprint == data.fingerprint
