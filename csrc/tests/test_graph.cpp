#include <cmath>
#include <numeric>

#include "tests/check.h"
#include "tests/samples.h"

namespace kgwalk {

TEST(graph_rows_are_the_facts_and_their_inverses) {
  for (const Sample& s : samples()) {
    const Graph g = s.graph();
    CHECK_EQ(static_cast<std::size_t>(g.num_facts()), s.num_facts());
    CHECK_EQ(g.num_edges(), 2 * g.num_facts());
    for (EntityId h = 0; h < s.num_entities; ++h) {
      const std::set<Edge> expected = s.row(h);
      CHECK(same(g.slice(h), expected));
      CHECK(same(g.slice(h, kAnyRelation), expected));
      CHECK_EQ(g.row_begin(h), g.slice(h).begin() - g.edges().begin());
      for (RelationId r = 0; r < 2 * s.num_relations; ++r) {
        std::set<Edge> of_r;
        for (const Edge& e : expected) {
          if (e.relation == r) of_r.insert(e);
        }
        CHECK(same(g.slice(h, r), of_r));
        for (EntityId t = 0; t < s.num_entities; ++t) {
          const std::int64_t at = g.find(h, r, t);
          CHECK_EQ(at >= 0, of_r.count({r, t}) == 1);
          CHECK(at < 0 || (g.edges()[static_cast<std::size_t>(at)] == Edge{r, t}));
        }
      }
    }
    g.check();
  }
}

TEST(graph_inverse_is_an_involution_and_stay_its_own) {
  for (const Sample& s : samples()) {
    const Graph g = s.graph();
    for (RelationId r = 0; r < 2 * s.num_relations; ++r) {
      CHECK(g.inverse(r) != r);
      CHECK_EQ(g.inverse(g.inverse(r)), r);
    }
    CHECK_EQ(g.inverse(g.stay()), g.stay());
  }
}

TEST(graph_types_are_ranges) {
  const Graph typed = user_item_sample().graph();
  CHECK_EQ(typed.type_of(0), 0);
  CHECK_EQ(typed.type_of(11), 0);
  CHECK_EQ(typed.type_of(12), 1);
  CHECK_EQ(typed.type_of(35), 2);
  CHECK_EQ(untyped_sample().graph().type_of(39), 0);
  const Graph with_empty_type = Graph::from_triples({}, 3, 1, {0, 2, 2, 3});
  CHECK_EQ(with_empty_type.type_of(2), 2);
  CHECK_THROWS(std::invalid_argument, "type offsets", Graph::from_triples({}, 3, 1, {0, 2}));
  CHECK_THROWS(std::invalid_argument, "type offsets", Graph::from_triples({}, 3, 1, {0, 4, 2, 3}));
}

TEST(graph_refuses_ids_out_of_range) {
  for (const Sample& s : samples()) {
    const Graph g = s.graph();
    for (const EntityId bad : {-1, s.num_entities, INT32_MAX, INT32_MIN}) {
      CHECK_THROWS(std::out_of_range, "entity id", g.slice(bad));
      CHECK_THROWS(std::out_of_range, "entity id", g.row_begin(bad));
      CHECK_THROWS(std::out_of_range, "entity id", g.type_of(bad));
      CHECK_THROWS(std::out_of_range, "entity id", g.find(bad, 0, 0));
      CHECK_THROWS(std::out_of_range, "entity id", g.find(0, 0, bad));
      const Triple fact{0, 0, bad};
      CHECK_THROWS(std::out_of_range, "fact 0", Graph::from_triples({&fact, 1}, s.num_entities, 1));
    }
    for (const RelationId bad : {-2, 2 * s.num_relations, INT32_MAX, INT32_MIN}) {
      CHECK_THROWS(std::out_of_range, "relation id", g.find(0, bad, 0));
      CHECK(g.slice(0, bad).empty());
    }
  }
  CHECK_THROWS(std::invalid_argument, "counts", Graph::from_triples({}, -1, 1));
  CHECK_THROWS(std::invalid_argument, "counts", Graph::from_triples({}, 1, INT32_MAX));
}

TEST(graph_checks_storage_that_came_from_outside) {
  const Graph g = user_item_sample().graph();
  std::vector<std::int64_t> offsets(g.offsets().begin(), g.offsets().end());
  std::vector<Edge> edges(g.edges().begin(), g.edges().end());
  const auto wrapped = [&] {
    return Graph(nullptr, g.num_entities(), g.num_relations(), g.num_facts(), offsets, edges, g.type_offsets());
  };
  wrapped().check();
  const auto with_offset = [&](std::size_t at, std::int64_t value) {
    offsets[at] = value;
    const Graph bad = wrapped();
    CHECK_THROWS(std::out_of_range, "corrupt", bad.slice(static_cast<EntityId>(at)));
    CHECK_THROWS(std::out_of_range, "corrupt", bad.check());
    offsets[at] = g.offsets()[at];
  };
  with_offset(3, -1);
  with_offset(3, g.num_edges() + 1);
  with_offset(3, INT64_MIN);
  const auto with_edge = [&](std::size_t at, Edge value, const char* what) {
    const Edge was = edges[at];
    edges[at] = value;
    CHECK_THROWS(std::out_of_range, what, wrapped().check());
    edges[at] = was;
  };
  with_edge(0, {0, g.num_entities()}, "out of range");
  with_edge(0, {0, -1}, "out of range");
  with_edge(0, {2 * g.num_relations(), 12}, "out of range");
  with_edge(1, edges[0], "not sorted");
  with_edge(0, {0, 0}, "do not match");
  CHECK_THROWS(std::invalid_argument, "offsets", Graph(nullptr, 2, 1, 0, {}, {}, {}));
}

TEST(graph_pagerank_is_a_distribution_that_holds_still) {
  for (const Sample& s : samples()) {
    const Graph g = s.graph();
    const std::vector<double> rank = g.pagerank(0.85, 200);
    CHECK(std::abs(std::accumulate(rank.begin(), rank.end(), 0.0) - 1) < 1e-12);
    const std::vector<double> next = g.pagerank(0.85, 201);
    for (std::size_t i = 0; i < rank.size(); ++i) CHECK(std::abs(rank[i] - next[i]) < 1e-12);
    CHECK_THROWS(std::invalid_argument, "damping", g.pagerank(1.5));
    CHECK_THROWS(std::invalid_argument, "iterations", g.pagerank(0.85, -1));
  }
  CHECK(Graph::from_triples({}, 0, 1).pagerank().empty());
}

}  // namespace kgwalk
