"""Options that several commands share."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

DataDir = Annotated[
    Path | None,
    typer.Option(help="Where to look for dataset folders first; then come $KGWALK_DATA and the user's cache."),
]
Threads = Annotated[int | None, typer.Option(help="Threads to use; all processors by default.", show_default=False)]
RunFolder = Annotated[Path, typer.Argument(metavar="RUN", help="Folder of a run, as `kgwalk train` makes it.")]
Split = Annotated[str, typer.Option(help="Which of the dataset's splits.")]
