#pragma once

#include <functional>
#include <vector>

#include "core/graph.h"

namespace kgwalk {

/// Gives the tails of rows [first, last), one row behind the other, each in rising order (a tail once for every edge to
/// it). Called from several threads; `scratch` is the thread's own.
using SortedTails = std::function<Span<const EntityId>(EntityId first, EntityId last, std::vector<EntityId>& scratch)>;

/// PageRank of a graph that has every edge both ways, as ours do: what flows into a node comes along its own row. Each
/// sum runs over the neighbours in rising order, so the result does not depend on threads.
/// @param offsets  of the rows
/// @param step     called after each iteration with how many are done
std::vector<double> pagerank(Span<const std::int64_t> offsets, double damping, int iterations, const SortedTails& tails,
                             const std::function<void(int)>& step = {});

/// Writes the tails of rows [first, last) as SortedTails gives them. @throws std::out_of_range on a corrupt row
void sort_tails(const Graph& graph, EntityId first, EntityId last, EntityId* to);

/// Calls part(first, last) for runs of rows that have about `edges` edges, one row at least. Offsets are checked.
void each_run(const Graph& graph, std::int64_t edges, const std::function<void(EntityId, EntityId)>& part);

}  // namespace kgwalk
