#include <cmath>
#include <map>
#include <memory>
#include <set>
#include <vector>

#include "core/instruction_sets.h"
#include "core/metapath_search.h"
#include "core/metapath_walks.h"
#include "core/thread_pool.h"
#include "tests/check.h"
#include "tests/samples.h"

namespace kgwalk {
namespace {

using Walk = std::vector<EntityId>;

/// Simple walks of a source by following rows one by one.
std::vector<Walk> walks_of(const Sample& sample, const std::vector<RelationId>& metapath, EntityId source) {
  std::vector<Walk> walks{{source}};
  for (const RelationId relation : metapath) {
    std::vector<Walk> longer;
    for (const Walk& walk : walks) {
      for (const Edge& e : sample.row(walk.back())) {
        if (e.relation != relation || std::find(walk.begin(), walk.end(), e.tail) != walk.end()) continue;
        longer.push_back(walk);
        longer.back().push_back(e.tail);
      }
    }
    walks = longer;
  }
  return walks;
}

std::vector<std::vector<RelationId>> metapaths_of(const Sample& sample) {
  const RelationId r = sample.num_relations;
  if (sample.types.empty()) return {{0}, {1, 2}, {0, 1, 2}, {3, 1, 1 + r}, {2, 2 + r, 2}, {0, 0, 1, 2}};
  return {{0}, {0, 2}, {0, 1, 1 + r}, {0, r, 0}, {0, 2, 2 + r}, {0, r, 0, 2}};
}

struct AllPairs {
  std::vector<EntityId> sources, targets;
  explicit AllPairs(EntityId n) {
    for (EntityId s = 0; s < n; ++s) {
      for (EntityId t = 0; t < n; ++t) {
        sources.push_back(s);
        targets.push_back(t);
      }
    }
  }
};

TEST(metapath_walks_are_those_of_a_search) {
  for (const Sample& sample : samples()) {
    const Expand expand(sample.graph());
    const AllPairs pairs(sample.num_entities);
    for (const auto& metapath : metapaths_of(sample)) {
      std::vector<Walk> expected;
      std::map<std::pair<EntityId, EntityId>, std::int64_t> counts;
      for (EntityId source = 0; source < sample.num_entities; ++source) {
        auto walks = walks_of(sample, metapath, source);
        std::sort(walks.begin(), walks.end(),
                  [](const Walk& a, const Walk& b) { return a.back() != b.back() ? a.back() < b.back() : a < b; });
        for (const Walk& walk : walks) ++counts[{source, walk.back()}];
        expected.insert(expected.end(), walks.begin(), walks.end());
      }
      const auto drawn = sample_metapath(expand, metapath, pairs.sources, pairs.targets, {1 << 20, 0}, -1, 0);
      std::vector<Walk> got;
      const auto width = static_cast<std::ptrdiff_t>(metapath.size()) + 1;
      for (auto at = drawn.entities.begin(); at != drawn.entities.end(); at += width) got.emplace_back(at, at + width);
      CHECK(got == expected);
      const std::vector<Metapath> one{metapath};
      const auto counted = count_metapaths(expand, one, pairs.sources, pairs.targets, -1);
      for (std::size_t i = 0; i < counted.size(); ++i) {
        CHECK_EQ(counted[i], (counts[{pairs.sources[i], pairs.targets[i]}]));
      }
      std::vector<EntityId> everyone;
      for (EntityId e = 0; e < sample.num_entities; ++e) everyone.push_back(e);
      const MetapathEnds ends = metapath_ends(expand, metapath, everyone);
      std::size_t seen = 0;
      for (std::size_t s = 0; s < everyone.size(); ++s) {
        for (auto i = static_cast<std::size_t>(ends.offsets[s]); i < static_cast<std::size_t>(ends.offsets[s + 1]);
             ++i) {
          CHECK_EQ(ends.counts[i], (counts[{everyone[s], ends.entities[i]}]));
          ++seen;
        }
      }
      std::size_t reached = 0;
      for (const auto& [pair, count] : counts) reached += count > 0;
      CHECK_EQ(seen, reached);
    }
  }
}

TEST(a_pairs_own_fact_is_no_walk) {
  const Sample sample = user_item_sample();
  const Expand expand(sample.graph());
  const Triple fact = sample.facts[0];
  const std::vector<EntityId> source{fact.head}, target{fact.tail};
  const std::vector<RelationId> buy{0};
  CHECK_EQ(sample_metapath(expand, buy, source, target, {1, 0}, -1, 0).pairs.size(), 1u);
  CHECK_EQ(sample_metapath(expand, buy, source, target, {1, 0}, 0, 0).pairs.size(), 0u);
  CHECK_EQ(sample_metapath(expand, buy, source, target, {1, 0}, 1, 0).pairs.size(), 1u);
}

TEST(metapath_walks_in_a_mapped_graph_whose_edges_lead_out_of_it) {
  const auto offsets = std::make_shared<std::vector<std::int64_t>>(std::vector<std::int64_t>{0, 1, 2, 2});
  const std::vector<EntityId> source{0}, target{1};
  for (const EntityId tail : {9, -1}) {
    const std::vector<Edge> edges{{0, tail}, {1, tail}};
    const Expand expand(Graph(offsets, 3, 1, 1, *offsets, edges, {0, 3}));
    for (const std::size_t hops : {2u, 3u, 4u}) {
      const std::vector<RelationId> metapath(hops, 0);
      CHECK_THROWS(std::out_of_range, "is not in [0, 3)",
                   sample_metapath(expand, metapath, source, target, {1, 0}, -1, 0));
      CHECK_THROWS(std::out_of_range, "is not in [0, 3)", metapath_ends(expand, metapath, source));
    }
  }
}

/// A search of every user of the sample, with vectors that are waves.
struct Search {
  Sample sample = user_item_sample();
  std::vector<std::int32_t> parents{-1, 0, 1, 2, 1, 4, 1};  // 0 | buy | made by | makes ; bought by | buy ; goes with
  std::vector<RelationId> relations{0, 0, 1, 4, 3, 0, 2};
  std::vector<EntityId> users;
  std::vector<std::int32_t> budgets;
  std::vector<float> queries, table, norms;
  static constexpr std::int64_t kDim = 37;

