"""The cards of the knowledge-graph sets that kgwalk knows by name."""

from __future__ import annotations

import difflib

from kgwalk.data.cards import Card, DataFile, Source
from kgwalk.data.recommendation.catalog import RECOMMENDATION_CARDS

CONVE = "f3c0eb286025410fa5b4c04696c918264163d0ca"
MINERVA = Source("shehzaadzd/MINERVA", "d2f44ad7b48490fe73627cdd357e1465d67d9d75", licence="Apache-2.0")
_MINERVA_DATA = "datasets/data_preprocessed"

WN18RR = Card(
    name="WN18RR",
    folder="wn18rr",
    title="WordNet link prediction, the standard split of Dettmers et al. (ConvE)",
    description="Synsets joined by 11 lexical relations; the inverse test leakage of WN18 is removed.",
    files=(
        DataFile(
            "train.txt",
            86835,
            "038612e783c215ee5f3ca9fbfca27b8d0739be1028fe4ee7c174aecf0b83d5df",
            "train.txt",
            MINERVA.url(f"{_MINERVA_DATA}/WN18RR/train.txt"),
        ),
        DataFile(
            "valid.txt",
            3034,
            "453ce7202afa58094a04d2b1560ee2b02660f1c260b32ce6651c8ccedd1028ab",
            "valid.txt",
            MINERVA.url(f"{_MINERVA_DATA}/WN18RR/dev.txt"),
        ),
        DataFile(
            "test.txt",
            3134,
            "0383bceaaa1096cf3c03ec021ed0048068e2355dbfc0239b292cefdac821cec5",
            "test.txt",
            MINERVA.url(f"{_MINERVA_DATA}/WN18RR/test.txt"),
        ),
        DataFile(
            "entity_names.tsv",
            40943,
            "52b82662aef0a3d2ddf79967a0b4b412ff3cf263a1691ce63424d8a3814b64fd",
            optional=True,
        ),
        DataFile(
            "rnnlogic_rules.tsv",
            3057,
            "5fe420a5e1220d0e5015a5b4f31627a78505b2598220528c2bb5d652e40fa43f",
            optional=True,
        ),
    ),
    source=Source("TimDettmers/ConvE", CONVE, "WN18RR.tar.gz", "MIT"),
    licence="MIT (repository); WordNet has its own permissive licence",
    names=("entity_names.tsv", 1),
    rules="rnnlogic_rules.tsv",
    entities=40943,
    relations=11,
    facts=86835,
    oddities=(
        "384 entities occur only in valid or test; 210 valid and 210 test rows have an entity without an edge in train:"
        " no walker can answer them, and they count as misses.",
        "A third of the test pairs are joined in train in the opposite direction (symmetric relations): one inverse"
        " step answers them.",
        "7 self loops in train, 2 in valid.",
        "161 offsets name two synsets (a noun and a verb or adjective), so one node mixes two meanings.",
        "Entities are 8-digit offsets with leading zeros: strings, not numbers.",
    ),
)

FB15K_237 = Card(
    name="FB15k-237",
    folder="fb15k-237",
    title="Freebase link prediction, the standard split (Toutanova and Chen 2015)",
    description="A dense subset of Freebase with 237 relations; no test pair is joined in train in either direction.",
    files=(
        DataFile("train.txt", 272115, "61099230e4439f90885ca9767739e31e8e32f54736fa1c35952b27997bc7c08a", "train.txt"),
        DataFile("valid.txt", 17535, "749cbe9d923bac7b9354da5614ecfed2e0220256d442c3e04a6b303db1f273d9", "valid.txt"),
        DataFile("test.txt", 20466, "e2e35e8e6113de220140b6f44dc71a5207b0fc6872d575e874aefe13259b655b", "test.txt"),
        DataFile(
            "entity_names.tsv",
            14541,
            "04936bacefb3f016b30c08df6150c0e3db6b894c4e45240b0ed6943b6e9d451c",
            optional=True,
        ),
        DataFile(
            "anyburl_rules.tsv",
            21017,
            "7ef8250283ef814717357f6002fee5f5d0b39bad4496f71c698c2c2709c113cb",
            optional=True,
        ),
    ),
    source=Source("TimDettmers/ConvE", CONVE, "FB15k-237.tar.gz", "MIT"),
    licence="MIT (repository); of the Freebase data: not stated",
    names=("entity_names.tsv", 1),
    rules="anyburl_rules.tsv",
    entities=14541,
    relations=237,
    facts=272115,
    oddities=(
        "9 valid and 28 test rows have an entity unseen in train.",
        "1,625 self loops in train.",
        "A cap of 256 edges a node loses 11 % of the directed edges.",
        "Entity names are not unique: the MID is the key.",
        "The published archive has CRLF line ends, which silently break filtering if they are kept.",
    ),
)

