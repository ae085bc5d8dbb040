#pragma once

#include <cstdint>
#include <vector>

#include "core/expand.h"

namespace kgwalk {

/// Edges drawn for rows of heads, row by row, the same number for each.
struct DrawnEdges {
  std::vector<RelationId> relations;
  std::vector<EntityId> tails;
};

/// Triples drawn for rows: that of row i, hop k and place j is at (i * hops + k) * size + j.
struct RippleSets {
  std::vector<EntityId> heads;
  std::vector<RelationId> relations;
  std::vector<EntityId> tails;
};

// What networks over a few sampled neighbours look at. All three draw from whole rows, overlay included and whatever
// the cap; with `forward_only` from edges of the facts' own direction. What has no edge gets STAY to itself. Each row
// has a stream of random numbers of its own: what is drawn never depends on the number of threads. Kernels share
// streams, so give each call (each hop, each epoch) a seed of its own.

/// `count` edges of each entity, in random order: without replacement where it has so many, else with (KGCN, Wang et
/// al. 2019, section 3). Entity e draws from stream e of `seed`: the same edges wherever it stands in the list.
/// @throws std::out_of_range on an entity id, std::invalid_argument on a count outside [1, 2^31)
DrawnEdges sample_neighbours(const Expand& expand, Span<const EntityId> entities, std::int64_t count,
                             std::uint64_t seed, bool forward_only = false);

/// One edge of each node, drawn uniformly among those that do not lead to the centre of its row (the non-central
/// neighbours of MI-KGNN's receptive field, Wang et al.); STAY if there is none. Row i draws from stream i of `seed`.
/// @param centres  one per node
/// @throws std::out_of_range on an entity id, std::invalid_argument on other lengths
DrawnEdges extend_field(const Expand& expand, Span<const EntityId> centres, Span<const EntityId> nodes,
                        std::uint64_t seed, bool forward_only = false);

/// The triples that a user's interest spreads to, hop by hop (RippleNet, Wang et al. 2018, section 3.3): `size` of the
/// edges of the user's own items, then of the edges of the tails drawn the hop before, a tail drawn twice counting
/// twice. Without replacement from a pool that has so many, else with; a hop whose pool is empty repeats the one
/// before. Items that have no edge at all give STAY at the first of them on every hop; a user without items, STAY at
/// entity 0. Row i draws from stream i of `seed`.
/// @param offsets  row i owns items[offsets[i]] to items[offsets[i + 1]]
/// @throws std::out_of_range on an entity id; std::invalid_argument on offsets that do not cover `items`, and on hops,
///         a size or hops * size outside [1, 2^31)
RippleSets ripple_sets(const Expand& expand, Span<const std::int64_t> offsets, Span<const EntityId> items,
                       std::int64_t hops, std::int64_t size, std::uint64_t seed, bool forward_only = false);

}  // namespace kgwalk
