#pragma once

#include <set>
#include <utility>
#include <vector>

#include "core/graph.h"
#include "core/rng.h"

namespace kgwalk {

/// Random facts among few entities, where walks meet again and again; self-loops and mirrored facts included.
inline Graph crowded_graph(std::uint64_t seed, EntityId entities, RelationId relations, int facts) {
  CounterRng rng(seed, 0);
  std::vector<Triple> all;
  const auto n = static_cast<std::uint64_t>(entities), r = static_cast<std::uint64_t>(relations);
  for (int i = 0; i < facts; ++i) {
    all.push_back({static_cast<EntityId>(rng.below(n)), static_cast<RelationId>(rng.below(r)),
                   static_cast<EntityId>(rng.below(n))});
  }
  return Graph::from_triples(all, entities, relations, {});
}

/// Distinct random bodies of 1 to `longest` directed relations in lexicographic order, as BodyTree takes them.
struct Bodies {
  std::vector<std::vector<RelationId>> all;
  std::vector<std::int64_t> offsets{0};
  std::vector<RelationId> atoms;
};

inline Bodies random_bodies(std::uint64_t seed, RelationId relations, int number, std::uint64_t longest) {
  CounterRng rng(seed, 1);
  std::set<std::vector<RelationId>> drawn;
  for (int i = 0; i < number; ++i) {
    std::vector<RelationId> body(1 + rng.below(longest));
    for (RelationId& r : body) r = static_cast<RelationId>(rng.below(2 * static_cast<std::uint64_t>(relations)));
    drawn.insert(std::move(body));
  }
  Bodies bodies;
  for (const auto& body : drawn) {
    bodies.all.push_back(body);
    bodies.atoms.insert(bodies.atoms.end(), body.begin(), body.end());
    bodies.offsets.push_back(static_cast<std::int64_t>(bodies.atoms.size()));
  }
  return bodies;
}

}  // namespace kgwalk