NELL_995 = Card(
    name="NELL-995",
    folder="nell-995",
    title="NELL-995 (Xiong et al. 2017) as used by DeepPath, MINERVA, MultiHopKG and KBAT",
    description="Queries over 12 relations, answered by walking a graph of 200.",
    files=(
        DataFile(
            "graph.txt",
            149678,
            "826606112803d19cef310b45a908e6793d89c0ce99fed60d71a9c2095b71d8f6",
            "benchmarks/NELL-995/train2id.txt",
        ),
        DataFile(
            "train.txt",
            8747,
            "02a6213aa396fb8a92c0fed17e4e5c373c38ba4bff79e0e57c80cad843ff4962",
            f"{_MINERVA_DATA}/nell/train.txt",
            MINERVA.url(f"{_MINERVA_DATA}/nell/train.txt"),
        ),
        DataFile(
            "valid.txt",
            543,
            "9c02548083036fd7ccc4ccec649a633fc3a58c544a0d28496cd751c35fef23a8",
            f"{_MINERVA_DATA}/nell/dev.txt",
            MINERVA.url(f"{_MINERVA_DATA}/nell/dev.txt"),
        ),
        DataFile(
            "test.txt",
            3992,
            "e8a161070a8e2a9a4e493051b467438e775818d02f488bcae08b9ea80e2e9115",
            f"{_MINERVA_DATA}/nell-995/test.txt",
            MINERVA.url(f"{_MINERVA_DATA}/nell-995/test.txt"),
        ),
        DataFile(
            "test_seen.txt",
            2818,
            "5fce32ea11fcf6f7da8da032fd989f8c028338c4debfc8077215bffd85e56ebd",
            f"{_MINERVA_DATA}/nell/test.txt",
            MINERVA.url(f"{_MINERVA_DATA}/nell/test.txt"),
        ),
        DataFile(
            "test_candidates.tsv",
            23923,
            "dab404cdfa0c8a1a43f8f4e910565b6455032fd85a1b9b91e2208961b4c5210d",
            optional=True,
        ),
        DataFile(
            "dev_minerva_nell995.txt",
            3946,
            "0ec3c3d8cc67093ad747030fcf432cc15436d483f1f5fc764ebc156b5bca1169",
            optional=True,
        ),
    ),
    source=Source(
        "thunlp/OpenKE", "64c4ec8157abfc39112772e9825a349091da45f1", "benchmarks/NELL-995", licence="not stated"
    ),
    graph="graph.txt",
    splits=(
        ("train", "train.txt"),
        ("valid", "valid.txt"),
        ("test", "test.txt"),
        ("test_seen", "test_seen.txt"),
    ),
    candidates="test_candidates.tsv",
    valid_in_test_graph=True,
    entities=75492,
    relations=200,
    facts=149678,
    oddities=(
        "Training queries are the 12 relations of train.txt; the walking graph has 200.",
        "On test one walks graph plus valid.",
        "1,159 of 3,992 test rows and 102 of 543 valid rows have an entity without an edge in the graph: report test"
        " and test_seen.",
        "283 of the 19,931 negative candidates are true facts elsewhere in the set.",
        "MINERVA's dev.txt of folder nell-995 lies inside its own train: contaminated, not offered as a split.",
    ),
)


def _countries(
    level: int,
    facts: int,
    files: tuple[DataFile, ...],
    *,
    horizon: int,
    clean: int,
    degree: int,
) -> Card:
    how = {1: "two hops", 2: "two hops, the region's edge removed", 3: "three hops"}[level]
    return Card(
        name=f"Countries-S{level}",
        folder=f"countries_s{level}",
        title=f"Countries S{level} as shipped with MINERVA: in which region is a country? ({how})",
        description="244 countries, their regions and neighbours; two relations, locatedIn and neighborOf.",
        files=files,
        source=MINERVA,
        graph="graph.txt",
        known="full_graph.txt",
        entities=271,
        relations=2,
        facts=facts,
        max_out_degree=degree,
        horizon=horizon,
        oddities=(
            f"{24 - clean} of the 24 valid rows are edges of the graph already: split valid holds the {clean} clean"
            " rows, valid_published all 24.",
            "full_graph.txt holds the held-out facts: it filters rankings and is never walked.",
            "One duplicated line in graph.txt (micronesia locatedIn oceania), one self loop.",
            "neighborOf is not stored symmetrically.",
            "The held-out countries differ from other copies of this set: compare with MINERVA's figures only.",
        ),
    )


def _minerva(folder: str, **files: tuple[int, str]) -> tuple[DataFile, ...]:
    def entry(stem: str, rows: int, sha256: str) -> DataFile:
        upstream = f"{_MINERVA_DATA}/{folder}/{'dev' if stem == 'valid' else stem}.txt"
        return DataFile(f"{stem}.txt", rows, sha256, upstream, MINERVA.url(upstream))

    return tuple(entry(stem, rows, sha256) for stem, (rows, sha256) in files.items())


_FULL_GRAPH = (1159, "550df2a05f5cdd486ecafa9f62e7c5152540949525e7f29eb8eaa114d0d87bfa")

