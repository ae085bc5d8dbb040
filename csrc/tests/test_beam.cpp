#include <cmath>
#include <map>
#include <memory>
#include <numeric>

#include "core/beam.h"
#include "core/propagate.h"
#include "core/thread_pool.h"
#include "tests/check.h"
#include "tests/samples.h"

namespace kgwalk {
namespace {

BeamLayout chain(std::vector<std::int64_t> budgets, bool per_path = false) {
  budgets.insert(budgets.begin(), 1);
  std::vector<std::int32_t> parents(budgets.size());
  std::iota(parents.begin(), parents.end(), -1);
  return {parents, std::vector<RelationId>(budgets.size(), kAnyRelation), budgets, per_path};
}

/// Paths under way, and what a policy that scores relations by a table makes of them.
struct Beam {
  std::vector<std::int64_t> query_offsets;
  std::vector<std::int32_t> nodes;
  std::vector<double> log_prob;
  std::vector<EntityId> at;
};

std::vector<float> relation_scores(const Graph& graph) {
  std::vector<float> scores(static_cast<std::size_t>(graph.stay()) + 1);
  for (std::size_t r = 0; r < scores.size(); ++r) scores[r] = 0.25F * static_cast<float>((3 * r + 1) % 5);
  return scores;
}

std::vector<Query> queries_of(const Graph& graph) {
  std::vector<Query> queries;
  for (EntityId e = 0; e < graph.num_entities(); ++e) queries.push_back({e, e % (2 * graph.num_relations()), -1});
  return queries;
}

Beam start(const std::vector<Query>& queries) {
  Beam beam;
  beam.query_offsets.resize(queries.size() + 1);
  std::iota(beam.query_offsets.begin(), beam.query_offsets.end(), 0);
  beam.nodes.assign(queries.size(), 0);
  beam.log_prob.assign(queries.size(), 0);
  for (const Query& q : queries) beam.at.push_back(q.source);
  return beam;
}

Beam extend(const ActionSets& actions, const BeamLayout& layout, const Beam& beam, const std::vector<Query>& queries,
            bool last) {
  const std::vector<float> scores = relation_scores(actions.graph());
  std::vector<std::int32_t> query_of;
  for (std::size_t q = 0; q < queries.size(); ++q) {
    query_of.resize(static_cast<std::size_t>(beam.query_offsets[q + 1]), static_cast<std::int32_t>(q));
  }
  const Ragged moves = actions.candidates(beam.at, query_of, queries, last);
  std::vector<float> logits, log_norm;
  for (const RelationId r : moves.relations) logits.push_back(scores[static_cast<std::size_t>(r)]);
  for (std::size_t row = 0; row < beam.at.size(); ++row) {
    double sum = 0;
    for (auto m = moves.offsets[row]; m < moves.offsets[row + 1]; ++m)
      sum += std::exp(logits[static_cast<std::size_t>(m)]);
    log_norm.push_back(static_cast<float>(std::log(sum)));
  }
  const BeamSelection kept = beam_select(layout, {beam.query_offsets, beam.nodes, beam.log_prob},
                                         {moves.offsets, moves.relations, logits, log_norm});
  Beam out{kept.query_offsets, kept.nodes, kept.log_prob, {}};
  for (const std::int64_t m : kept.moves) out.at.push_back(moves.tails[static_cast<std::size_t>(m)]);
  return out;
}

Beam walk(const ActionSets& actions, const BeamLayout& layout, int hops) {
  const std::vector<Query> queries = queries_of(actions.graph());
  Beam beam = start(queries);
  for (int hop = 0; hop < hops; ++hop) beam = extend(actions, layout, beam, queries, hop == hops - 1);
  return beam;
}

EntityMass propagated(const ActionSets& actions, int hops, std::int64_t keep, std::vector<double>* dropped = nullptr) {
  const std::vector<Query> queries = queries_of(actions.graph());
  const std::vector<float> scores = relation_scores(actions.graph());
  Beam beam = start(queries);
  std::vector<double> mass(queries.size(), 1);
  std::vector<std::int32_t> prefixes(queries.size(), 0);
  std::vector<float> logits = scores;
  for (int hop = 0; hop + 1 < hops; ++hop) {
    const Propagated out =
        propagate_hop(actions, queries, {beam.query_offsets, prefixes, beam.at, mass}, {logits, scores.size()}, keep);
    beam.query_offsets = out.query_offsets;
    beam.at = out.entities;
    mass = out.mass;
    prefixes.clear();
    const std::size_t before = logits.size() / scores.size();
    for (std::size_t i = 0; i < out.relations.size(); ++i) {
      prefixes.push_back(out.prefixes[i] * static_cast<std::int32_t>(scores.size()) + out.relations[i]);
    }
    logits.clear();
    for (std::size_t i = 0; i < before * scores.size(); ++i) logits.insert(logits.end(), scores.begin(), scores.end());
    if (dropped != nullptr) {
      for (std::size_t q = 0; q < queries.size(); ++q) (*dropped)[q] += out.dropped[q];
    }
  }
  return propagate_last(actions, queries, {beam.query_offsets, prefixes, beam.at, mass}, {logits, scores.size()});
}

TEST(beam_that_keeps_all_is_what_propagation_sums_up) {
  for (const Sample& sample : samples()) {
    const ActionSets actions(Expand(sample.graph()), {});
    const Beam beam = walk(actions, chain({1 << 20, 1 << 20, 1 << 20}), 3);
    const Pooled pooled = pool_entities(beam.query_offsets, beam.at, beam.log_prob);
    const EntityMass mass = propagated(actions, 3, 0);
    CHECK(pooled.offsets == mass.offsets);
    CHECK(pooled.entities == mass.entities);
    for (std::size_t i = 0; i < mass.mass.size(); ++i)
      CHECK(std::abs(std::exp(pooled.logsumexp[i]) - mass.mass[i]) < 1e-6);
  }
}

TEST(beam_keeps_its_budget_best_first) {
  for (const Sample& sample : samples()) {
    const ActionSets actions(Expand(sample.graph()), {});
    const Beam all = walk(actions, chain({1 << 20}), 1), few = walk(actions, chain({3}), 1);
    for (std::size_t q = 0; q + 1 < few.query_offsets.size(); ++q) {
      const auto found = all.query_offsets[q + 1] - all.query_offsets[q];
      CHECK_EQ(few.query_offsets[q + 1] - few.query_offsets[q], std::min<std::int64_t>(found, 3));
      for (std::int64_t i = 0; i < std::min<std::int64_t>(found, 3); ++i) {
        CHECK_EQ(few.at[static_cast<std::size_t>(few.query_offsets[q] + i)],
                 all.at[static_cast<std::size_t>(all.query_offsets[q] + i)]);
      }
    }
  }
}

TEST(propagation_accounts_for_what_it_drops) {
  for (const Sample& sample : samples()) {
    const ActionSets actions(Expand(sample.graph()), {});
    std::vector<double> dropped(static_cast<std::size_t>(sample.num_entities), 0);
    const EntityMass mass = propagated(actions, 3, 2, &dropped);
    for (std::size_t q = 0; q < dropped.size(); ++q) {
      const auto row = mass.mass.begin();
      const double kept = std::accumulate(row + mass.offsets[q], row + mass.offsets[q + 1], 0.0);
      CHECK(std::abs(kept + dropped[q] - 1) < 1e-12);
    }
  }
}

TEST(search_does_not_depend_on_threads) {
  for (const Sample& sample : samples()) {
    const ActionSets actions(Expand(sample.graph()), {});
    const Beam one = walk(actions, chain({4, 3, 2}, true), 3);
    const EntityMass mass_one = propagated(actions, 3, 4);
    set_num_threads(4);
    const Beam four = walk(actions, chain({4, 3, 2}, true), 3);
    const EntityMass mass_four = propagated(actions, 3, 4);
    set_num_threads(1);
    CHECK(one.at == four.at);
    CHECK(one.log_prob == four.log_prob);
    CHECK(mass_one.entities == mass_four.entities);
    CHECK(mass_one.mass == mass_four.mass);
  }
}

TEST(layouts_that_are_no_trees) {
  const std::vector<std::int32_t> parents{-1, 0, 0};
  const std::vector<std::int64_t> budgets{1, 1, 1};
  const auto make = [&](std::vector<RelationId> relations) { return BeamLayout(parents, relations, budgets, false); };
  CHECK_EQ(make({0, 4, 2}).child(0, 2), 2);
  CHECK_EQ(make({0, 4, 2}).child(0, 3), -1);
  CHECK_THROWS(std::invalid_argument, "distinct relations", make({0, 1, 1}));
  CHECK_THROWS(std::invalid_argument, "only child", make({0, 1, kAnyRelation}));
  CHECK_THROWS(std::invalid_argument, "budget must be positive, got 0", chain({0}));
}

TEST(a_mapped_graph_whose_edges_lead_out_of_it) {
  const auto offsets = std::make_shared<std::vector<std::int64_t>>(std::vector<std::int64_t>{0, 1, 1});
  const std::vector<Query> query{{0, 0, -1}};
  const std::vector<std::int64_t> query_offsets{0, 1};
  const std::vector<std::int32_t> zero{0};
  const std::vector<double> mass{1};
  const std::vector<float> logits(3, 0);
  for (const Edge bad : {Edge{0, 9}, Edge{0, -1}, Edge{7, 1}}) {
    const std::vector<Edge> edges{bad};
    const ActionSets actions(Expand(Graph(offsets, 2, 1, 1, *offsets, edges, {0, 2})), {false, false});
    CHECK_THROWS(std::out_of_range, "", propagate_last(actions, query, {query_offsets, zero, zero, mass}, {logits, 3}));
  }
}

}  // namespace
}  // namespace kgwalk
