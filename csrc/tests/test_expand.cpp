#include <memory>

#include "core/expand.h"
#include "core/thread_pool.h"
#include "tests/check.h"
#include "tests/samples.h"

namespace kgwalk {
namespace {

/// What a row shows under a cap, by the slow and obvious way.
std::set<Edge> best(const std::set<Edge>& row, const std::vector<double>& rank, std::size_t keep) {
  std::vector<Edge> edges(row.begin(), row.end());
  std::sort(edges.begin(), edges.end(), [&](Edge a, Edge b) {
    const double ra = rank[static_cast<std::size_t>(a.tail)], rb = rank[static_cast<std::size_t>(b.tail)];
    return std::make_tuple(-ra, a.tail, a.relation) < std::make_tuple(-rb, b.tail, b.relation);
  });
  edges.resize(std::min(keep, edges.size()));
  return {edges.begin(), edges.end()};
}

std::vector<EntityId> all_entities(const Sample& s) {
  std::vector<EntityId> all;
  for (EntityId e = 0; e < s.num_entities; ++e) all.push_back(e);
  return all;
}

}  // namespace

TEST(expand_caps_by_pagerank_then_lower_tail) {
  for (const Sample& s : samples()) {
    const Graph g = s.graph();
    const std::vector<double> rank = g.pagerank();
    for (const int cap : {0, 1, 3, 1000}) {
      const Expand expand(g, nullptr, cap);
      for (EntityId h = 0; h < s.num_entities; ++h) {
        CHECK(same(expand.full_row(h), s.row(h)));
        CHECK(same(expand.row(h), cap == 0 ? s.row(h) : best(s.row(h), rank, static_cast<std::size_t>(cap))));
      }
    }
  }
  CHECK_THROWS(std::invalid_argument, "max_out_degree", Expand(untyped_sample().graph(), nullptr, -1));
}

TEST(expand_shows_the_edges_of_the_best_scores) {
  for (const Sample& s : samples()) {
    const Graph g = s.graph();
    std::vector<float> scores(static_cast<std::size_t>(g.num_edges()));
    for (std::size_t i = 0; i < scores.size(); ++i) scores[i] = static_cast<float>(i * 7 % 5);
    const Expand expand(g, nullptr, 2, scores);
    for (EntityId h = 0; h < g.num_entities(); ++h) {
      const auto first = static_cast<std::size_t>(g.row_begin(h));
      const Span<const Edge> row = g.slice(h);
      std::vector<std::size_t> slots(row.size());
      for (std::size_t i = 0; i < slots.size(); ++i) slots[i] = i;
      std::sort(slots.begin(), slots.end(), [&](std::size_t a, std::size_t b) {
        if (scores[first + a] != scores[first + b]) return scores[first + a] > scores[first + b];
        return row[a].tail != row[b].tail ? row[a].tail < row[b].tail : row[a].relation < row[b].relation;
      });
      std::vector<Edge> best;
      for (std::size_t i = 0; i < std::min<std::size_t>(2, slots.size()); ++i) best.push_back(row[slots[i]]);
      std::sort(best.begin(), best.end());
      const Span<const Edge> shown = expand.row(h);
      CHECK(shown.size() == best.size() && std::equal(shown.begin(), shown.end(), best.begin()));
    }
    scores.push_back(0);
    CHECK_THROWS(std::invalid_argument, "edge_scores", Expand(g, nullptr, 2, scores));
  }
}

TEST(expand_rows_lie_where_row_begin_says) {
  for (const Sample& s : samples()) {
    const Graph g = s.graph();
    const std::vector<Triple> added{{s.num_entities, 0, 1}};
    const auto overlay = std::make_shared<Overlay>(g, Span<const Triple>{}, added, std::vector<int>{0});
    for (const int cap : {0, 2}) {
      const Expand expand(g, overlay, cap);
      std::vector<Edge> table(g.edges().begin(), g.edges().end());
      const std::vector<Edge> replaced = expand.replaced_edges();
      table.insert(table.end(), replaced.begin(), replaced.end());
      for (EntityId h = 0; h < expand.num_entities(); ++h) {
        const Span<const Edge> row = expand.row(h);
        const auto begin = static_cast<std::size_t>(expand.row_begin(h));
        CHECK(begin + row.size() <= table.size());
        CHECK(std::equal(row.begin(), row.end(), table.begin() + static_cast<std::ptrdiff_t>(begin)));
      }
    }
  }
}

TEST(expand_with_a_later_overlay_is_as_with_one_at_once) {
  for (const Sample& s : samples()) {
    const Graph g = s.graph();
    const Triple gone = s.facts[3];
    const std::vector<Triple> added{{s.num_entities, 0, 1}, {2, 1, s.num_entities}};
    const auto overlay = std::make_shared<Overlay>(g, Span<const Triple>(&gone, 1), added, std::vector<int>{0});
    for (const int cap : {0, 1, 2, 3}) {
      const Expand at_once(g, overlay, cap);
      const Expand later = Expand(g, nullptr, cap).with_overlay(overlay);
      CHECK_EQ(later.num_entities(), at_once.num_entities());
      for (EntityId h = 0; h < at_once.num_entities(); ++h) {
        const Span<const Edge> row = later.row(h), expected = at_once.row(h);
        CHECK(row.size() == expected.size() && std::equal(row.begin(), row.end(), expected.begin()));
        CHECK_EQ(later.row_begin(h), at_once.row_begin(h));
      }
      CHECK_THROWS(std::invalid_argument, "already", later.with_overlay(overlay));
      CHECK_THROWS(std::invalid_argument, "expected an overlay", Expand(g).with_overlay(nullptr));
    }
  }
}

TEST(expand_hides_the_excluded_fact_and_its_inverse) {
  for (const Sample& s : samples()) {
    const Expand expand(s.graph());
    for (const Triple& hidden : s.facts) {
      const std::vector<EntityId> frontier = all_entities(s);
      const std::vector<Triple> exclude(frontier.size(), hidden);
      const std::vector<RelationId> any{kAnyRelation};
      const Ragged out = expand.expand(frontier, any, exclude);
      Sample without = s;
      without.facts.clear();
      for (const Triple& f : s.facts) {
        if (f.head != hidden.head || f.relation != hidden.relation || f.tail != hidden.tail) without.facts.push_back(f);
      }
      for (std::size_t i = 0; i < frontier.size(); ++i) {
        std::vector<Edge> row;
        for (std::int64_t k = out.offsets[i]; k < out.offsets[i + 1]; ++k) {
          row.push_back({out.relations[static_cast<std::size_t>(k)], out.tails[static_cast<std::size_t>(k)]});
        }
        CHECK(same(row, without.row(frontier[i])));
      }
    }
  }
}

TEST(expand_takes_one_relation_or_one_a_row) {
  for (const Sample& s : samples()) {
    const Graph g = s.graph();
    const Expand expand(g);
    const std::vector<EntityId> frontier = all_entities(s);
    std::vector<RelationId> relations;
    for (std::size_t i = 0; i < frontier.size(); ++i) {
      relations.push_back(static_cast<RelationId>(i % (2 * static_cast<std::size_t>(s.num_relations) + 1)) - 1);
    }
    const Ragged out = expand.expand(frontier, relations);
    for (std::size_t i = 0; i < frontier.size(); ++i) {
      CHECK_EQ(static_cast<std::size_t>(out.offsets[i + 1] - out.offsets[i]),
               g.slice(frontier[i], relations[i]).size());
    }
    const std::vector<RelationId> two{0, 1}, bad{2 * s.num_relations}, any{kAnyRelation};
    const std::vector<EntityId> outside{s.num_entities};
    const std::vector<Triple> one{kNothingHidden}, bad_fact{{0, -1, 0}};
    CHECK_THROWS(std::invalid_argument, "relations", expand.expand(frontier, two));
    CHECK_THROWS(std::invalid_argument, "excluded", expand.expand(frontier, any, one));
    CHECK_THROWS(std::out_of_range, "relation id", expand.expand(frontier, bad));
    CHECK_THROWS(std::out_of_range, "entity id", expand.expand(outside, any));
    CHECK_THROWS(std::out_of_range, "relation id", expand.expand({frontier.data(), 1}, any, bad_fact));
    CHECK_EQ(expand.expand({}, any).offsets.size(), std::size_t{1});
  }
}

TEST(expand_is_the_same_on_any_number_of_threads) {
  for (const Sample& s : samples()) {
    const Expand expand(s.graph());
    std::vector<EntityId> frontier;
    for (int i = 0; i < 20000; ++i) frontier.push_back(i % s.num_entities);
    const std::vector<RelationId> any{kAnyRelation};
    const Ragged one = expand.expand(frontier, any);
    set_num_threads(3);
    const Ragged three = expand.expand(frontier, any);
    set_num_threads(1);
    CHECK(one.offsets == three.offsets && one.relations == three.relations && one.tails == three.tails);
  }
}

}  // namespace kgwalk
