"""Small folders of facts, and the real benchmarks where they are at hand."""

import gzip
import os
from pathlib import Path

import pytest

#: A toy set: loops, a duplicate, an isolated entity (eve occurs in test only).
TRAIN = "ada\tknows\tbob\nbob\tknows\tcy\ncy\tknows\tcy\nada\tknows\tbob\ncy\tlikes\tada\n"
VALID = "ada\tknows\tcy\n"
TEST = "bob\tlikes\teve\n"


@pytest.fixture
def toy(tmp_path):
    """A folder with train, valid and test."""
    return write(tmp_path / "toy", {"train.txt": TRAIN, "valid.txt": VALID, "test.txt": TEST})


@pytest.fixture(scope="session")
def benchmarks():
    """$KGWALK_DATA, or a skip."""
    root = os.environ.get("KGWALK_DATA")
    if not root:
        pytest.skip("KGWALK_DATA is not set: no benchmark files")
    return Path(root)


def write(folder, files):
    """Write text or bytes under the given names, compressed if the name ends in .gz."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in files.items():
        data = content.encode() if isinstance(content, str) else content
        (folder / name).write_bytes(gzip.compress(data) if name.endswith(".gz") else data)
    return folder


@pytest.fixture
def write_files():
    """The `write` helper."""
    return write
