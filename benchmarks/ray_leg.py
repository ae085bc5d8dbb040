"""The tests of the Ray leg, and their outcome as a record: ``python -m benchmarks.ray_leg --save``.

They need Ray and the one release of Gymnasium that RLlib takes; ``make test-ray`` makes such an environment and calls
this. The tests of the environments are run too, as that Gymnasium is another than everybody else's.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections import Counter
from collections.abc import Sequence
from importlib.metadata import version

import pytest

from benchmarks.common import save_result

FOLDERS = ("tests/ray", "tests/envs")
PACKAGES = ("ray", "gymnasium", "torch", "numpy")


class Outcomes:
    """A plugin that counts outcomes by folder."""

    def __init__(self) -> None:
        self.counts = {folder: Counter[str]() for folder in FOLDERS}

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Count a test once: where it was called, or where it failed or was skipped before."""
        if report.when == "call" or report.outcome != "passed":
            folder = next(folder for folder in FOLDERS if report.nodeid.startswith(folder))
            self.counts[folder][report.outcome] += 1


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the tests; the exit code is pytest's."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.ray_leg",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--save", action="store_true")
    parser.add_argument("pytest", nargs="*", help="arguments for pytest; nothing is saved with any")
    options = parser.parse_args(arguments)
    outcomes = Outcomes()
    began = time.perf_counter()
    code = pytest.main([*FOLDERS, *options.pytest], plugins=[outcomes])
    if options.save and not options.pytest:
        metrics = {
            "exit_code": int(code),
            "versions": {package: version(package) for package in PACKAGES},
            **{folder.replace("/", "_"): dict(counts) for folder, counts in outcomes.counts.items()},
        }
        save_result("ray_leg", "tests", metrics, seed=None, seconds=time.perf_counter() - began)
    sys.exit(code)


if __name__ == "__main__":
    main()
