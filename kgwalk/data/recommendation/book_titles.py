"""Titles for the books of a generated shop: each genre has its own words."""

from __future__ import annotations

import random

_WORDS = {
    "Adventure": (
        "Lost Last Hidden Golden Broken Farthest",
        "Island River Compass Summit Caravan Voyage Map Lagoon Expedition Pass",
    ),
    "Biography": (
        "Unlikely Private Restless Plain Long Double",
        "Life Portrait Inheritance Apprentice Notebook Letters Career Daughter Pioneer Witness",
    ),
    "Children's": (
        "Curious Sleepy Tiny Clever Muddy Brave",
        "Badger Teapot Kite Hedgehog Lighthouse Puddle Goose Button Balloon Fox",
    ),
    "Cookery": (
        "Slow Simple Winter Generous Salted Sunday",
        "Kitchen Table Oven Harvest Larder Loaf Orchard Supper Spoon Market",
    ),
    "Fantasy": (
        "Silver Sleeping Thorn Winter Glass Ninth",
        "Crown Dragon Tower Witch Sword Throne Raven Oath Kingdom Gate",
    ),
    "Gardening": (
        "Walled Patient Wild Shady Small Green",
        "Garden Border Rose Hedge Meadow Seed Bulb Allotment Compost Orchard",
    ),
    "History": (
        "Forgotten Iron Divided Great Silent Paper",
        "Empire Harbour Treaty Siege Railway Revolt Republic Frontier Merchants Crossing",
    ),
    "Horror": (
        "Hollow Pale Crawling Black Whispering Drowned",
        "House Cellar Chapel Mirror Attic Grave Well Nursery Moor Hour",
    ),
    "Humour": (
        "Reluctant Accidental Sensible Ridiculous Modern Polite",
        "Butler Wedding Committee Uncle Holiday Landlord Vicar Cat Picnic Mayor",
    ),
    "Mystery": (
        "Silent Crooked Poisoned Missing Locked Scarlet",
        "Witness Inspector Library Alibi Key Ledger Passenger Verdict Guest Clue",
    ),
    "Poetry": (
        "Blue Early Unsent Borrowed Salt Quiet",
        "Light Letters Rain Tides Songs Hours Birds Windows Snow Rooms",
    ),
    "Romance": (
        "Second Secret Summer Tender Unexpected Promised",
        "Waltz Letter Spring Heart Bride Vineyard Kiss Invitation Promise Bookshop",
    ),
    "Science Fiction": (
        "Distant Orbital Electric Infinite Frozen Last",
        "Signal Colony Machine Star Engine Horizon Satellite Android Planet Archive",
    ),
    "Travel": (
        "Slow Dusty Northern Open Borrowed Crowded",
        "Road Train Coast Ferry Bicycle Desert Mountains Harbours Monsoon Island",
    ),
}
_PLACES = [
    "Ardmere",
    "Belwick",
    "Castelo",
    "Dunmore",
    "Elsby",
    "Fennow",
    "Greyport",
    "Harlow",
    "Istra",
    "Kestrel",
    "Lisvane",
    "Moravel",
    "Norwell",
    "Ostia",
]
_FRAMES = ("The {adjective} {noun}", "The {noun} of {place}", "A {adjective} {noun}", "{adjective} {noun}")

#: Genres to draw from.
GENRES = tuple(_WORDS)


class TitleBook:
    """Gives every book of a shop another title, drawn with `rng`."""

    def __init__(self, rng: random.Random) -> None:
        self._rng = rng
        self._taken: set[str] = set()

    def give(self, genre: str) -> str:
        """A title of the genre that no book has yet."""
        adjectives, nouns = (words.split() for words in _WORDS[genre])
        while True:
            frame = self._rng.choice(_FRAMES)
            adjective, noun = self._rng.choice(adjectives), self._rng.choice(nouns)
            title = frame.format(adjective=adjective, noun=noun, place=self._rng.choice(_PLACES))
            title = title.replace("A A", "An A").replace("A E", "An E").replace("A I", "An I").replace("A O", "An O")
            title = title.replace("A U", "An U")
            key = title.removeprefix("The ").removeprefix("A ").removeprefix("An ")
            if key not in self._taken:  # "The Lost Map" and "A Lost Map" would be taken for one another
                self._taken.add(key)
                return title

    def give_series(self, genre: str) -> str:
        """The name of a series of that genre, unlike any title."""
        nouns = _WORDS[genre][1].split()
        while True:
            name = f"{self._rng.choice(_PLACES)} {self._rng.choice(nouns)} series"
            if name not in self._taken:
                self._taken.add(name)
                return name
