"""Published figures of the KG-aware recommenders on Last.FM; they were measured on splits and code of their own."""

from __future__ import annotations

#: Row of the table of models: AUC, F1, R@10, R@100 as printed; None where it is not.
MODELS: dict[str, tuple[float | None, float | None, float | None, float | None]] = {
    "kgcn-sum": (0.794, 0.719, 0.112, 0.364),
    "kgcn-concat": (0.796, 0.721, None, None),
    "kgcn-neighbor": (0.781, 0.699, None, None),
    "kgcn-avg": (0.774, 0.692, None, None),
    "kgnn-ls": (0.803, None, 0.119, 0.360),
    "mi-kgnn": (0.803, None, 0.160, 0.465),
    "kgat": (0.803, None, 0.118, 0.430),
    "ripplenet": (0.780, 0.702, 0.101, 0.336),
    "cke": (0.744, 0.673, 0.070, 0.296),
    "svd": (0.769, 0.696, 0.098, 0.332),
    "fm": (0.778, 0.710, 0.103, 0.330),
    "fm-transe": (0.777, 0.709, 0.102, 0.326),
    "per": (0.633, 0.596, 0.052, 0.176),
}
#: Study: (metric that the paper's table has, value by row).
STUDIES: dict[str, tuple[str, dict[str, float]]] = {
    "kgcn-neighbours": (
        "auc",
        dict(zip(("2", "4", "8", "16", "32", "64"), (0.791, 0.794, 0.795, 0.793, 0.794, 0.792), strict=True)),
    ),
    "kgcn-depth": ("auc", dict(zip(("1", "2", "3", "4"), (0.794, 0.723, 0.545, 0.534), strict=True))),
    "kgcn-dim": (
        "auc",
        dict(zip(("4", "8", "16", "32", "64", "128"), (0.789, 0.793, 0.797, 0.793, 0.790, 0.789), strict=True)),
    ),
    "mi-ablation": (
        "recall@10",
        {"MI-KGNN": 0.160, "w/o neig. att.": 0.153, "w/o user att.": 0.158, "w/o att.": 0.125},
    ),
    "mi-neighbours": (
        "recall@10",
        dict(zip(("2", "4", "8", "16", "32"), (0.124, 0.153, 0.160, 0.143, 0.134), strict=True)),
    ),
    "mi-depth": ("recall@10", dict(zip(("1", "2", "3", "4"), (0.160, 0.132, 0.115, 0.073), strict=True))),
}
_FAST = ("FMK", "w-r-FMK", "w-a-FMK", "w-l-FMK", "w/o-r-FMK", "w/o-a-FMK", "w/o-l-FMK", "MI-KGNN")
#: MI-KGNN, Table 6: R@10 of one depth that is not told.
FAST_RECALL = dict(zip(_FAST, (0.134, 0.141, 0.132, 0.127, 0.118, 0.133, 0.135, 0.160), strict=True))
#: MI-KGNN, Table 7: seconds of a round of training at depths 1 to 4, on a GPU.
FAST_SECONDS = {
    "FMK": (24, 30, 45, 354),
    "w-r-FMK": (29, 41, 59, 422),
    "w-a-FMK": (29, 46, 69, 457),
    "w-l-FMK": (25, 39, 60, 439),
    "w/o-r-FMK": (24, 38, 57, 435),
    "w/o-a-FMK": (25, 32, 48, 386),
    "w/o-l-FMK": (29, 38, 58, 419),
    "MI-KGNN": (29, 47, 71, 464),
}
