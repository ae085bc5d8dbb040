"""Predictions in bulk: a file of queries in, a file of answers with scores and paths out."""

from __future__ import annotations

import csv
import json
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
import polars as pl
from rich.console import Console
from rich.progress import track

from kgwalk.data.dataset import Dataset
from kgwalk.data.files import DamagedFileError, read_text
from kgwalk.explain import Answer, Explainer, Explanation, RuleInWords
from kgwalk.files import atomic_path
from kgwalk.protocols import Agent, Ids

COLUMNS = ("source", "relation")
TEXT = {".tsv": "\t", ".txt": "\t", ".csv": ","}


@dataclass(frozen=True)
class Predicted:
    """What `predict` did.

    Attributes:
        queries: How many queries were answered.
        answers: How many answers were written.
        skipped: How many queries name an entity or relation that the dataset does not have.
    """

    queries: int
    answers: int
    skipped: int


class Question(NamedTuple):
    """A query as it stands in a file."""

    line: int
    source: str
    relation: str


def predict(
    agent: Agent,
    dataset: Dataset,
    queries: Path,
    output: Path,
    *,
    answers: int = 10,
    skip_unknown: bool = False,
    batch_size: int = 512,
) -> Predicted:
    """Answer the queries of a file.

    Args:
        agent: Whatever answers queries.
        dataset: Its names and its graph; the graph walked is that of the test split.
        queries: Two columns, source and relation (``^name`` asks for the inverse), with or without a header line of
            these names: ``.tsv``, ``.txt``, ``.csv`` (also with ``.gz``) or ``.parquet``.
        output: ``.tsv`` or ``.parquet``: one row an answer (source, relation, rank, answer, label, score, known, path,
            path_probability, rule, rule_confidence); ``.jsonl``: one object a query, as `Explanation.to_json`. Empty
            is what an agent has not; beside a rule, the path is one that makes it true. Written whole or not at all.
        answers: How many answers a query gets at most.
        skip_unknown: Leave out, and count, queries with an unknown entity or relation instead of refusing the file.
        batch_size: Queries answered at once; changes no result.

    Raises:
        ValueError: If a file's extension is none of these, a line does not have two columns, or, with file and line
            number, a name is unknown.
        OSError: If a file cannot be read or written.
    """
    if output.suffix not in _WRITERS:
        raise ValueError(f"{output}: cannot tell the format; expected a name ending in {', '.join(_WRITERS)}")
    asked, skipped = resolve(dataset, queries, read_questions(queries), skip_unknown)
    explainer = Explainer(agent, dataset)

    def explanations() -> Iterator[Explanation]:
        console = Console(stderr=True)
        begins = range(0, len(asked), batch_size)
        for begin in track(begins, "predicting", console=console, transient=True, disable=not console.is_terminal):
            yield from explainer(asked[begin : begin + batch_size], answers=answers, paths=1)

    with atomic_path(output) as temporary:
        written = _WRITERS[output.suffix](explanations(), temporary)
    return Predicted(queries=len(asked), answers=written, skipped=skipped)


def read_questions(path: Path) -> list[Question]:
    """The queries of a file, with their line numbers (rows from 1 in Parquet).

    Raises:
        ValueError: If the extension is not one that `predict` reads, or a line has not two columns.
        OSError: If the file cannot be read.
    """
    suffix = Path(path.name.removesuffix(".gz")).suffix
    if suffix == ".parquet":
        return _from_parquet(path)
    if suffix not in TEXT:
        raise ValueError(f"{path}: cannot tell the format; expected a name ending in {', '.join(TEXT)} or .parquet")
    text = read_text(path).removeprefix("\ufeff")
    quoted = suffix == ".csv"
    rows = csv.reader(
        text.splitlines(), delimiter=TEXT[suffix], quoting=csv.QUOTE_MINIMAL if quoted else csv.QUOTE_NONE
    )
    questions = []
    for row in rows:
        if not row or (rows.line_num == 1 and tuple(cell.strip().lower() for cell in row) == COLUMNS):
            continue
        if len(row) != 2:
            raise DamagedFileError(f"{path}:{rows.line_num}: expected 2 columns, source and relation, found {len(row)}")
        questions.append(Question(rows.line_num, *row))
    if not questions:
        raise DamagedFileError(f"{path}: holds no queries; expected lines of source and relation")
    return questions


