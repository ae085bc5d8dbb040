"""Build of the C++ extension. All metadata is in pyproject.toml."""

import os
from glob import glob

from pybind11.setup_helpers import ParallelCompile, Pybind11Extension, build_ext
from setuptools import setup

headers = sorted(glob("csrc/**/*.h", recursive=True))


def needs_recompile(obj: str, src: str) -> bool:
    """Whether a source or any header is newer than the object: pybind11's own check forgets headers."""
    return os.path.getmtime(obj) < max(map(os.path.getmtime, [src, *headers]))


ParallelCompile("KGWALK_BUILD_JOBS", default=0, needs_recompile=needs_recompile).install()

extension = Pybind11Extension(
    "kgwalk._core",
    sorted(glob("csrc/core/*.cpp") + glob("csrc/bindings/*.cpp")),
    include_dirs=["csrc"],
    depends=headers,
    cxx_std=17,
    # Neither -march=native nor -ffast-math, and no fused multiply-add, which would round differently where the CPU has
    # it: one binary that runs on every CPU and gives the same numbers.
    extra_compile_args=["-O3", "-ffp-contract=off", "-Wall", "-Wextra"],
)

# A second environment of the same Python takes the core that the first has compiled in place (`make test-ray`).
compiled = "KGWALK_COMPILED" in os.environ

setup(ext_modules=[] if compiled else [extension], cmdclass={"build_ext": build_ext})
