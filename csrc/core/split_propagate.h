#pragma once

#include <cstdint>
#include <vector>

#include "core/propagate.h"
#include "core/ragged_logits.h"

namespace kgwalk {

/// Probability that has chosen its relation but not yet its entity: mass of walkers at `entities` that will follow
/// `relations`. Grouped by query, within a query by rising prefix. A prefix includes the relation.
struct ChosenRelations {
  Span<const std::int64_t> query_offsets;
  Span<const std::int32_t> prefixes;
  Span<const RelationId> relations;
  Span<const EntityId> entities;
  Span<const double> mass;
};

/// Mass per (prefix, entity), in rising order within a query.
struct SplitMass {
  std::vector<std::int64_t> query_offsets{0};
  std::vector<std::int32_t> prefixes;
  std::vector<EntityId> entities;
  std::vector<double> mass;
};

/// The first half of a hop of a policy that chooses a relation, then an entity: splits the mass at a node among the
/// relations open there by the softmax of their logits, however many entities each has. One item comes out per (prefix,
/// relation, entity) of positive mass, the entity being where the walker still stands; they rise within a query.
/// Threaded over queries; sums run in an order that does not depend on it.
/// @param from  (prefix, entity) rise within a query, none twice
/// @param keep  items a query may keep, those of most mass (ties: the earlier); 0 for all. Time and memory grow with
///              what is kept, not with what is given: items of too little mass are not looked at.
/// @throws std::invalid_argument on arrays that do not fit together, mass that is negative or not finite, or a node
/// none
///         of whose relations has probability; std::out_of_range on ids outside the graph or prefixes outside the
///         logits
Propagated split_relations(const ActionSets& actions, Span<const Query> queries, const PrefixMass& from,
                           const RelationLogits& scores, bool last_hop, std::int64_t keep);

/// The second half: an item's mass is shared among the legal tails t of its relation by the softmax of
/// <entity_query[prefix], entity_table[t]>, equally where there is no entity_query. What comes to the same prefix and
/// entity is added up; at the last hop, to the same entity, under prefix 0. Threaded as above; holds one number per
/// entity and thread.
/// @param entity_query  (prefixes, d) or no data
/// @param entity_table  (entities, d); read only where there is an entity_query
/// @throws as split_relations; an item without a legal tail is a std::invalid_argument
SplitMass split_entities(const ActionSets& actions, Span<const Query> queries, const ChosenRelations& from,
                         ragged::Matrix<const float> entity_query, ragged::Matrix<const float> entity_table,
                         bool last_hop);

}  // namespace kgwalk
