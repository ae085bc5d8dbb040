"""The cards of the recommendation sets that kgwalk knows by name."""

from __future__ import annotations

from dataclasses import replace

from kgwalk.data.cards import Card, DataFile, Source

_PGPR = Source("orcax/PGPR", "df6aac19c3adfb056f42abb9e5af44fc3fdaa0d5", "data", "not stated")
_SPLITS = (("train", "train.txt"), ("test", "test.txt"))
_NO_WORDS = (
    "Word relations (mentions, described_by) are absent: published figures of PGPR and NSER used them and are not"
    " comparable."
)
_AMAZON = Card(
    name="",
    folder="",
    title="",
    source=_PGPR,
    licence="not stated; Amazon product data of McAuley et al.: treat as research use",
    graph="kg.txt",
    splits=_SPLITS,
    names=("entity_names.tsv", 1),
    interaction="purchase",
    item_type="product",
    metapaths="metapaths.txt",
    max_out_degree=256,
    oddities=(
        _NO_WORDS,
        "related_product is a type apart from product, though some of its ASINs are products too.",
        "The split is random per user, not by time.",
        "also_bought, also_viewed and bought_together are Amazon's site-wide lists and may reflect test purchases.",
        "category/0 is the root and touches every product.",
        "Product titles are not available, only ASINs.",
    ),
)
_AMAZON_METAPATHS = DataFile(
    "metapaths.txt", 15, "176ec5226797e5d467e02ac4ddcab5f17ff98e88d208cae95a0e2c201401d699", optional=True
)