COUNTRIES_S1 = _countries(
    1,
    1110,
    _minerva(
        "countries_S1",
        graph=(1111, "d6a4384f64182504dc23bf4aa2bcae0d590ddcc58cc64eebe4fb22e463cd1c25"),
        train=(1111, "d6a4384f64182504dc23bf4aa2bcae0d590ddcc58cc64eebe4fb22e463cd1c25"),
        valid=(24, "5badda93f89f048c2c64a039efbdcd33f88c96d0eca0f0dd9ae149713f7c9fe4"),
        test=(24, "a110ad056966f092fab9e684da35538863eb0d161b39777e46751e8ba73865ba"),
        full_graph=_FULL_GRAPH,
    ),
    horizon=2,
    clean=11,
    degree=64,
)
COUNTRIES_S2 = _countries(
    2,
    1062,
    _minerva(
        "countries_S2",
        graph=(1063, "4a02e57832729c7b32146081cb7b3e7598d0bfe49d789d3c63165211e8a2cf03"),
        train=(118, "f8065010e61f7ffee001a8ebdd21c14028ed5d573a5b6713884280393ae3ac97"),
        valid=(24, "baac5025a39a493eff9af4ed372da2cb13b84419f2e9a692a1cd322b89062304"),
        test=(24, "90e2d28162fa3c631491dad7abf01540c855d7d952550f770c307027cc8de418"),
        full_graph=_FULL_GRAPH,
    ),
    horizon=2,
    clean=11,
    degree=64,
)
COUNTRIES_S3 = _countries(
    3,
    978,
    _minerva(
        "countries_S3",
        graph=(979, "3fab6c468c160d0876b64d65f2d5845a5ec0b4a59814302eea44ca56f4dfdda0"),
        train=(34, "8478b5d5f05c5494848060564e863d797e2bb0d8aa84bac4db8ed81c90025749"),
        valid=(24, "5badda93f89f048c2c64a039efbdcd33f88c96d0eca0f0dd9ae149713f7c9fe4"),
        test=(24, "a110ad056966f092fab9e684da35538863eb0d161b39777e46751e8ba73865ba"),
        full_graph=_FULL_GRAPH,
    ),
    horizon=3,
    clean=18,
    degree=64,
)

KINSHIP = Card(
    name="Kinship",
    folder="kinship",
    title="Alyawarra kinship terms, as shipped with MINERVA",
    description="104 people of an Australian tribe and 25 kinship terms; dense, and most queries have many answers.",
    files=_minerva(
        "kinship",
        graph=(17088, "8001e2fefb29fb90a23b992d2613f393b0e13f1c4ea58e02b44c7af254ce5398"),
        train=(8544, "738612111a6acf0e39662bde24c7e72a4d1edf20931beea077da367dda689731"),
        valid=(1068, "c56f8630a583178b1e569f11a64aa535ae1ce0b0912d8b1e24716be2b37f04da"),
        test=(1074, "05e5733265761d55be9c05bfaff5a8d0808df46f9c1e9d66cc3f2fe114e43d88"),
    ),
    source=MINERVA,
    graph="graph.txt",
    inverse_prefix="_",
    entities=104,
    relations=25,
    facts=8544,
    max_out_degree=176,
    horizon=2,
    oddities=(
        "graph.txt stores every inverse under a leading underscore; the loader drops them, as the graph makes its own.",
        "Valid has 22 and test 23 of the 25 relations.",
        "Entities and relations have no readable names.",
    ),
)

FAMILY = Card(
    name="Family",
    folder="family",
    title="Family: generated genealogies with planted rules (embedded, no download)",
    description=(
        "A few hundred people with readable names. Parents, children and spouses are drawn from a seed; every other"
        " relation follows from them by the rules in kgwalk.data.family.RULES, so exact answers are known."
    ),
    licence="Apache-2.0 (part of kgwalk)",
    max_out_degree=64,
    oddities=("Generated from a seed when loaded; there are no files.",),
)

CARDS: dict[str, Card] = {
    card.name: card
    for card in (
        *(WN18RR, FB15K_237, NELL_995, COUNTRIES_S1, COUNTRIES_S2, COUNTRIES_S3, KINSHIP, FAMILY),
        *RECOMMENDATION_CARDS,
    )
}


def plain_name(name: str) -> str:
    """A dataset's name in lower case, without what an environment id adds to it."""
    return name.lower().removeprefix("kgwalk:").removeprefix("kgwalk-").removeprefix("kgwalk/").removesuffix("-v0")


def find_card(name: str) -> Card:
    """The card of a dataset, by its name, its folder or an environment id, in any case.

    Raises:
        KeyError: no such dataset; the message names the nearest ones.
    """
    key = plain_name(name)
    by_key = {alias.lower(): card for card in CARDS.values() for alias in (card.name, card.folder)}
    if key in by_key:
        return by_key[key]
    near = difflib.get_close_matches(key, by_key, n=1, cutoff=0.5)
    hint = f"did you mean {by_key[near[0]].name}?" if near else f"there are {', '.join(CARDS)}"
    raise KeyError(f"no dataset {name!r}: {hint}")
