"""Scorers are there without PyKEEN, which only ``from_pykeen`` needs."""

from __future__ import annotations

import subprocess
import sys

PROGRAM = """
import sys
sys.modules["pykeen"] = None
import kgwalk.scorers
kgwalk.scorers.EmbeddingScorer
try:
    kgwalk.scorers.from_pykeen
except ImportError as error:
    sys.exit("pip install 'kgwalk[kge]'" not in str(error))
sys.exit("from_pykeen was there")
"""


def test_without_pykeen_its_extra_is_named() -> None:
    subprocess.run([sys.executable, "-c", PROGRAM], check=True)
