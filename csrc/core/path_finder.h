#pragma once

#include <cstdint>
#include <vector>

#include "core/actions.h"

namespace kgwalk {

/// Walks that reach a known answer: path p belongs to query[p] and has `hops` moves, STAY at the end where it is
/// shorter.
struct FoundPaths {
  std::vector<std::int32_t> query;    // (p), rising
  std::vector<EntityId> entities;     // (p, hops + 1), source first
  std::vector<RelationId> relations;  // (p, hops)
};

/// Longest walk that is searched for; the search goes one call deeper with each hop.
constexpr int kMaxPathHops = 16;

struct PathLimits {
  int hops = 3;
  /// Paths kept per query; of more, a uniform sample.
  int max_paths = 64;
  /// Edges followed per node before the last hop; of more, a uniform sample.
  int max_branch = 256;
};

/// Throws std::invalid_argument on limits below 1 and on more than kMaxPathHops hops.
void check_path_limits(const PathLimits& limits);

/// Legal walks from source to target that visit no entity twice, by depth-first search with a look-up for the last hop,
/// so that its cost is max_branch^(hops - 1) nodes per query at worst. Query i draws from stream i of `seed`: what is
/// found does not depend on the number of threads.
/// @throws std::invalid_argument on limits below 1, more than kMaxPathHops hops or a query without a target
FoundPaths find_paths(const ActionSets& actions, Span<const Query> queries, const PathLimits& limits,
                      std::uint64_t seed);

}  // namespace kgwalk