AMAZON_BEAUTY = replace(
    _AMAZON,
    name="Amazon-Beauty",
    folder="amazon-beauty",
    title="Amazon Beauty (5-core) with product knowledge, the split and ids of PGPR and CAFE",
    description="Recommend a product to a user who bought others; brands, categories and related products are known.",
    files=(
        DataFile("kg.txt", 1115330, "1ca1c192177783208d597f6a26f87181725917b0e1ba3a842e5aa0c84a57db72"),
        DataFile("train.txt", 149844, "a676e92763414082eefce9784ba2856a82799b0c2d5dcf26ce0f50cad59bd4cc"),
        DataFile("test.txt", 48658, "f3e911babdad4d6b272236293eb7eca737296bef62cc8f6095767e75801f3e09"),
        DataFile(
            "entity_names.tsv",
            201510,
            "1ddd18a78aee6308a756845f68ebf0fa58f5f829c49cc0cbf129a2037a82418e",
            optional=True,
        ),
        _AMAZON_METAPATHS,
        DataFile(
            "train_dates.txt",
            149844,
            "2279f53b46e25a8bdd859561c7e8275de5d454e21ffccb908090ad647a76b1ee",
            optional=True,
        ),
        DataFile(
            "test_dates.txt", 48658, "36b4d67a75a6457589faa1ce8eb1a09ade166e1268425ee79802790c2a78fea7", optional=True
        ),
    ),
    entities=150741,
    relations=6,
    facts=1249973,
)
AMAZON_CELLPHONES = replace(
    _AMAZON,
    name="Amazon-Cellphones",
    folder="amazon-cellphones",
    title="Amazon Cell Phones and Accessories (5-core) with product knowledge, the split and ids of PGPR",
    description="Recommend a product to a user who bought others; brands, categories and related products are known.",
    files=(
        DataFile("kg.txt", 652689, "cb9021f2a1832e0f35576c334e3d9faa3e0c6d6004ef08adee454c6a67b6e41a"),
        DataFile("train.txt", 150048, "1d7f617ca227a01dcbc6475a963ee9cd5b7dd6239f4a3027452d5984ed82a4e6"),
        DataFile("test.txt", 44391, "78e7c0632dc260846a405cb099872440cf5f61a0983492f832f4988ad991d057"),
        DataFile(
            "entity_names.tsv",
            140756,
            "9ed5648ac26c3f2be89291b2b6a2aa4f003008a50356d4c5fcf3b55fe97ef328",
            optional=True,
        ),
        _AMAZON_METAPATHS,
        DataFile(
            "train_dates.txt",
            150048,
            "7dc808edb58c6942e6c5c76bfc60bb840bdb4862f50309546caf679646d4e3be",
            optional=True,
        ),
        DataFile(
            "test_dates.txt", 44391, "82fd4492da531f8472ee2254a645d8558ba507ad5a7f5de62832d63393f90818", optional=True
        ),
    ),
    entities=128605,
    relations=6,
    facts=786864,
)
LAST_FM = Card(
    name="LastFM",
    folder="last-fm",
    title="Last.FM (HetRec 2011) with the Satori sub-graph of KGCN, split of KDAR",
    description="Recommend an artist to a listener; of most artists little more is known than one fact.",
    files=(
        DataFile("kg.txt", 15518, "9467eebc29e8a19cd776bd954c168301203586cf46ab34ebb86738a49e9d64c2"),
        DataFile("train.txt", 17523, "2151a33289cba54a2f94469b1cf968be4dc196059bae34acfce9efa847a22a43"),
        DataFile("test.txt", 3473, "221a25d584c4a9a10302aa9611a6ee02effb837d5cc91b5008a6a0b909f3a523"),
        DataFile(
            "entity_names.tsv",
            3846,
            "e5d027c297aca32a3aa27721dd61fabb36dcf7e7f2fd5b2950bddacc58c1f139",
            optional=True,
        ),
        DataFile(
            "interactions.tsv",
            21173,
            "8f066cdcd065a5d3030608ec64348a634c8a194924028d07ffd53b783585b3a9",
            optional=True,
        ),
    ),
    entities=11181,
    relations=61,
    facts=31274,
    source=Source("hwwang55/KGCN", "2363ca2ddc66a79860629b2e0ec6ad23c57697c8", "data/music", "MIT"),
    licence="MIT (repository); HetRec 2011: non-commercial use",
    graph="kg.txt",
    splits=_SPLITS,
    names=("entity_names.tsv", 1),
    interaction="listens",
    every_interaction="interactions.tsv",
    oddities=(
        "326 artists of 342 test rows were never listened to in train.",
        "film.actor.film and film.person_or_entity_appearing_in_film.film are near duplicates.",
        "49 self loops in the knowledge graph.",
        "Few answers are reached through knowledge alone: walks need users who listen to the same.",
    ),
)
MOVIELENS_1M = Card(
    name="MovieLens-1M",
    folder="movielens-1m",
    title="MovieLens-1M likes (ratings of 4 and 5) with the small Satori graph of MKR, split of DiKGRS",
    description="Recommend a film to someone who liked others.",
    files=(
        DataFile("kg.txt", 20782, "fd5c164b0b407f2676dba43b7f08a2a7eb287ad5875becc1f7df3ac098751d9a"),
        DataFile("train.txt", 301509, "08724c77fd7c9b7bba34eef58f01970bf368d3e8fb4679c774590f13d1c2e765"),
        DataFile("test.txt", 75377, "adf90999b4170fbc2854b12f8c854faddd208c01b04168d818d103a075b94eb0"),
        DataFile(
            "entity_names.tsv",
            2347,
            "49b0cb45cbf0640c55f052a631e589853bd42591d1a71ff6db6a511176421020",
            optional=True,
        ),
    ),
    entities=13044,
    relations=8,
    facts=316353,
    source=Source("hwwang55/MKR", "d6bb77c426960bc04f5d88c39f09d87a844776b4", "data/movie", "MIT"),
    licence="GroupLens: citation asked for, no redistribution",
    graph="kg.txt",
    splits=_SPLITS,
    names=("entity_names.tsv", 1),
    interaction="likes",
    max_out_degree=512,
    oddities=(
        "This is not RippleNet's larger graph of 1,241,995 facts.",
        "One test user has no train row.",
        "587 facts have a head that is no item; MKR drops them, they are kept here.",
        "Genres, languages, countries and ratings are hubs.",
    ),
)
BOOK_CROSSING = Card(
    name="Book-Crossing",
    folder="book-crossing",
    title="Book-Crossing with the Satori graph of RippleNet and CKAN",
    description="Recommend a book to a reader. Published without a split: a fifth of the interactions is test here.",
    files=(
        DataFile("kg.txt", 151500, "0149c47a032fd38381a77a3979434ac5745ca93535665b72c326de0ffddb0ea7"),
        DataFile("interactions.tsv", 139746, "f7a0a2cd27412b8f57241b529c7ae12925713ab89f3ddf1fcdf1ce265ce30ea9"),
        DataFile(
            "entity_names.tsv",
            14967,
            "b9d3cad483b8e7dd3fed81c2826d3b9dff19c1fc31f254122ba2d17e80910ef4",
            optional=True,
        ),
    ),
    entities=95763,
    relations=26,
    facts=205301,
    source=Source("CCIIPLab/MCCLK", "4b0d2843b73adbe816a7a5bb1788b4f4bcd777f4", "data/book", "not stated"),
    graph="kg.txt",
    splits=(("train", "interactions.tsv"),),
    test_share=0.2,
    interaction="reads",
    oddities=(
        "No published split: a seeded fifth of the interactions is test; one of every user stays in train.",
        "11,091 of the 17,860 users have one interaction only.",
        "Label 0 marks sampled negatives; they are dropped.",
        "Most relation names are lost; relation_0 holds the inverse of every book.written_work.author fact.",
        "Books have ISBNs, no titles.",
    ),
)

BOOKSHOP = Card(
    name="Bookshop",
    folder="bookshop",
    title="Bookshop: generated readers with planted tastes (embedded, no download)",
    description=(
        "Recommend a book to a reader. Readers love genres and authors and read series on; books have authors, genres,"
        " publishers and series, and all have readable names."
    ),
    licence="Apache-2.0 (part of kgwalk)",
    graph="",
    splits=(),
    interaction="reads",
    user_type="reader",
    item_type="book",
    max_out_degree=64,
    oddities=(
        "Generated from a seed when loaded; there are no files.",
        "The newest books have no training reader: only their author, genres, publisher and series lead to them.",
        "Test is the last fifth of what everyone read.",
    ),
)

RECOMMENDATION_CARDS = (AMAZON_BEAUTY, AMAZON_CELLPHONES, LAST_FM, MOVIELENS_1M, BOOK_CROSSING, BOOKSHOP)
