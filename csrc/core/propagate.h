#pragma once

#include <cstdint>
#include <vector>

#include "core/actions.h"
#include "core/span.h"

namespace kgwalk {

/// Probability on (relation prefix, entity) pairs, grouped by query and within a query by rising prefix. A prefix is a
/// query relation and the relations followed since, numbered over all queries.
struct PrefixMass {
  Span<const std::int64_t> query_offsets;
  Span<const std::int32_t> prefixes;
  Span<const EntityId> entities;
  Span<const double> mass;
};

/// Throws std::invalid_argument on arrays that do not fit together, std::out_of_range on a query outside the graph.
void check_mass(const ActionSets& actions, Span<const Query> queries, const PrefixMass& from);

/// How likely each relation is after each prefix: logits[prefix * width + relation], STAY the last of `width`. A policy
/// that says no more factorises over relation paths: it shares a node's probability among the legal moves by these.
struct RelationLogits {
  Span<const float> logits;
  std::size_t width;
};

/// Mass one hop further; equal (prefix, relation, entity) are merged, in rising order within a query.
struct Propagated {
  std::vector<std::int64_t> query_offsets{0};
  std::vector<std::int32_t> prefixes;  // before the hop
  std::vector<RelationId> relations;   // followed in it
  std::vector<EntityId> entities;
  std::vector<double> mass;
  std::vector<double> dropped;  // per query
};

/// Appends the queries of a piece.
void append(Propagated& to, const Propagated& piece);

/// Moves all mass along all legal moves of a hop that is not the last. Threaded over queries; sums run in an order that
/// does not depend on it.
/// @param keep_prefixes  (prefix, relation) pairs a query may keep, those of most mass (ties: the lower); 0 for all
/// @throws std::invalid_argument on arrays that do not fit together or a node none of whose moves has probability,
///         std::out_of_range on ids outside the graph or prefixes outside the logits
Propagated propagate_hop(const ActionSets& actions, Span<const Query> queries, const PrefixMass& from,
                         const RelationLogits& scores, std::int64_t keep_prefixes);

/// Mass per entity, prefixes forgotten: entities of positive mass in rising order.
struct EntityMass {
  std::vector<std::int64_t> offsets{0};
  std::vector<EntityId> entities;
  std::vector<double> mass;
};

/// The last hop, where only the entities matter: linear in the moves. Holds one number per entity and thread.
/// @throws as propagate_hop
EntityMass propagate_last(const ActionSets& actions, Span<const Query> queries, const PrefixMass& from,
                          const RelationLogits& scores);

}  // namespace kgwalk
