"""Large arrays that come and go with every step cost no new pages once a training has begun."""

from __future__ import annotations

import os
import platform
import subprocess
import sys
from pathlib import Path

import pytest

# The file alone: the package of agents takes seconds to import.
FILE = Path(__file__).resolve().parents[2] / "agents" / "allocator.py"
PROGRAM = """
import importlib.util, resource, sys
import numpy as np

if sys.argv[1] == "keep":
    spec = importlib.util.spec_from_file_location("allocator", sys.argv[2])
    allocator = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(allocator)
    assert allocator.keep_freed_memory()
array = np.ones(12 << 20, np.float32)  # 48 MiB
for _ in range(2):
    array * 2
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(5):
    array * 2
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="of glibc")
def test_kept_memory_has_its_pages_already() -> None:
    faults = []
    for mode in ("keep", "leave"):
        command = [sys.executable, "-c", PROGRAM, mode, str(FILE)]
        env = {**os.environ, "NUMPY_MADVISE_HUGEPAGE": "0"}
        faults.append(int(subprocess.run(command, capture_output=True, text=True, check=True, env=env).stdout))
    assert 10 * faults[0] < faults[1]
