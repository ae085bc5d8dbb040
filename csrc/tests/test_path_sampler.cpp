#include <cmath>
#include <functional>
#include <memory>
#include <set>
#include <utility>

#include "core/path_sampler.h"
#include "core/thread_pool.h"
#include "tests/check.h"
#include "tests/samples.h"

namespace kgwalk {
namespace {

constexpr int kHops = 3;
constexpr PathLimits kNoLimits{kHops, 1 << 20, 1 << 20};

using Path = std::vector<std::pair<RelationId, EntityId>>;

/// Both directions of every fourth fact, and two that begin where they end.
std::vector<Query> queries_of(const Sample& sample) {
  std::vector<Query> queries{{5, 1, 5}, {0, 0, 0}};
  for (std::size_t i = 0; i < sample.facts.size(); i += 4) {
    const Triple& f = sample.facts[i];
    queries.push_back({f.head, f.relation, f.tail});
    queries.push_back({f.tail, f.relation + sample.num_relations, f.head});
  }
  return queries;
}

/// The moves of each query's paths.
std::vector<std::set<Path>> sets_of(const FoundPaths& found, const std::vector<Query>& queries, RelationId stay) {
  std::vector<std::set<Path>> sets(queries.size());
  for (std::size_t p = 0; p < found.query.size(); ++p) {
    Path path;
    for (std::size_t h = 0; h < kHops; ++h) {
      if (found.relations[p * kHops + h] == stay) continue;
      path.emplace_back(found.relations[p * kHops + h], found.entities[p * (kHops + 1) + h + 1]);
    }
    const auto q = static_cast<std::size_t>(found.query[p]);
    CHECK_EQ(found.entities[p * (kHops + 1)], queries[q].source);
    CHECK(sets[q].insert(path).second);
  }
  return sets;
}

TEST(sampling_without_limits_finds_what_the_finder_finds) {
  for (const Sample& sample : samples()) {
    const std::vector<Query> queries = queries_of(sample);
    for (const int cap : {0, 5}) {
      for (const ActionRules rules : {ActionRules{true, true}, {true, false}, {false, true}}) {
        const ActionSets actions(Expand(sample.graph(), nullptr, cap), rules);
        const RelationId stay = actions.graph().stay();
        const SampledPaths sampled = sample_paths(actions, queries, kNoLimits, 3);
        CHECK(sets_of(sampled.paths, queries, stay) ==
              sets_of(find_paths(actions, queries, kNoLimits, 3), queries, stay));
        for (const float w : sampled.log_weight) CHECK_EQ(w, 0.0F);
      }
    }
  }
}

TEST(sampled_paths_count_for_those_left_out) {
  for (const Sample& sample : samples()) {
    const std::vector<Query> queries = queries_of(sample);
    const ActionSets actions(Expand(sample.graph()), {});
    std::vector<double> paths(queries.size(), 0), sums(queries.size(), 0), squares(queries.size(), 0);
    for (const std::int32_t q : find_paths(actions, queries, kNoLimits, 0).query) ++paths[static_cast<std::size_t>(q)];
    constexpr int kDraws = 1500;
    for (int draw = 0; draw < kDraws; ++draw) {
      const SampledPaths few = sample_paths(actions, queries, {kHops, 3, 2}, static_cast<std::uint64_t>(draw));
      std::vector<double> estimate(queries.size(), 0);
      for (std::size_t p = 0; p < few.log_weight.size(); ++p) {
        estimate[static_cast<std::size_t>(few.paths.query[p])] += std::exp(few.log_weight[p]);
      }
      for (std::size_t q = 0; q < queries.size(); ++q) {
        sums[q] += estimate[q];
        squares[q] += estimate[q] * estimate[q];
      }
    }
    for (std::size_t q = 0; q < queries.size(); ++q) {
      const double mean = sums[q] / kDraws, variance = squares[q] / kDraws - mean * mean;
      CHECK(std::abs(mean - paths[q]) <= 5 * std::sqrt(std::max(0.0, variance) / kDraws) + 1e-3);
    }
  }
}

TEST(sampling_does_not_depend_on_threads) {
  const Sample sample = untyped_sample();
  const ActionSets actions(Expand(sample.graph()), {});
  const std::vector<Query> queries = queries_of(sample);
  const SampledPaths one = sample_paths(actions, queries, {kHops, 3, 2}, 9);
  set_num_threads(4);
  const SampledPaths four = sample_paths(actions, queries, {kHops, 3, 2}, 9);
  set_num_threads(1);
  CHECK(one.paths.query == four.paths.query);
  CHECK(one.paths.entities == four.paths.entities);
  CHECK(one.paths.relations == four.paths.relations);
  CHECK(one.log_weight == four.log_weight);
}

TEST(sampling_refuses_what_it_cannot_search) {
  const ActionSets actions(Expand(untyped_sample().graph()), {});
  const std::vector<Query> good{{0, 0, 1}}, untold{{0, 0, -1}}, strange{{0, 0, 40}};
  CHECK_THROWS(std::invalid_argument, "at least 1", sample_paths(actions, good, {0, 1, 1}, 0));
  CHECK_THROWS(std::invalid_argument, "at least 1", sample_paths(actions, good, {1, 0, 1}, 0));
  CHECK_THROWS(std::invalid_argument, "at least 1", sample_paths(actions, good, {1, 1, 0}, 0));
  CHECK_THROWS(std::invalid_argument, "at most 16", sample_paths(actions, good, {17, 1, 1}, 0));
  CHECK_THROWS(std::invalid_argument, "target", sample_paths(actions, untold, {}, 0));
  CHECK_THROWS(std::out_of_range, "40", sample_paths(actions, strange, {}, 0));
}

TEST(sampling_in_a_mapped_graph_whose_edges_lead_out_of_it) {
  const auto offsets = std::make_shared<std::vector<std::int64_t>>(std::vector<std::int64_t>{0, 1, 2, 2});
  for (const EntityId tail : {9, -1}) {
    const std::vector<Edge> edges{{0, tail}, {0, tail}};
    const ActionSets actions(Expand(Graph(offsets, 3, 1, 1, *offsets, edges, {0, 3})), {false, false});
    const std::vector<Query> into{{0, 0, 1}}, past{{0, 0, 2}};
    CHECK_THROWS(std::out_of_range, "is not in [0, 3)", sample_paths(actions, into, kNoLimits, 0));
    for (const int hops : {2, 3}) {
      CHECK_THROWS(std::out_of_range, "is not in [0, 3)", sample_paths(actions, past, {hops, 9, 9}, 0));
    }
  }
}

}  // namespace
}  // namespace kgwalk
