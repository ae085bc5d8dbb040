"""What walkers may do on a graph, or on a graph with an overlay: made once, kept for the next batch."""

from __future__ import annotations

from kgwalk.graph import ActionSets, Expand, Graph, same_graph


class LegalMoves:
    """The rules of answering by graph: there is no own fact to hide, known answers are closed at the last hop.

    Args:
        max_out_degree: edges a node shows at most, 0 for all. It replaces the cap of an ``Expand`` that is asked about.
    """

    def __init__(self, max_out_degree: int) -> None:
        self.max_out_degree = max_out_degree
        self._base: Expand | None = None
        self._last: tuple[Graph | Expand, ActionSets] | None = None

    def on(self, graph: Graph | Expand) -> ActionSets:
        """What is legal on a graph. That of an overlay costs only the rows which it touches."""
        if self._last is None or self._last[0] is not graph:
            expand = self._plain(graph if isinstance(graph, Graph) else graph.graph)
            if isinstance(graph, Expand) and graph.overlay is not None:
                expand = expand.with_overlay(graph.overlay)
            self._last = (graph, ActionSets(expand, hide_fact=False, hide_answers=True))
        return self._last[1]

    def _plain(self, graph: Graph) -> Expand:
        if self._base is None or not same_graph(self._base.graph, graph):
            self._base = Expand(graph, max_out_degree=self.max_out_degree)
        return self._base
