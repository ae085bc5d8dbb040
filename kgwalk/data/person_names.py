"""Names for the people of generated worlds."""

from __future__ import annotations

import random

_WOMEN = """
    Ada Alma Amy Anna Bess Beth Cara Clara Cleo Cora Daisy Dora Edith Ella Elsa Emma Esme Eva Faye Flora Freya Gina
    Gwen Hanna Hazel Helen Ida Ines Iris Isla Ivy Jane Joan Josie June Kate Lena Lily Lola Lucy Mabel Mae Maria Maud
    Mila Mina Nell Nina Nora Olga Olive Pearl Rosa Rose Ruby Ruth Sara Stella Tess Thea Una Vera Viola Wilma Zoe
"""
_MEN = """
    Abel Adam Alan Albert Amos Arlo Ben Bram Carl Clive Cyril Dan David Dean Edgar Emil Eric Ezra Felix Finn Frank
    Fred George Gil Glen Hal Harry Henry Hugo Hugh Ian Isaac Ivan Jack James Joel John Jonas Karl Keith Leo Lewis
    Luke Mark Max Miles Ned Noah Oscar Otto Owen Paul Percy Peter Ralph Rex Robin Roy Sam Simon Theo Thomas Tim Tom
    Victor Walter Will
"""
_SURNAMES = """
    Ash Baker Birch Brook Carter Dale Field Finch Fisher Forge Glen Grove Hart Heath Hill Lake Lane Marsh Mason
    Meadow Mill Moor North Oak Penn Pike Reed Rivers Rowe Shaw Stone Swift Thorn Vale Wade Wells West Wood Wren
    Yates
"""
#: Surnames to draw from.
SURNAMES = tuple(_SURNAMES.split())


class NameBook:
    """Gives every person of a world another name, drawn with `rng`."""

    def __init__(self, rng: random.Random) -> None:
        self._rng = rng
        self._taken: set[str] = set()

    def give(self, surname: str, *, woman: bool) -> str:
        """A full name that nobody has yet; once a surname's given names are used up, a numbered one."""
        names = (f"{given} {surname}" for given in (_WOMEN if woman else _MEN).split())
        free = [name for name in names if name not in self._taken]
        name = self._rng.choice(free) if free else f"{surname} {len(self._taken) + 1}"
        self._taken.add(name)
        return name
