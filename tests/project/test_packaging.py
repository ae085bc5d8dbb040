"""What would break an installation, checked without building one."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

import kgwalk

ROOT = Path(__file__).resolve().parents[2]


def pyproject() -> str:
    return (ROOT / "pyproject.toml").read_text()


def test_import_does_not_load_torch() -> None:
    program = "import sys, kgwalk, kgwalk.cli; sys.exit('torch' in sys.modules)"
    subprocess.run([sys.executable, "-c", program], check=True)


def test_every_package_on_disk_is_listed() -> None:
    listed = set(re.findall(r'"(kgwalk[\w.]*)"', re.search(r"packages = \[(.*?)\]", pyproject(), re.DOTALL)[1]))
    folders = [*(ROOT / "kgwalk").rglob("__init__.py"), *(ROOT / "agents").rglob("__init__.py")]
    names = [".".join(path.parent.relative_to(ROOT).parts) for path in folders]
    assert listed == {name if name.startswith("kgwalk") else f"kgwalk.{name}" for name in names}


def test_the_version_is_said_once_more_and_agrees() -> None:
    assert f'version = "{kgwalk.__version__}"' in pyproject()
    assert f"[{kgwalk.__version__}]" in (ROOT / "CHANGELOG.md").read_text()


def test_every_dependency_is_pinned() -> None:
    pinned = {
        line.split("==")[0].lower().replace("_", "-") for line in (ROOT / "constraints.txt").read_text().splitlines()
    }
    lists = re.findall(
        r"^(?:dependencies|agents|sb3|kge|pettingzoo|minari|torchrl|dev|docs) = \[(.*?)\]\s*$",
        pyproject(),
        re.DOTALL | re.MULTILINE,
    )
    wanted = {name.lower() for block in lists for name in re.findall(r'"([A-Za-z][\w.-]*)', block)}
    assert wanted
    assert wanted <= pinned


def test_agents_cannot_be_imported_twice() -> None:
    done = subprocess.run([sys.executable, "-c", "import agents"], capture_output=True, text=True, cwd=ROOT)
    assert done.returncode
    assert "import kgwalk.agents" in done.stderr


@pytest.mark.parametrize("path", ["Makefile", ".ci/run", "README.md", "CONTRIBUTING.md", "pyproject.toml"])
def test_no_path_of_one_machine_is_committed(path: str) -> None:
    text = (ROOT / path).read_text()
    assert not re.search(r"/(work|home|root|tmp|Users)/\w", text)


def test_make_help_lists_every_target() -> None:
    shown = subprocess.run(["make", "help"], capture_output=True, text=True, check=True, cwd=ROOT).stdout
    targets = ["setup", "quickstart", "test", "lint", "format", "bench", "sanitize", "fuzz", "docs"]
    assert all(re.search(rf"^  {target} ", shown, re.MULTILINE) for target in ["help", *targets])
