"""What every benchmark shares: the JSON record of a result, peak memory, and one look for printed tables."""

from __future__ import annotations

import dataclasses
import datetime
import json
import math
import os
import platform
import re
import shlex
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Table

REPOSITORY = Path(__file__).resolve().parent.parent
RESULTS = REPOSITORY / "benchmarks" / "results"

# Files that a benchmark itself writes do not make the code it measured "dirty".
_WRITTEN_BY_BENCHMARKS = ("benchmarks/results", "BENCHMARKS.md", "README.md")
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
_STARTED = time.perf_counter()


def save_result(
    bench: str,
    name: str,
    metrics: Mapping[str, Any],
    *,
    seed: int | None,
    dataset: str | None = None,
    agent: str | None = None,
    protocol: object = None,
    seconds: float | None = None,
) -> Path:
    """Write ``benchmarks/results/<bench>/<name>.json``, whole or not at all.

    Args:
        bench: folder of the result, for instance ``"step"`` or ``"completion"``.
        name: file name without ending; quality runs are ``<dataset>-<agent>[-<variant>]-seed<k>``.
        metrics: figures as in DESIGN "Results": fractions, not percent; nested mappings and numpy scalars are fine.
        seed: seed of the run, None where nothing is drawn.
        dataset: its folder name in ``$KGWALK_DATA``, or the name of an embedded set.
        agent: registered agent name.
        protocol: what the numbers mean: a mapping or a dataclass.
        seconds: duration of what was measured; by default since this module was imported.

    Returns:
        The file written.

    Raises:
        ValueError: ``bench`` or ``name`` is no plain file name, or a figure is not finite.
        TypeError: a value cannot be written as JSON.
    """
    for part in (bench, name):
        if not _NAME.fullmatch(part):
            raise ValueError(f"expected a plain file name of letters, digits, '.', '_' and '-', got {part!r}")
    record = {
        "bench": bench,
        "name": name,
        "command": command(),
        "commit": commit(),
        "date": datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds"),
        "hardware": hardware(),
        "seed": seed,
        "seconds": round(time.perf_counter() - _STARTED if seconds is None else seconds, 3),
        "peak_rss_mb": round(peak_rss_mb(), 1),
        "dataset": dataset,
        "agent": agent,
        "protocol": _plain(protocol),
        "metrics": _plain(metrics),
    }
    folder = RESULTS / bench
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{name}.json"
    temporary = folder / f".{name}.{os.getpid()}.tmp"
    try:
        with temporary.open("w", encoding="utf-8") as file:
            file.write(json.dumps(record, indent=2, ensure_ascii=False, allow_nan=False) + "\n")
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
    return path


def is_saved(bench: str, name: str) -> bool:
    """Whether a result of that name is there already."""
    return (RESULTS / bench / f"{name}.json").exists()


def fastest(function: Callable[[], object], *, seconds: float = 1.0) -> float:
    """Seconds of the fastest call among those that fit into ``seconds``, five at least."""
    function()
    best, end, calls = np.inf, time.perf_counter() + seconds, 0
    while calls < 5 or time.perf_counter() < end:
        start = time.perf_counter()
        function()
        best = min(best, time.perf_counter() - start)
        calls += 1
    return float(best)


def command() -> str:
    """How this process was started, as a user would type it in the repository: no absolute path is kept."""
    spec = getattr(sys.modules.get("__main__"), "__spec__", None)
    if spec is not None:
        head = ["python", "-m", spec.name.removesuffix(".__main__")]
    else:
        head = [Path(sys.argv[0]).name or "python"]
    return shlex.join([*head, *(_portable(argument) for argument in sys.argv[1:])])


def commit() -> str:
    """Short hash of the commit measured, ``-dirty`` appended if the code was changed since; ``unknown`` without git."""
    try:
        head = _git("rev-parse", "--short=12", "HEAD")
        changed = _git("status", "--porcelain", "--", ".", *(f":(exclude){p}" for p in _WRITTEN_BY_BENCHMARKS))
    except (OSError, subprocess.CalledProcessError):
        return "unknown"
    return f"{head}-dirty" if changed else head