  Search() {
    for (EntityId user = 0; user < 12; ++user) users.push_back(user);
    const std::size_t nodes = users.size() * parents.size();
    for (std::size_t i = 0; i < nodes; ++i) budgets.push_back(static_cast<std::int32_t>(i % 4));
    norms.assign(nodes, std::nanf(""));
    for (std::size_t i = 0; i < nodes * kDim; ++i) queries.push_back(static_cast<float>(std::sin(0.7 * double(i))));
    for (std::size_t i = 0; i < 36 * kDim; ++i) table.push_back(static_cast<float>(std::cos(1.3 * double(i))));
  }
  MetapathQueries view() const {
    MetapathQueries q;
    q.users = users;
    q.budgets = budgets;
    q.node_queries = queries.data();
    q.entity_table = table.data();
    q.num_rows = 36;
    q.dim = kDim;
    q.log_norm = norms;
    q.interact = 0;
    return q;
  }
  MetapathPaths run() const {
    const Expand expand(sample.graph());
    return metapath_search(expand, MetapathTree(expand.graph(), parents, relations), view());
  }
};

TEST(metapath_search_follows_the_tree_and_keeps_its_budgets) {
  const Search search;
  const MetapathPaths paths = search.run();
  CHECK(paths.users.size() > 10);
  const RelationId stay = search.sample.graph().stay();
  std::map<std::pair<std::int32_t, std::int32_t>, std::int64_t> spent;
  for (std::size_t p = 0; p < paths.users.size(); ++p) {
    const EntityId* entities = paths.entities.data() + p * 4;
    const RelationId* relations = paths.relations.data() + p * 3;
    const auto leaf = static_cast<std::size_t>(paths.nodes[p]);
    CHECK(leaf == 3 || leaf == 5 || leaf == 6);
    CHECK_EQ(entities[0], search.users[static_cast<std::size_t>(paths.users[p])]);
    std::set<EntityId> been{entities[0]};
    for (std::size_t hop = 0; hop < 3; ++hop) {
      if (relations[hop] == stay) {
        CHECK(leaf == 6 && hop == 2);
        CHECK_EQ(entities[hop + 1], entities[hop]);
        continue;
      }
      CHECK(search.sample.row(entities[hop]).count({relations[hop], entities[hop + 1]}) == 1);
      CHECK(been.insert(entities[hop + 1]).second);
    }
    CHECK_EQ(relations[1], search.relations[leaf == 6 ? 6 : leaf - 1]);
    CHECK(search.sample.row(entities[0]).count({0, entities[3]}) == 0);
    CHECK(paths.log_prob[p] <= paths.last_log_prob[p] && paths.last_log_prob[p] <= 0);
    ++spent[{paths.users[p], paths.nodes[p]}];
  }
  for (const auto& [at, count] : spent) {
    std::int64_t room = 1;
    for (std::int32_t x = at.second; x != 0; x = search.parents[static_cast<std::size_t>(x)]) {
      room *= search.budgets[static_cast<std::size_t>(at.first) * 7 + static_cast<std::size_t>(x)];
    }
    CHECK(count <= room);
  }
}

TEST(metapath_search_is_the_same_for_every_instruction_set_and_thread_count) {
  const Search search;
  use_instruction_set("baseline");
  const MetapathPaths plain = search.run();
  for (const InstructionSet set : available_instruction_sets()) {
    use_instruction_set(name_of(set));
    for (const int threads : {1, 3}) {
      set_num_threads(threads);
      const MetapathPaths paths = search.run();
      CHECK(paths.entities == plain.entities);
      CHECK(paths.nodes == plain.nodes);
      CHECK(paths.log_prob == plain.log_prob);
    }
  }
  set_num_threads(1);
}

TEST(metapath_trees_and_queries_are_checked) {
  const Graph graph = user_item_sample().graph();
  const auto tree = [&](std::vector<std::int32_t> parents, std::vector<RelationId> relations) {
    return MetapathTree(graph, parents, relations).hops();
  };
  CHECK_EQ(tree({-1, 0, 1, 0}, {0, 1, 2, 3}), 2u);
  CHECK_THROWS(std::invalid_argument, "-1 for the root", tree({}, {}));
  CHECK_THROWS(std::invalid_argument, "one node more", tree({-1}, {0}));
  CHECK_THROWS(std::invalid_argument, "node 1 has parent 1", tree({-1, 1}, {0, 0}));
  CHECK_THROWS(std::invalid_argument, "relations", tree({-1, 0}, {0}));
  CHECK_THROWS(std::out_of_range, "relation id 6", tree({-1, 0}, {0, 6}));
  std::vector<std::int32_t> chain{-1};
  while (chain.size() < 18) chain.push_back(static_cast<std::int32_t>(chain.size()) - 1);
  CHECK_THROWS(std::invalid_argument, "at most 16", tree(chain, std::vector<RelationId>(18, 0)));
  Search search;
  search.budgets[9] = -1;
  CHECK_THROWS(std::invalid_argument, "budget of node 2, user row 1 is negative", search.run());
  search = Search();
  search.users[3] = 36;
  CHECK_THROWS(std::out_of_range, "users: 36", search.run());
  search = Search();
  search.budgets[9] = 1;
  search.queries[9 * Search::kDim] = std::nanf("");
  CHECK_THROWS(std::invalid_argument, "vector of node 2, user row 1 is not finite", search.run());
}

}  // namespace
}  // namespace kgwalk
