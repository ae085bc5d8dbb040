#pragma once

#include <algorithm>
#include <set>
#include <string>
#include <tuple>
#include <vector>

#include "core/graph.h"
#include "core/rng.h"

namespace kgwalk {

/// A graph beside what it was made of. Every test of the core runs on all samples().
struct Sample {
  std::string name;
  std::vector<Triple> facts;
  EntityId num_entities;
  RelationId num_relations;
  std::vector<EntityId> types;

  Graph graph() const { return Graph::from_triples(facts, num_entities, num_relations, types); }
  /// The row of an entity by the slow and obvious way.
  std::set<Edge> row(EntityId head) const {
    std::set<Edge> edges;
    for (const Triple& f : facts) {
      if (f.head == head) edges.insert({f.relation, f.tail});
      if (f.tail == head) edges.insert({f.relation + num_relations, f.head});
    }
    return edges;
  }
  /// Distinct facts.
  std::size_t num_facts() const {
    std::set<std::tuple<EntityId, RelationId, EntityId>> all;
    for (const Triple& f : facts) all.insert({f.head, f.relation, f.tail});
    return all.size();
  }
};

/// Random facts among 40 entities: repeated ones, self loops, and two entities without an edge.
inline Sample untyped_sample() {
  Sample s{"untyped", {}, 40, 4, {}};
  CounterRng rng(7, 0);
  for (int i = 0; i < 160; ++i) {
    s.facts.push_back({static_cast<EntityId>(rng.below(38)), static_cast<RelationId>(rng.below(4)),
                       static_cast<EntityId>(rng.below(38))});
  }
  s.facts.push_back(s.facts[0]);
  s.facts.push_back({5, 1, 5});
  return s;
}

/// 12 users, 20 items and 4 brands: purchases, brands and items bought together.
inline Sample user_item_sample() {
  Sample s{"user-item", {}, 36, 3, {0, 12, 32, 36}};
  CounterRng rng(11, 0);
  const auto item = [&] { return static_cast<EntityId>(12 + rng.below(20)); };
  for (EntityId user = 0; user < 12; ++user) {
    for (int i = 0; i < 5; ++i) s.facts.push_back({user, 0, item()});
  }
  for (EntityId i = 12; i < 32; ++i) {
    s.facts.push_back({i, 1, static_cast<EntityId>(32 + rng.below(4))});
    s.facts.push_back({i, 2, item()});
  }
  return s;
}

inline std::vector<Sample> samples() { return {untyped_sample(), user_item_sample()}; }

inline bool same(Span<const Edge> row, const std::set<Edge>& expected) {
  return row.size() == expected.size() && std::equal(row.begin(), row.end(), expected.begin());
}

}  // namespace kgwalk
