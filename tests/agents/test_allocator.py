"""Large tensors that come and go with every step cost no new pages once a training has begun."""

from __future__ import annotations

import platform
import subprocess
import sys

import pytest

PROGRAM = """
import resource, sys
import torch
from kgwalk.agents.allocator import keep_freed_memory

if sys.argv[1] == "keep":
    assert keep_freed_memory()
tensor = torch.ones(12 << 20)  # 48 MiB
for _ in range(2):
    tensor * 2
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(5):
    tensor * 2
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="of glibc")
def test_kept_memory_has_its_pages_already() -> None:
    faults = [
        int(subprocess.run([sys.executable, "-c", PROGRAM, mode], capture_output=True, text=True, check=True).stdout)
        for mode in ("keep", "leave")
    ]
    assert 10 * faults[0] < faults[1]