def hardware() -> dict[str, Any]:
    """CPU model, cores this process may use, memory in GB; a GPU too if torch is loaded and sees one."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    found: dict[str, Any] = {"cpu": _cpu_model(), "cores": cores, "memory_gb": _memory_gb()}
    torch = sys.modules.get("torch")
    if torch is not None and torch.cuda.is_available():
        found["gpu"] = torch.cuda.get_device_name(0)
    return found


def peak_rss_mb() -> float:
    """Most memory this process has held, in MB of 10^6 bytes."""
    status = Path("/proc/self/status")
    if status.exists():
        # ru_maxrss survives exec on Linux, so a small program started by a large one would report its parent.
        match = re.search(r"^VmHWM:\s+(\d+) kB", status.read_text(encoding="ascii", errors="replace"), re.MULTILINE)
        if match:
            return int(match.group(1)) * 1024 / 1e6
    import resource  # not on Windows

    used = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return used / 1e6 if sys.platform == "darwin" else used * 1024 / 1e6


def print_table(title: str, columns: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Print rows under a title: numbers right-aligned, floats with four significant digits, None as a dash."""
    table = Table(title=title, title_justify="left")
    rows = [list(row) for row in rows]
    for index, column in enumerate(columns):
        cells = [row[index] for row in rows if row[index] is not None]
        numeric = bool(cells) and all(isinstance(cell, int | float | np.number) for cell in cells)
        table.add_column(column, justify="right" if numeric else "left", overflow="fold")
    for row in rows:
        table.add_row(*(format_figure(cell) for cell in row))
    Console().print(table)


def format_figure(value: object) -> str:
    """A figure as tables show it: ``12,345,678``, ``12,346``, ``0.4712``, a dash for None."""
    if value is None:
        return "-"
    if isinstance(value, float | np.floating):
        number = float(value)
        if not math.isfinite(number):
            return str(number)
        return f"{number:,.0f}" if abs(number) >= 1000 else f"{number:.4g}" if abs(number) >= 1 else f"{number:.4f}"
    if isinstance(value, int | np.integer) and not isinstance(value, bool):
        return f"{int(value):,}"
    return str(value)


def _plain(value: object) -> Any:
    """``value`` in JSON's own types; dataclasses become mappings, arrays lists."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return _plain(dataclasses.asdict(value))
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, np.ndarray):
        return _plain(value.tolist())
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if isinstance(value, np.generic):
        return _plain(value.item())
    if isinstance(value, Path):
        return _portable(str(value))
    if isinstance(value, float) and not math.isfinite(value):
        raise ValueError(f"expected finite figures, got {value}")
    return value


def _portable(argument: str) -> str:
    """``argument`` without this machine in it: relative to the repository, ``$KGWALK_DATA``, or the bare name."""
    option, equals, text = argument.partition("=") if argument.startswith("--") else ("", "", argument)
    path = Path(text)
    if not path.is_absolute():
        return argument
    data = os.environ.get("KGWALK_DATA")
    if path.is_relative_to(REPOSITORY):
        text = str(path.relative_to(REPOSITORY))
    elif data and path.is_relative_to(data):
        text = str(Path("$KGWALK_DATA") / path.relative_to(data))
    else:
        text = path.name
    return option + equals + text


def _git(*arguments: str) -> str:
    done = subprocess.run(["git", "-C", str(REPOSITORY), *arguments], capture_output=True, text=True, check=True)
    return done.stdout.strip()


def _cpu_model() -> str:
    info = Path("/proc/cpuinfo")
    if info.exists():
        match = re.search(r"^model name\s*:\s*(.+)$", info.read_text(encoding="utf-8", errors="replace"), re.MULTILINE)
        if match:
            return match.group(1).strip()
    return platform.processor() or platform.machine()


def _memory_gb() -> float | None:
    try:
        return round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1e9, 1)
    except (AttributeError, OSError, ValueError):  # not on Windows
        return None
