#include <algorithm>
#include <map>
#include <set>
#include <vector>

#include "core/body_walker.h"
#include "tests/check.h"
#include "tests/rule_samples.h"

namespace kgwalk {

/// Looks into a walker in the middle of a walk.
struct BodyWalkerProbe {
  /// Of the walks kept for the body that is being visited: inner entities, and how many end at each entity.
  static std::pair<int, std::map<EntityId, int>> kept(const BodyWalker& walker, int hops) {
    const auto hops_of = [&](std::size_t walk) {
      int n = 0;
      for (std::int32_t w = walker.walks_[walk].before; w >= 0; w = walker.walks_[static_cast<std::size_t>(w)].before) {
        ++n;
      }
      return n;
    };
    std::map<EntityId, int> count;
    for (std::size_t w = walker.walks_.size(); w-- > 0 && hops_of(w) == hops;) ++count[walker.walks_[w].at];
    return {hops - 1, count};
  }
};

namespace {

/// Ends of all walks from `nodes` on along a body, by plain enumeration.
void enumerate(const RelationIndex& index, const std::vector<RelationId>& body, bool object_identity,
               std::vector<EntityId>& nodes, std::set<EntityId>& ends) {
  if (nodes.size() == body.size() + 1) {
    ends.insert(nodes.back());
    return;
  }
  for (const EntityId tail : index.tails(nodes.back(), body[nodes.size() - 1])) {
    if (object_identity && std::find(nodes.begin(), nodes.end(), tail) != nodes.end()) continue;
    nodes.push_back(tail);
    enumerate(index, body, object_identity, nodes, ends);
    nodes.pop_back();
  }
}

std::int64_t choose(int n, int k) {
  std::int64_t c = 1;
  for (int i = 1; i <= k; ++i) c = c * (n - k + i) / i;
  return c;
}

}  // namespace

TEST(body_walker_finds_the_ends_that_plain_enumeration_finds) {
  std::size_t most_kept = 0;
  for (std::uint64_t seed = 0; seed < 60; ++seed) {
    const auto entities = static_cast<EntityId>(5 + seed % 5);
    const auto relations = static_cast<RelationId>(1 + seed % 2);
    // From sparse, where one way in three is a dead end, to nearly complete.
    const int facts = static_cast<int>(entities) * static_cast<int>(2 + 2 * (seed % 6));
    const Graph graph = crowded_graph(seed, entities, relations, facts);
    const RelationIndex index{Expand(graph)};
    const Bodies bodies = random_bodies(seed, relations, 12, 6);
    const BodyTree tree(bodies.offsets, bodies.atoms);
    for (const bool object_identity : {false, true}) {
      BodyWalker walker(index, object_identity);
      for (EntityId source = 0; source < entities; ++source) {
        std::map<std::size_t, std::set<EntityId>> found;
        walker.walk(tree, source, [&](std::int32_t body, Span<const EntityId> ends) {
          const auto b = static_cast<std::size_t>(body);
          CHECK(found.count(b) == 0);
          found[b] = {ends.begin(), ends.end()};
          CHECK_EQ(found[b].size(), ends.size());
        });
        for (std::size_t b = 0; b < bodies.all.size(); ++b) {
          std::vector<EntityId> nodes{source};
          std::set<EntityId> ends;
          enumerate(index, bodies.all[b], object_identity, nodes, ends);
          CHECK(found.count(b) == (ends.empty() ? 0u : 1u));
          CHECK(found[b] == ends);
          most_kept = std::max(most_kept, ends.size());
        }
      }
    }
  }
  CHECK(most_kept > 5);
}

TEST(body_walker_keeps_few_walks) {
  // Everybody to everybody: of the ways to an entity by p inner ones, C(h + p, p) at most are kept with h hops to go.
  constexpr EntityId kEntities = 12;
  std::vector<Triple> facts;
  for (EntityId x = 0; x < kEntities; ++x) {
    for (EntityId y = 0; y < kEntities; ++y) facts.push_back({x, 0, y});
  }
  const Graph graph = Graph::from_triples(facts, kEntities, 1, {});
  const RelationIndex index{Expand(graph)};
  // One body and all its beginnings, so that each is visited.
  for (int length = 2; length <= 6; ++length) {
    std::vector<std::int64_t> offsets{0};
    std::vector<RelationId> atoms;
    for (int n = 1; n <= length; ++n) {
      atoms.insert(atoms.end(), static_cast<std::size_t>(n), 0);
      offsets.push_back(static_cast<std::int64_t>(atoms.size()));
    }
    const BodyTree tree(offsets, atoms);
    BodyWalker walker(index, true);
    std::vector<int> most(static_cast<std::size_t>(length));
    walker.walk(tree, 0, [&](std::int32_t body, Span<const EntityId> ends) {
      CHECK_EQ(ends.size(), static_cast<std::size_t>(kEntities - 1));
      const int hops = body + 1;
      if (hops == length) return;  // nothing is left to do, and nothing kept
      const auto [inner, kept] = BodyWalkerProbe::kept(walker, hops);
      CHECK_EQ(kept.size(), ends.size());
      for (const auto& [entity, count] : kept) {
        CHECK(count >= 1);
        CHECK(count <= choose(length - hops + inner, inner));
        most[static_cast<std::size_t>(hops)] = std::max(most[static_cast<std::size_t>(hops)], count);
      }
    });
    if (length == 3) CHECK_EQ(most[2], 2);
  }
}

TEST(body_walker_without_object_identity_keeps_one_walk_an_entity) {
  const Graph graph = crowded_graph(3, 6, 1, 20);
  const RelationIndex index{Expand(graph)};
  const std::vector<std::int64_t> offsets{0, 2, 5};
  const std::vector<RelationId> atoms{0, 1, 0, 1, 0};
  const BodyTree tree(offsets, atoms);
  BodyWalker walker(index, false);
  for (EntityId source = 0; source < 6; ++source) {
    walker.walk(tree, source, [&](std::int32_t body, Span<const EntityId> ends) {
      if (body != 0) return;
      const auto kept = BodyWalkerProbe::kept(walker, 2).second;
      CHECK_EQ(kept.size(), ends.size());
      for (const auto& [entity, count] : kept) CHECK_EQ(count, 1);
    });
  }
}

TEST(body_walker_of_an_empty_tree_visits_nothing) {
  const Graph graph = crowded_graph(3, 6, 1, 20);
  const RelationIndex index{Expand(graph)};
  BodyWalker walker(index, true);
  walker.walk(BodyTree(), 0, [](std::int32_t, Span<const EntityId>) { CHECK(false); });
}

}  // namespace kgwalk