def resolve(dataset: Dataset, path: Path, questions: Sequence[Question], skip_unknown: bool = False) -> tuple[Ids, int]:
    """Ids of questions, (n, 2) int32, and how many were skipped.

    Raises:
        ValueError: At the first unknown name, unless they are to be skipped.
    """
    # Names are looked up in one call; what is left may be a label, and is rare.
    found = dataset.entities.find_all([question.source for question in questions])
    relations: dict[str, int] = {}
    asked, skipped = [], 0
    for question, source in zip(questions, found.tolist(), strict=True):
        try:
            if question.relation not in relations:
                relations[question.relation] = dataset.relation(question.relation)
            entity = source if source >= 0 else dataset.entity(question.source)
        except KeyError as error:
            if not skip_unknown:
                raise ValueError(f"{path}:{question.line}: {error.args[0]}") from error
            skipped += 1
            continue
        asked.append((entity, relations[question.relation]))
    return np.array(asked, dtype=np.int32).reshape(-1, 2), skipped


def _from_parquet(path: Path) -> list[Question]:
    try:
        frame = pl.read_parquet(path)
    except pl.exceptions.PolarsError as error:
        raise DamagedFileError(f"{path}: not a Parquet file that can be read ({error})") from error
    if frame.width != 2:
        raise DamagedFileError(f"{path}: expected 2 columns, source and relation, found {frame.width}")
    if frame.is_empty():
        raise DamagedFileError(f"{path}: holds no queries")
    rows = frame.cast(pl.String).fill_null("").iter_rows()
    return [Question(number, *row) for number, row in enumerate(rows, start=1)]


def _frame(explanations: Iterator[Explanation]) -> pl.DataFrame:
    rows = [
        (
            explained.source,
            explained.relation,
            answer.rank,
            answer.entity,
            answer.label,
            answer.score,
            answer.known,
            _path(answer),
            math.exp(answer.paths[0].log_prob) if answer.paths else None,
            rule.words if rule else None,
            rule.confidence if rule else None,
        )
        for explained in explanations
        for answer in explained.answers
        for rule in [_rule(answer)]
    ]
    schema = {
        "source": pl.String,
        "relation": pl.String,
        "rank": pl.Int32,
        "answer": pl.String,
        "label": pl.String,
        "score": pl.Float64,
        "known": pl.Boolean,
        "path": pl.String,
        "path_probability": pl.Float64,
        "rule": pl.String,
        "rule_confidence": pl.Float64,
    }
    return pl.DataFrame(rows, schema=schema, orient="row")


def _path(answer: Answer) -> str | None:
    """The best path, or the first walk of the best rule that has any."""
    walks = [path for rule in answer.rules[:1] for path in rule.groundings if path.hops]
    return str([*answer.paths, *walks][0]) if answer.paths or walks else None


def _rule(answer: Answer) -> RuleInWords | None:
    """The best rule of the best path; the best of all where there are no paths."""
    rules = answer.paths[0].rules if answer.paths else answer.rules
    return rules[0] if rules else None


def _write_tsv(explanations: Iterator[Explanation], path: Path) -> int:
    frame = _frame(explanations)
    frame.write_csv(path, separator="\t")
    return frame.height


def _write_parquet(explanations: Iterator[Explanation], path: Path) -> int:
    frame = _frame(explanations)
    frame.write_parquet(path)
    return frame.height


def _write_jsonl(explanations: Iterator[Explanation], path: Path) -> int:
    written = 0
    with path.open("w", encoding="utf-8") as lines:
        for explained in explanations:
            lines.write(json.dumps(explained.to_json(), ensure_ascii=False, allow_nan=False) + "\n")
            written += len(explained.answers)
    return written


_WRITERS = {".tsv": _write_tsv, ".parquet": _write_parquet, ".jsonl": _write_jsonl}
