"""``make test-packaging``: wheel and sdist build, hold what they should, and import where torch is not installed.

Too slow for the suite (three builds, one environment); run before a release and after a change of packaging.
"""

from __future__ import annotations

import subprocess
import sys
import tarfile
import tempfile
import venv
import zipfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
SOURCES = ["csrc/core/graph.h", "agents/__init__.py", "tests/conftest.py", "benchmarks/common.py", "constraints.txt"]
PROGRAM = """
import importlib.util
assert importlib.util.find_spec("torch") is None, "torch is installed: the check would prove nothing"
import numpy as np
import kgwalk, kgwalk.cli
graph = kgwalk.Graph.from_triples(np.array([[0, 0, 1], [1, 0, 2]], np.int32), 3, 1)
assert graph.num_edges == 4, graph.num_edges
assert importlib.util.find_spec("kgwalk.agents"), "kgwalk.agents is missing"
"""


def main() -> None:
    """Build, inspect, install, import; raises at the first thing that is not as it should be."""
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        say("building the sdist")
        sdist = build(ROOT, "--sdist", folder / "sdist")
        with tarfile.open(sdist) as archive:
            names = {name.partition("/")[2] for name in archive.getnames()}
            missing = [source for source in SOURCES if source not in names]
            assert not missing, f"the sdist lacks {missing}"
            # Our own archive; the filter is in the last releases of each Python only.
            archive.extractall(folder / "unpacked", **({"filter": "data"} if hasattr(tarfile, "data_filter") else {}))
        (unpacked,) = (folder / "unpacked").iterdir()
        say("building the wheel from the unpacked sdist")
        wheel = build(unpacked, "--wheel", folder / "wheel")
        check_wheel(wheel)
        say("building an sdist from the unpacked sdist")
        with tarfile.open(build(unpacked, "--sdist", folder / "again")) as archive:
            again = {name.partition("/")[2] for name in archive.getnames()}
        assert again == names, f"the second sdist differs: {sorted(again ^ names)}"
        say("importing the wheel where only the core dependencies are")
        venv.create(folder / "bare", with_pip=True)
        python = folder / "bare" / "bin" / "python"
        pip = [str(python), "-m", "pip", "install", "-q", "--disable-pip-version-check"]
        subprocess.run([*pip, "-c", str(ROOT / "constraints.txt"), str(wheel)], check=True)
        subprocess.run([str(python), "-W", "error", "-c", PROGRAM], check=True, cwd=folder)
        subprocess.run([str(python.with_name("kgwalk")), "--help"], check=True, cwd=folder, stdout=subprocess.DEVNULL)
        say("all good")


def build(source: Path, kind: str, target: Path) -> Path:
    """The one file that ``python -m build`` makes of ``source``."""
    subprocess.run(
        [sys.executable, "-m", "build", kind, "--outdir", str(target), str(source)],
        check=True,
        stdout=subprocess.DEVNULL,
    )
    (made,) = target.iterdir()
    return made


def check_wheel(wheel: Path) -> None:
    """The wheel holds the package, its agents, the extension and its types, and nothing else."""
    names = zipfile.ZipFile(wheel).namelist()
    strangers = [n for n in names if not n.startswith(("kgwalk/", "kgwalk-"))]
    assert not strangers, f"the wheel would install {strangers}"
    inside = [name for name in names if name.startswith("kgwalk/")]
    allowed = (".py", ".so", "py.typed", "_core.pyi")
    assert all(name.endswith(allowed) for name in inside), [name for name in inside if not name.endswith(allowed)]
    expected = {str(path.relative_to(ROOT)) for path in (ROOT / "kgwalk").rglob("*.py")}
    expected |= {f"kgwalk/{path.relative_to(ROOT)}" for path in (ROOT / "agents").rglob("*.py")}
    expected |= {"kgwalk/py.typed", "kgwalk/_core.pyi"}
    found = {name for name in inside if not name.endswith(".so")}
    assert found == expected, f"missing {sorted(expected - found)}, unexpected {sorted(found - expected)}"
    assert sum(name.startswith("kgwalk/_core.") and name.endswith(".so") for name in inside) == 1, inside


def say(text: str) -> None:
    """One line of progress."""
    print(text, flush=True)


if __name__ == "__main__":
    main()
