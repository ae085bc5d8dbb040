#pragma once

#include <cstdint>
#include <vector>

#include "core/expand.h"

namespace kgwalk {

/// The relations of a walk, hop by hop. A walk along it is told by its entities alone: no two edges are alike in head,
/// relation and tail. All walks here are simple: they visit no entity twice. So a walk of a pair never comes back to
/// its source, never passes through its target, and from two hops on never takes the edge that joins the two.
///
/// They run over whole rows, overlay included: the degree cap of an Expand is not for them.
using Metapath = Span<const RelationId>;

/// Throws std::invalid_argument on no hop or more than kMaxPathHops, std::out_of_range on a relation that no edge has.
void check_relations(const Graph& graph, Metapath metapath);

/// How walks are drawn.
struct MetapathLimits {
  /// Walks drawn of each pair; all of them where there are no more.
  std::int64_t count = 1;
  /// Neighbours followed per node before the last two hops, 0 for all: see sample_metapath().
  std::int64_t max_fan_out = 0;
};

/// Walk w belongs to pair pairs[w], rising; its entities are w's row of (walks, hops + 1), source first.
struct MetapathWalks {
  std::vector<std::int32_t> pairs;
  std::vector<EntityId> entities;
};

/// Draws walks from sources[i] to targets[i] without replacement; every walk of a pair is as likely as any other. Those
/// of a pair come in rising order of their entities.
///
/// The walks are counted by meeting: a depth-first search over all but the last two hops, from the end with fewer
/// neighbours, and an intersection of two sorted rows for these. So a walk of two hops costs one intersection, one of
/// three as many as the source or the target has neighbours.
///
/// With a fan-out, of more neighbours that many are followed, evenly spaced from a random start. Then walks are equally
/// likely only among those through the neighbours followed: a walk through a crowded node is drawn less often.
///
/// Pair i draws from stream i of `seed`: what is drawn does not depend on the number of threads.
/// @param hidden  relation of the pair's own fact (source, hidden, target), which is out of sight; -1 for none
/// @throws std::invalid_argument on a bad metapath, limits out of range or lengths that disagree, std::out_of_range on
///         an id out of range
MetapathWalks sample_metapath(const Expand& expand, Metapath metapath, Span<const EntityId> sources,
                              Span<const EntityId> targets, const MetapathLimits& limits, RelationId hidden,
                              std::uint64_t seed);

/// How many walks there are, exactly: (pairs, metapaths) in row-major order.
/// @throws as sample_metapath
std::vector<std::int64_t> count_metapaths(const Expand& expand, Span<const Metapath> metapaths,
                                          Span<const EntityId> sources, Span<const EntityId> targets,
                                          RelationId hidden);

/// Per source the distinct entities that walks end at, in rising order, and how many end there.
struct MetapathEnds {
  std::vector<std::int64_t> offsets{0};
  std::vector<EntityId> entities;
  std::vector<std::int64_t> counts;
};

/// Where the walks of each source end. Walks are not enumerated over the last three hops: their numbers are added up
/// entity by entity, less those that would come back to where they passed.
/// @throws as sample_metapath
MetapathEnds metapath_ends(const Expand& expand, Metapath metapath, Span<const EntityId> sources);

}  // namespace kgwalk
