#pragma once

#include <cstdint>
#include <vector>

#include "core/path_finder.h"

namespace kgwalk {

/// Paths to known answers, each standing for others that were not kept.
struct SampledPaths {
  FoundPaths paths;
  /// (p): log of the number by which a sum over a query's paths must count this one.
  std::vector<float> log_weight;
};

/// Legal simple walks from source to target, drawn so that a walker's probability to arrive can be estimated:
/// the sum over a query's sampled paths of weight * probability is right on average for the walks of that kind,
/// whatever the walker: those that visit no entity twice and wait only at the end, which are the paths of the search.
///
/// What is likely to matter is kept: a path is drawn in proportion to the probability that a walker takes it who
/// chooses at random first one of the relations, then one of its entities, which is priority sampling (Duffield, Lund
/// and Thorup 2007) over the walks of the search. Of a relation with more than `limits.max_branch` entities the search
/// follows that many before the last hop, evenly spaced from a random start.
///
/// Query i draws from stream i of `seed`: what is found does not depend on the number of threads.
/// @throws as find_paths
SampledPaths sample_paths(const ActionSets& actions, Span<const Query> queries, const PathLimits& limits,
                          std::uint64_t seed);

}  // namespace kgwalk
