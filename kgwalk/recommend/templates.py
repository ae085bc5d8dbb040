"""Templates: what a walk along a metapath says in the words of a shop, and what to call the metapath.

A template is text with places: ``{user}``, ``{1}``, ``{2}``, ... for the entities on the way, ``{item}`` for the last.
"""

from __future__ import annotations

import string
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from kgwalk.data.files import DamagedFileError, locate, read_text
from kgwalk.data.recommendation.dataset import Recommendation
from kgwalk.data.recommendation.metapaths import Metapath
from kgwalk.recommend.sentences import default_sentence, default_words

#: Looked for in a dataset's folder.
TEMPLATES_FILE = "templates.tsv"


@dataclass(frozen=True)
class Template:
    """For the walks along one metapath.

    Attributes:
        sentence: With places for entities.
        words: What to call the metapath; empty for what is made of its relations.
    """

    sentence: str
    words: str = ""


#: Those of the set that kgwalk makes itself.
BOOKSHOP: Mapping[str, Template] = {
    "reads written_by ^written_by": Template(
        "{user} has read “{1}” by {2}, who also wrote “{item}”.", "by an author they have read"
    ),
    "reads part_of ^part_of": Template(
        "{user} has read “{1}”; “{item}” is in the same series, {2}.", "in a series they have begun"
    ),
    "reads followed_by": Template("{user} has read “{1}”, and “{item}” is the next volume.", "the next volume"),
    "reads has_genre ^has_genre": Template(
        "{user} has read “{1}”; “{item}” is in the same genre, {2}.", "in a genre they read"
    ),
    "reads published_by ^published_by": Template(
        "{user} has read “{1}”; “{item}” is from the same publisher, {2}.", "from a publisher they read"
    ),
    "reads ^reads reads": Template(
        "{user} has read “{1}”, and {2}, who has read it too, has also read “{item}”.",
        "read by readers of the same books",
    ),
}


class Templates:
    """What walks of a dataset say.

    A metapath has the template that is given here, or else that of ``templates.tsv`` in the dataset's folder, or one of
    kgwalk's own; without any its sentence is made of the words of its relations.

    Args:
        dataset: Whose metapaths these are.
        own: By metapath, as `Recommendation.metapath` reads it: a sentence, or a `Template`.

    Raises:
        ValueError: A metapath that does not type-check or has an unknown relation, a place that it has not, a line that
            is no template; the message says where.
    """

    def __init__(self, dataset: Recommendation, own: Mapping[str, str | Template] | None = None) -> None:
        self.dataset = dataset
        self._of: dict[Metapath, Template] = {}
        if dataset.card.embedded and dataset.card.name == "Bookshop":
            self._add("Bookshop", BOOKSHOP)
        file = locate(dataset.folder, TEMPLATES_FILE) if dataset.folder is not None else None
        if file is not None:
            self._add_file(file)
        self._add("templates", own or {})

    @classmethod
    def of_file(cls, dataset: Recommendation, path: Path) -> Templates:
        """Templates of a file beside those that the dataset has: tab-separated metapath, sentence and, if any, words.

        Empty lines and those that begin with ``#`` are left out.

        Raises:
            ValueError: As `Templates`, with file and line.
            OSError: The file cannot be read.
        """
        templates = cls(dataset)
        templates._add_file(path)
        return templates

    def sentence(self, entities: Sequence[int], metapath: Metapath, user: str) -> str:
        """What a walk says.

        Args:
            entities: One more than relations; the user first, who is called ``user``.
            metapath: Relations hop by hop, without waiting.
            user: Readable name.
        """
        labels = [user, *(self.dataset.label(entity) for entity in entities[1:])]
        template = self._of.get(metapath)
        if template is not None:
            return template.sentence.format(*labels, user=user, item=labels[-1])
        items = self.dataset.items
        names = [
            f"“{label}”" if items.first <= entity < items.last else label
            for entity, label in zip(entities, labels, strict=True)
        ]
        return default_sentence(self.dataset, metapath, names)

    def words(self, metapath: Metapath) -> str:
        """What to call a metapath."""
        template = self._of.get(metapath)
        return (template.words if template is not None else "") or default_words(self.dataset, metapath)

    def _add(self, where: str, templates: Mapping[str, str | Template]) -> None:
        for text, template in templates.items():
            made = Template(template) if isinstance(template, str) else template
            self._enter(f"{where}, {text!r}", text, made, ValueError)

    def _add_file(self, path: Path) -> None:
        for where, text, template in _lines(path):
            self._enter(where, text, template, DamagedFileError)

    def _enter(self, where: str, text: str, template: Template, kind: type[ValueError]) -> None:
        try:
            metapath = self.dataset.metapath(text)
            _check(template.sentence, len(metapath))
        except (KeyError, ValueError) as error:
            raise kind(f"{where}: {error.args[0]}") from error
        self._of[metapath] = template


def _lines(path: Path) -> Iterator[tuple[str, str, Template]]:
    """Where a template stands, its metapath, and itself."""
    for number, line in enumerate(read_text(path).split("\n"), 1):
        if not line.strip() or line.startswith("#"):
            continue
        where = f"{path}:{number}"
        cells = [cell.strip() for cell in line.split("\t")]
        if len(cells) not in (2, 3) or not all(cells[:2]):
            raise DamagedFileError(f"{where}: expected metapath, sentence and, if any, words, separated by tabs")
        yield where, cells[0], Template(*cells[1:])


def _check(sentence: str, hops: int) -> None:
    """Refuse a sentence with a place that walks of so many hops do not have."""
    places = ["user", *map(str, range(1, hops + 1)), "item"]
    try:
        found = list(string.Formatter().parse(sentence))
    except ValueError as error:
        raise ValueError(f"the sentence {sentence!r} has a brace too many or too few ({error})") from error
    for _, place, form, conversion in found:
        if place is None:
            continue
        if place not in places or form or conversion:
            given = place + (f"!{conversion}" if conversion else "") + (f":{form}" if form else "")
            allowed = ", ".join(f"{{{name}}}" for name in places)
            raise ValueError(f"the sentence has a place {{{given}}}; a walk of {hops} hops has {allowed}")
