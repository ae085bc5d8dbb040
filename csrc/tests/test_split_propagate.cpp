#include <cmath>
#include <limits>
#include <map>
#include <numeric>
#include <utility>

#include "core/split_propagate.h"
#include "core/thread_pool.h"
#include "tests/check.h"
#include "tests/samples.h"

namespace kgwalk {
namespace {

constexpr std::int64_t kDim = 5;

/// A policy that looks at no more than the relation just followed: row 0 is for the first hop, row r + 1 for after r.
struct Tables {
  std::size_t width;
  std::vector<float> logits, entity_query, entity_table;

  explicit Tables(const Graph& graph) : width(static_cast<std::size_t>(graph.stay()) + 1) {
    CounterRng rng(3, 0);
    const auto draw = [&](std::size_t n) {
      std::vector<float> values(n);
      for (float& x : values) x = 0.25F * static_cast<float>(rng.below(9));
      return values;
    };
    logits = draw((width + 1) * width);
    entity_query = draw((width + 1) * kDim);
    entity_table = draw(static_cast<std::size_t>(graph.num_entities()) * kDim);
  }
  ragged::Matrix<const float> queries() const {
    return {entity_query.data(), static_cast<std::int64_t>(width) + 1, kDim};
  }
  ragged::Matrix<const float> table() const {
    return {entity_table.data(), static_cast<std::int64_t>(entity_table.size()) / kDim, kDim};
  }
  double logit(std::size_t prefix, RelationId r) const { return logits[prefix * width + static_cast<std::size_t>(r)]; }
  double score(std::size_t prefix, EntityId e) const {
    const float *a = queries().row(static_cast<std::int64_t>(prefix)), *b = table().row(e);
    return std::inner_product(a, a + kDim, b, 0.0);
  }
};

std::vector<Query> queries_of(const Sample& sample) {
  std::vector<Query> queries;
  for (const Triple& f : sample.facts) {
    queries.push_back({f.head, f.relation, f.tail});
    queries.push_back({f.tail, f.relation + sample.num_relations, -1});
  }
  return queries;
}

/// Where walks of a query end, each followed on its own.
void follow(const ActionSets& actions, const Tables& tables, const Query& query, EntityId at, std::size_t prefix,
            int hops, double mass, std::map<EntityId, double>& ends) {
  if (hops == 0) {
    ends[at] += mass;
    return;
  }
  const std::int32_t first = 0;
  const Ragged moves = actions.candidates({&at, 1}, {&first, 1}, {&query, 1}, hops == 1);
  std::map<RelationId, std::vector<EntityId>> tails;
  for (std::size_t i = 0; i < moves.tails.size(); ++i) tails[moves.relations[i]].push_back(moves.tails[i]);
  double open = 0;
  for (const auto& [r, of_r] : tails) open += std::exp(tables.logit(prefix, r));
  for (const auto& [r, of_r] : tails) {
    const auto after = static_cast<std::size_t>(r) + 1;
    double sum = 0;
    for (const EntityId e : of_r) sum += std::exp(tables.score(after, e));
    const double share = mass * std::exp(tables.logit(prefix, r)) / open;
    for (const EntityId e : of_r) {
      follow(actions, tables, query, e, after, hops - 1, share * std::exp(tables.score(after, e)) / sum, ends);
    }
  }
}

SplitMass split(const ActionSets& actions, const Tables& tables, const std::vector<Query>& queries, int hops,
                std::int64_t keep, std::vector<double>* dropped = nullptr) {
  SplitMass at;
  at.query_offsets.resize(queries.size() + 1);
  std::iota(at.query_offsets.begin(), at.query_offsets.end(), 0);
  at.prefixes.assign(queries.size(), 0);
  at.mass.assign(queries.size(), 1);
  for (const Query& q : queries) at.entities.push_back(q.source);
  for (int hop = 0; hop < hops; ++hop) {
    const bool last = hop == hops - 1;
    Propagated chosen = split_relations(actions, queries, {at.query_offsets, at.prefixes, at.entities, at.mass},
                                        {tables.logits, tables.width}, last, keep);
    // The relation alone is the next prefix, so that what comes from several prefixes must be put side by side.
    std::vector<std::tuple<std::size_t, RelationId, EntityId, double>> items;
    for (std::size_t q = 0; q < queries.size(); ++q) {
      if (dropped != nullptr) (*dropped)[q] += chosen.dropped[q];
      for (auto i = chosen.query_offsets[q]; i < chosen.query_offsets[q + 1]; ++i) {
        const auto k = static_cast<std::size_t>(i);
        items.emplace_back(q, chosen.relations[k], chosen.entities[k], chosen.mass[k]);
      }
    }
    std::sort(items.begin(), items.end());
    for (std::size_t i = 0; i < items.size(); ++i) {
      std::size_t q = 0;
      std::tie(q, chosen.relations[i], chosen.entities[i], chosen.mass[i]) = items[i];
      chosen.prefixes[i] = chosen.relations[i] + 1;
    }
    at = split_entities(actions, queries,
                        {chosen.query_offsets, chosen.prefixes, chosen.relations, chosen.entities, chosen.mass},
                        tables.queries(), tables.table(), last);
  }
  return at;
}

TEST(split_propagation_is_the_sum_over_all_walks) {
  for (const Sample& sample : samples()) {
    const Tables tables(sample.graph());
    std::vector<Query> queries = queries_of(sample);
    queries.resize(40);
    for (const ActionRules rules : {ActionRules{true, true}, {false, true}, {true, false}}) {
      const ActionSets actions(Expand(sample.graph(), nullptr, 12), rules);
      const SplitMass mass = split(actions, tables, queries, 2, 0);
      for (std::size_t q = 0; q < queries.size(); ++q) {
        std::map<EntityId, double> ends;
        follow(actions, tables, queries[q], queries[q].source, 0, 2, 1, ends);
        CHECK_EQ(static_cast<std::size_t>(mass.query_offsets[q + 1] - mass.query_offsets[q]), ends.size());
        auto i = static_cast<std::size_t>(mass.query_offsets[q]);
        for (const auto& [entity, probability] : ends) {
          CHECK_EQ(mass.entities[i], entity);
          CHECK(std::abs(mass.mass[i++] - probability) < 1e-6);
        }
      }
    }
  }
}

TEST(split_propagation_accounts_for_what_it_drops) {
  for (const Sample& sample : samples()) {
    const ActionSets actions(Expand(sample.graph()), {});
    const std::vector<Query> queries = queries_of(sample);
    for (const std::int64_t keep : {1, 3, 20}) {
      std::vector<double> dropped(queries.size(), 0);
      const SplitMass mass = split(actions, Tables(sample.graph()), queries, 3, keep, &dropped);
      for (std::size_t q = 0; q < queries.size(); ++q) {
        const auto row = mass.mass.begin();
        const double kept = std::accumulate(row + mass.query_offsets[q], row + mass.query_offsets[q + 1], 0.0);
        CHECK(dropped[q] >= 0);
        CHECK(std::abs(kept + dropped[q] - 1) < 1e-12);
      }
    }
  }
}

TEST(split_propagation_does_not_depend_on_threads) {
  for (const Sample& sample : samples()) {
    const ActionSets actions(Expand(sample.graph()), {});
    const Tables tables(sample.graph());
    const std::vector<Query> queries = queries_of(sample);
    const SplitMass one = split(actions, tables, queries, 3, 10);
    set_num_threads(4);
    const SplitMass four = split(actions, tables, queries, 3, 10);
    set_num_threads(1);
    CHECK(one.query_offsets == four.query_offsets);
    CHECK(one.entities == four.entities);
    CHECK(one.mass == four.mass);
  }
}

TEST(split_propagation_in_a_mapped_graph_whose_edges_lead_out_of_it) {
  const auto offsets = std::make_shared<std::vector<std::int64_t>>(std::vector<std::int64_t>{0, 1, 1});
  const std::vector<Query> query{{0, 0, -1}};
  const std::vector<std::int64_t> query_offsets{0, 1};
  const std::vector<std::int32_t> zero{0};
  const std::vector<double> mass{1};
  const std::vector<float> logits(3, 0);
  const auto actions_of = [&](const std::vector<Edge>& edges) {
    return ActionSets(Expand(Graph(offsets, 2, 1, 1, *offsets, edges, {0, 2})), {false, false});
  };
  for (const EntityId tail : {9, -1}) {
    const std::vector<Edge> edges{{0, tail}};
    CHECK_THROWS(std::out_of_range, "",
                 split_entities(actions_of(edges), query, {query_offsets, zero, zero, zero, mass}, {}, {}, true));
  }
  const std::vector<Edge> edges{{7, 1}};
  CHECK_THROWS(std::out_of_range, "",
               split_relations(actions_of(edges), query, {query_offsets, zero, zero, mass}, {logits, 3}, true, 0));
}

}  // namespace
}  // namespace kgwalk
