#include <map>
#include <memory>

#include "core/receptive_field.h"
#include "core/thread_pool.h"
#include "tests/check.h"
#include "tests/samples.h"

namespace kgwalk {
namespace {

std::vector<EntityId> all_entities(EntityId n) {
  std::vector<EntityId> all;
  for (EntityId e = 0; e < n; ++e) all.push_back(e);
  return all;
}

/// The row of an entity by the slow and obvious way.
std::set<Edge> seen(const Sample& s, EntityId head, bool forward_only) {
  std::set<Edge> row;
  for (const Edge& e : s.row(head)) {
    if (!forward_only || e.relation < s.num_relations) row.insert(e);
  }
  return row;
}

}  // namespace

TEST(sample_neighbours_draws_distinct_edges_where_there_are_enough) {
  for (const Sample& s : samples()) {
    const Expand expand(s.graph(), nullptr, 1);  // the cap is not looked at
    const std::vector<EntityId> entities = all_entities(s.num_entities);
    for (const bool forward_only : {false, true}) {
      for (const std::size_t count : {1, 2, 3, 5, 8, 40}) {
        const DrawnEdges out =
            sample_neighbours(expand, entities, static_cast<std::int64_t>(count), 3 + count, forward_only);
        CHECK_EQ(out.relations.size(), entities.size() * count);
        CHECK_EQ(out.tails.size(), entities.size() * count);
        for (std::size_t i = 0; i < entities.size(); ++i) {
          const std::set<Edge> row = seen(s, entities[i], forward_only);
          std::set<Edge> drawn;
          for (std::size_t k = i * count; k < (i + 1) * count; ++k) drawn.insert({out.relations[k], out.tails[k]});
          if (row.empty()) {
            CHECK(drawn == (std::set<Edge>{{2 * s.num_relations, entities[i]}}));
            continue;
          }
          CHECK(std::includes(row.begin(), row.end(), drawn.begin(), drawn.end()));
          if (row.size() >= count) CHECK_EQ(drawn.size(), count);
        }
      }
    }
  }
}

TEST(sample_neighbours_draws_every_ordered_pair_as_often) {
  std::vector<Triple> facts;
  for (EntityId tail = 1; tail <= 5; ++tail) facts.push_back({0, 0, tail});
  const Expand expand(Graph::from_triples(facts, 6, 1));
  const std::vector<EntityId> hub{0};
  std::vector<int> seen(36, 0);
  constexpr int kSeeds = 20000;
  for (std::uint64_t seed = 0; seed < kSeeds; ++seed) {
    const DrawnEdges out = sample_neighbours(expand, hub, 2, seed);
    ++seen[static_cast<std::size_t>(6 * out.tails[0] + out.tails[1])];
  }
  for (std::size_t a = 1; a <= 5; ++a) {
    for (std::size_t b = 1; b <= 5; ++b) {
      const int times = seen[6 * a + b];
      if (a == b) {
        CHECK_EQ(times, 0);
      } else {
        CHECK(times > 850 && times < 1150);  // 1000 expected, standard deviation 31
      }
    }
  }
}

TEST(extend_field_leads_away_from_the_centre) {
  for (const Sample& s : samples()) {
    const Expand expand(s.graph(), nullptr, 1);
    for (const bool forward_only : {false, true}) {
      std::vector<EntityId> centres, nodes;
      for (EntityId node = 0; node < s.num_entities; ++node) {
        for (EntityId centre = 0; centre < s.num_entities; ++centre) {
          centres.push_back(centre);
          nodes.push_back(node);
        }
      }
      const DrawnEdges out = extend_field(expand, centres, nodes, 9, forward_only);
      CHECK_EQ(out.tails.size(), nodes.size());
      for (std::size_t i = 0; i < nodes.size(); ++i) {
        std::set<Edge> open;
        for (const Edge& e : seen(s, nodes[i], forward_only)) {
          if (e.tail != centres[i]) open.insert(e);
        }
        if (open.empty()) open.insert({2 * s.num_relations, nodes[i]});
        CHECK(open.count({out.relations[i], out.tails[i]}) == 1);
      }
    }
  }
}

TEST(extend_field_finds_the_few_edges_that_are_not_central) {
  // 40 relations lead from 0 to 1, and one each to 2 and to 3: what most tries miss.
  std::vector<Triple> facts;
  for (RelationId r = 0; r < 40; ++r) facts.push_back({0, r, 1});
  facts.push_back({0, 7, 2});
  facts.push_back({0, 31, 3});
  const Expand expand(Graph::from_triples(facts, 4, 40));
  const std::vector<EntityId> centres(4000, 1), nodes(4000, 0);
  const DrawnEdges out = extend_field(expand, centres, nodes, 1);
  int to_two = 0;
  for (std::size_t i = 0; i < nodes.size(); ++i) {
    CHECK(out.tails[i] == 2 || out.tails[i] == 3);
    CHECK_EQ(out.relations[i], out.tails[i] == 2 ? 7 : 31);
    to_two += out.tails[i] == 2;
  }
  CHECK(to_two > 1800 && to_two < 2200);  // 2000 expected, standard deviation 32
}

TEST(ripple_sets_draw_from_the_tails_of_the_hop_before) {
  for (const Sample& s : samples()) {
    const Expand expand(s.graph(), nullptr, 1);
    for (const bool forward_only : {false, true}) {
      std::vector<std::int64_t> offsets{0};
      std::vector<EntityId> items;
      CounterRng rng(5, 0);
      for (int row = 0; row < 60; ++row) {
        for (std::uint64_t k = rng.below(4); k > 0; --k) {
          items.push_back(static_cast<EntityId>(rng.below(static_cast<std::uint64_t>(s.num_entities))));
        }
        offsets.push_back(static_cast<std::int64_t>(items.size()));
      }
      constexpr std::size_t kHops = 3;
      for (const std::size_t size : {1, 4, 12}) {
        const RippleSets out =
            ripple_sets(expand, offsets, items, kHops, static_cast<std::int64_t>(size), 21, forward_only);
        CHECK_EQ(out.heads.size(), 60 * kHops * size);
        for (std::size_t row = 0; row < 60; ++row) {
          const std::vector<EntityId> own(items.begin() + offsets[row], items.begin() + offsets[row + 1]);
          std::vector<EntityId> from = own;
          for (std::size_t hop = 0; hop < kHops; ++hop) {
            std::map<std::tuple<EntityId, RelationId, EntityId>, int> pool, drawn;
            std::size_t pool_size = 0;
            for (const EntityId head : from) {
              for (const Edge& e : seen(s, head, forward_only)) {
                ++pool[{head, e.relation, e.tail}];
                ++pool_size;
              }
            }
            const std::size_t at = (row * kHops + hop) * size;
            std::vector<EntityId> tails;
            for (std::size_t k = at; k < at + size; ++k) {
              ++drawn[{out.heads[k], out.relations[k], out.tails[k]}];
              tails.push_back(out.tails[k]);
              if (pool_size > 0) continue;
              if (hop > 0) {
                CHECK(out.heads[k] == out.heads[k - size] && out.relations[k] == out.relations[k - size] &&
                      out.tails[k] == out.tails[k - size]);
              } else {
                const EntityId alone = own.empty() ? 0 : own[0];
                CHECK(out.heads[k] == alone && out.relations[k] == 2 * s.num_relations && out.tails[k] == alone);
              }
            }
            if (pool_size > 0) {
              for (const auto& [triple, times] : drawn) {
                CHECK(pool.count(triple) == 1);
                if (pool_size >= size) CHECK(times <= pool[triple]);
              }
            }
            if (!own.empty()) from = tails;  // nothing spreads from entity 0 to who has no items
          }
        }
      }
    }
  }
}

TEST(receptive_fields_see_the_overlay) {
  for (const Sample& s : samples()) {
    const Graph g = s.graph();
    const EntityId fresh = s.num_entities;
    const std::vector<Triple> added{{fresh, 0, 1}};
    const auto overlay = std::make_shared<Overlay>(g, Span<const Triple>{}, added, std::vector<int>{0, 0});
    const Expand expand(g, overlay);
    const std::vector<EntityId> both{fresh, fresh + 1}, ones{1, 1};
    const DrawnEdges out = sample_neighbours(expand, both, 1, 0);
    CHECK(out.relations == (std::vector<RelationId>{0, g.stay()}));
    CHECK(out.tails == (std::vector<EntityId>{1, fresh + 1}));
    CHECK(extend_field(expand, ones, both, 0).tails == both);  // the only edge is central, or there is none
    const std::vector<std::int64_t> offsets{0, 2};
    CHECK(ripple_sets(expand, offsets, both, 1, 1, 0).tails == (std::vector<EntityId>{1}));
  }
}

TEST(receptive_fields_are_the_same_on_any_number_of_threads) {
  for (const Sample& s : samples()) {
    const Expand expand(s.graph());
    std::vector<EntityId> entities;
    std::vector<std::int64_t> offsets{0};
    for (int i = 0; i < 10000; ++i) {
      entities.push_back(i % s.num_entities);
      if (i % 3 == 0) offsets.push_back(i);
    }
    offsets.push_back(10000);
    const std::vector<EntityId> centres(entities.rbegin(), entities.rend());
    const auto all = [&] {
      const DrawnEdges a = sample_neighbours(expand, entities, 4, 1), b = extend_field(expand, centres, entities, 1);
      const RippleSets c = ripple_sets(expand, offsets, entities, 2, 8, 1);
      return std::make_tuple(a.relations, a.tails, b.relations, b.tails, c.heads, c.relations, c.tails);
    };
    const auto one = all();
    set_num_threads(3);
    const auto three = all();
    set_num_threads(1);
    CHECK(one == three);
  }
}

TEST(receptive_fields_refuse_bad_input) {
  const Sample s = untyped_sample();
  const Expand expand(s.graph());
  const std::vector<EntityId> fine{0, 1}, below{0, -1}, above{s.num_entities, 0}, one{0};
  const std::vector<std::int64_t> offsets{0, 1, 2}, falls{0, 2, 1, 2}, early{0, 1}, late{0, 3}, shifted{1, 2}, none{};
  for (const auto& bad : {below, above}) {
    CHECK_THROWS(std::out_of_range, "entities", sample_neighbours(expand, bad, 2, 0));
    CHECK_THROWS(std::out_of_range, "nodes", extend_field(expand, fine, bad, 0));
    CHECK_THROWS(std::out_of_range, "centres", extend_field(expand, bad, fine, 0));
    CHECK_THROWS(std::out_of_range, "items", ripple_sets(expand, offsets, bad, 1, 1, 0));
  }
  for (const std::int64_t bad : {std::int64_t{0}, std::int64_t{-1}, std::int64_t{1} << 31}) {
    CHECK_THROWS(std::invalid_argument, "count must be", sample_neighbours(expand, fine, bad, 0));
    CHECK_THROWS(std::invalid_argument, "hops must be", ripple_sets(expand, offsets, fine, bad, 1, 0));
    CHECK_THROWS(std::invalid_argument, "size must be", ripple_sets(expand, offsets, fine, 1, bad, 0));
  }
  CHECK_THROWS(std::invalid_argument, "hops * size", ripple_sets(expand, offsets, fine, 1 << 16, 1 << 16, 0));
  CHECK_THROWS(std::invalid_argument, "nodes: expected length 1", extend_field(expand, one, fine, 0));
  CHECK_THROWS(std::invalid_argument, "must not fall", ripple_sets(expand, falls, fine, 1, 1, 0));
  for (const auto& bad : {early, late}) {
    CHECK_THROWS(std::invalid_argument, "must end at 2", ripple_sets(expand, bad, fine, 1, 1, 0));
  }
  for (const auto& bad : {shifted, none}) {
    CHECK_THROWS(std::invalid_argument, "must start with 0", ripple_sets(expand, bad, fine, 1, 1, 0));
  }
}

}  // namespace kgwalk
