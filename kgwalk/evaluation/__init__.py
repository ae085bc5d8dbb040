"""Evaluation: pure functions of ranked lists, and the one that asks an agent for them.

``report = evaluate(agent, dataset); rich.print(report.table()); report.save(path)``, and the same with
``evaluate_recommendations`` where users ask for items, ``evaluate_clicks`` where rows are labelled.
"""

from __future__ import annotations

from kgwalk.evaluation.clicks import ClickReport, evaluate_clicks
from kgwalk.evaluation.evaluate import evaluate
from kgwalk.evaluation.faithfulness import Faithfulness, faithfulness
from kgwalk.evaluation.labelled import LabelledReport, evaluate_labelled
from kgwalk.evaluation.metrics import auc_pr, expected_average_precision, ranking_metrics, roc_auc
from kgwalk.evaluation.path_quality import path_quality
from kgwalk.evaluation.plausibility import Plausibility, calibration_error, judge
from kgwalk.evaluation.protocol import Protocol
from kgwalk.evaluation.ranking import check_finite, dense_ranks, filtered_ranks, scores_of
from kgwalk.evaluation.recommendation import evaluate_recommendations
from kgwalk.evaluation.recommendation_report import (
    TOPK_100_USERS,
    TOPK_ALL,
    ListReport,
    RecommendationProtocol,
    RecommendationReport,
)
from kgwalk.evaluation.report import DirectionReport, Report
from kgwalk.evaluation.significance import Interval, paired_bootstrap
from kgwalk.evaluation.top_k import Relevant, top_k_metrics

__all__ = [
    "TOPK_100_USERS",
    "TOPK_ALL",
    "ClickReport",
    "DirectionReport",
    "Faithfulness",
    "Interval",
    "LabelledReport",
    "ListReport",
    "Plausibility",
    "Protocol",
    "RecommendationProtocol",
    "RecommendationReport",
    "Relevant",
    "Report",
    "auc_pr",
    "calibration_error",
    "check_finite",
    "dense_ranks",
    "evaluate",
    "evaluate_clicks",
    "evaluate_labelled",
    "evaluate_recommendations",
    "expected_average_precision",
    "faithfulness",
    "filtered_ranks",
    "judge",
    "paired_bootstrap",
    "path_quality",
    "ranking_metrics",
    "roc_auc",
    "scores_of",
    "top_k_metrics",
]
