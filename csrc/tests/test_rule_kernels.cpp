#include <map>
#include <vector>

#include "core/body_join.h"
#include "core/body_tree.h"
#include "core/count_table.h"
#include "core/dynamic_for.h"
#include "core/relation_index.h"
#include "tests/check.h"
#include "tests/rule_samples.h"
#include "tests/samples.h"

namespace kgwalk {

TEST(count_table_counts_like_a_map) {
  CountTable table;
  std::map<std::uint64_t, std::uint32_t> expected;
  CounterRng rng(1, 0);
  for (int i = 0; i < 20000; ++i) {
    // Small keys, large ones, and keys that agree in their low bits: what a bad hash would put into one place.
    const std::uint64_t key = (1 + rng.below(3000)) << (i % 3 == 0 ? 0 : i % 3 == 1 ? 20 : 50);
    const auto count = static_cast<std::uint32_t>(1 + rng.below(3));
    table.add(key, count);
    expected[key] += count;
  }
  CHECK_EQ(table.size(), expected.size());
  for (const auto& [key, count] : expected) CHECK_EQ(table.count(key), count);
  CHECK_EQ(table.count(7777777), 0u);
  std::map<std::uint64_t, std::uint32_t> seen;
  table.for_each([&](std::uint64_t key, std::uint32_t count) { seen[key] += count; });
  CHECK(seen == expected);
}

TEST(relation_index_holds_the_rows_of_the_graph) {
  for (const Sample& s : samples()) {
    const Graph graph = s.graph();
    const RelationIndex index{Expand(graph)};
    CHECK_EQ(index.num_entities(), s.num_entities);
    CHECK_EQ(index.num_edges(), static_cast<std::int64_t>(2 * s.num_facts()));
    std::int32_t runs = 0;
    for (EntityId e = 0; e < s.num_entities; ++e) {
      std::set<Edge> row;
      CHECK_EQ(index.first_run(e), runs);
      for (const RelationIndex::Run& run : index.runs(e)) {
        CHECK_EQ(index.find(e, run.relation), runs++);
        for (const EntityId tail : index.tails(run)) row.insert({run.relation, tail});
      }
      CHECK(row == s.row(e));
      CHECK_EQ(index.has_edges(e), !row.empty());
      for (RelationId r = 0; r < 2 * s.num_relations; ++r) {
        std::vector<EntityId> tails;
        for (const Edge& edge : row) {
          if (edge.relation == r) tails.push_back(edge.tail);
        }
        const auto found = index.tails(e, r);
        CHECK(std::vector<EntityId>(found.begin(), found.end()) == tails);
        CHECK_EQ(index.find(e, r) < 0, tails.empty());
        for (EntityId t = 0; t < s.num_entities; ++t) CHECK_EQ(index.has(e, r, t), row.count({r, t}) == 1);
        CHECK_EQ(index.inverse(index.inverse(r)), r);
      }
    }
    CHECK_EQ(index.num_runs(), runs);
  }
}

TEST(relation_index_sees_the_whole_graph_through_an_overlay) {
  const Sample s = untyped_sample();
  const Graph graph = s.graph();
  const std::vector<Triple> hidden{s.facts[0]}, added{{s.num_entities, 2, 3}};
  const auto overlay = std::make_shared<Overlay>(graph, hidden, added, std::vector<int>{0});
  const RelationIndex index{Expand(graph, overlay, 2)};
  CHECK_EQ(index.num_entities(), s.num_entities + 1);
  CHECK_EQ(index.num_edges(), static_cast<std::int64_t>(2 * s.num_facts()));  // one hidden, one added, none cut
  CHECK(!index.has(hidden[0].head, hidden[0].relation, hidden[0].tail));
  CHECK(!index.has(hidden[0].tail, index.inverse(hidden[0].relation), hidden[0].head));
  CHECK(index.has(s.num_entities, 2, 3));
  CHECK(index.has(3, index.inverse(2), s.num_entities));
}

TEST(body_code_turns_bodies_into_numbers_and_back) {
  const BodyCode code(3, 4);
  std::map<std::uint64_t, std::vector<RelationId>> seen;
  const auto each = [&](const auto& self, std::uint64_t body, std::vector<RelationId>& atoms) -> void {
    CHECK(seen.emplace(body, atoms).second);
    CHECK(code.atoms(body) == atoms);
    for (RelationId head = 0; head < 3; ++head) {
      CHECK_EQ(code.body_of(code.rule(body, head)), body);
      CHECK_EQ(code.head_of(code.rule(body, head)), head);
    }
    if (atoms.size() == 4) return;
    for (RelationId r = 0; r < 6; ++r) {
      atoms.push_back(r);
      self(self, code.push(body, r), atoms);
      atoms.pop_back();
    }
  };
  std::vector<RelationId> atoms;
  each(each, 0, atoms);
  CHECK_EQ(seen.size(), std::size_t{1 + 6 + 36 + 216 + 1296});
  // 475 directed relations: 64 bits hold six atoms and a head, not seven.
  static_cast<void>(BodyCode(237, 6));
  CHECK_THROWS(std::invalid_argument, "64 bits", BodyCode(237, 7));
}

TEST(body_tree_holds_each_body_once) {
  for (std::uint64_t seed = 0; seed < 20; ++seed) {
    const Bodies bodies = random_bodies(seed, 2, 30, 5);
    const BodyTree tree(bodies.offsets, bodies.atoms);
    std::vector<std::vector<RelationId>> found(bodies.all.size());
    const auto visit = [&](const auto& self, std::int32_t number, std::vector<RelationId>& atoms) -> std::int32_t {
      const BodyTree::Node& node = tree.nodes()[static_cast<std::size_t>(number)];
      if (node.body >= 0) {
        CHECK(found[static_cast<std::size_t>(node.body)].empty());
        found[static_cast<std::size_t>(node.body)] = atoms;
      }
      std::int32_t height = 0;
      for (std::int32_t c = node.first_child; c < node.last_child; ++c) {
        const RelationId relation = tree.nodes()[static_cast<std::size_t>(c)].relation;
        CHECK(c == node.first_child || tree.nodes()[static_cast<std::size_t>(c) - 1].relation < relation);
        atoms.push_back(relation);
        height = std::max(height, 1 + self(self, c, atoms));
        atoms.pop_back();
      }
      CHECK_EQ(node.height, height);
      return height;
    };
    std::vector<RelationId> atoms;
    visit(visit, 0, atoms);
    CHECK(found == bodies.all);
  }
  CHECK(BodyTree().empty());
}

TEST(for_each_dynamic_does_every_row_once) {
  for (const int threads : {1, 2, 4}) {
    set_num_threads(threads);
    std::vector<int> done(1000);
    std::int64_t sum = 0;
    for_each_dynamic(
        1000, 7, [] { return std::int64_t{0}; },
        [&](std::int64_t& worker, std::int64_t i) {
          ++done[static_cast<std::size_t>(i)];
          worker += i;
        },
        [&](std::int64_t& worker) { sum += worker; });
    CHECK(done == std::vector<int>(1000, 1));
    CHECK_EQ(sum, 999 * 1000 / 2);
    for_each_dynamic(0, 7, [] { return 0; }, [](int&, std::int64_t) { CHECK(false); }, [](int&) {});
    CHECK_THROWS(std::runtime_error, "row 500",
                 for_each_dynamic(
                     1000, 7, [] { return 0; },
                     [](int&, std::int64_t i) {
                       if (i == 500) throw std::runtime_error("row 500");
                     },
                     [](int&) {}));
  }
  set_num_threads(1);
}

}  // namespace kgwalk
