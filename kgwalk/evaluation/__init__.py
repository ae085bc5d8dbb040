"""Evaluation: pure functions of ranked lists, and the one that asks an agent for them.

``report = evaluate(agent, dataset); rich.print(report.table()); report.save(path)``
"""

from __future__ import annotations

from kgwalk.evaluation.evaluate import evaluate
from kgwalk.evaluation.metrics import auc_pr, expected_average_precision, ranking_metrics
from kgwalk.evaluation.plausibility import Plausibility, calibration_error, judge
from kgwalk.evaluation.protocol import Protocol
from kgwalk.evaluation.ranking import check_finite, dense_ranks, filtered_ranks, scores_of
from kgwalk.evaluation.report import DirectionReport, Report

__all__ = [
    "DirectionReport",
    "Plausibility",
    "Protocol",
    "Report",
    "auc_pr",
    "calibration_error",
    "check_finite",
    "dense_ranks",
    "evaluate",
    "expected_average_precision",
    "filtered_ranks",
    "judge",
    "ranking_metrics",
    "scores_of",
]
