#include <algorithm>
#include <map>

#include "core/actions.h"
#include "core/thread_pool.h"
#include "tests/check.h"
#include "tests/samples.h"

namespace kgwalk {
namespace {

/// The moves that DESIGN allows, from the facts alone.
std::vector<Edge> legal_moves(const Sample& s, EntityId at, const Query& q, ActionRules rules, bool last_hop) {
  const Graph g = s.graph();
  const std::set<Edge> source_row = s.row(q.source);
  std::vector<Edge> moves{{g.stay(), at}};
  for (const Edge& e : s.row(at)) {
    const bool forward = at == q.source && e == Edge{q.relation, q.target};
    const bool backward = at == q.target && e == Edge{g.inverse(q.relation), q.source};
    const bool other_answer = e.tail != q.target && source_row.count({q.relation, e.tail}) == 1;
    if (rules.hide_fact && q.target >= 0 && (forward || backward)) continue;
    if (rules.hide_answers && last_hop && other_answer) continue;
    moves.push_back(e);
  }
  return moves;
}

/// Relations and tails of a row against its moves, STAY apart.
void check_runs(const Sample& s, const ActionRow& row, const std::vector<Edge>& moves) {
  std::map<RelationId, std::vector<EntityId>> expected, found;
  for (auto move = moves.begin() + 1; move != moves.end(); ++move) expected[move->relation].push_back(move->tail);
  std::map<RelationId, std::size_t> counts;
  row.each_relation([&](RelationId r, std::size_t count) { counts[r] = count; });
  CHECK_EQ(counts.size(), expected.size());
  for (RelationId r = 0; r < 2 * s.num_relations; ++r) {
    row.each_tail(r, [&](EntityId tail) { found[r].push_back(tail); });
    if (found.count(r) == 1) CHECK_EQ(counts[r], found[r].size());
  }
  CHECK(found == expected);
}

}  // namespace

TEST(actions_are_stay_and_the_legal_edges) {
  for (const Sample& s : samples()) {
    for (const ActionRules rules : {ActionRules{true, true}, {true, false}, {false, true}, {false, false}}) {
      const ActionSets actions(Expand(s.graph()), rules);
      std::vector<Query> queries;
      for (std::size_t row = 0; row < s.facts.size(); row += 5) {  // each is asked of every entity
        const Triple& f = s.facts[row];
        queries.push_back({f.head, f.relation, f.tail});
        queries.push_back({f.tail, f.relation + s.num_relations, f.head});
        queries.push_back({f.head, f.relation, -1});
      }
      std::vector<EntityId> at;
      std::vector<std::int32_t> query_of;
      for (std::size_t q = 0; q < queries.size(); ++q) {
        for (EntityId e = 0; e < s.num_entities; ++e) {
          at.push_back(e);
          query_of.push_back(static_cast<std::int32_t>(q));
        }
      }
      for (const bool last_hop : {false, true}) {
        const Ragged out = actions.candidates(at, query_of, queries, last_hop);
        for (std::size_t i = 0; i < at.size(); ++i) {
          const Query& q = queries[static_cast<std::size_t>(query_of[i])];
          std::vector<Edge> moves;
          for (std::int64_t k = out.offsets[i]; k < out.offsets[i + 1]; ++k) {
            moves.push_back({out.relations[static_cast<std::size_t>(k)], out.tails[static_cast<std::size_t>(k)]});
          }
          CHECK(moves == legal_moves(s, at[i], q, rules, last_hop));
          CHECK_EQ(actions.row(at[i], q, last_hop).count(), moves.size());
          const ActionRow planned = actions.row(at[i], actions.plan(q), last_hop);
          CHECK_EQ(planned.count(), moves.size());
          std::vector<std::int32_t> closed;
          planned.closed(closed);
          std::vector<Edge> open{moves[0]};
          for (std::size_t slot = 0; slot < planned.edges.size(); ++slot) {
            const bool shut = std::binary_search(closed.begin(), closed.end(), static_cast<std::int32_t>(slot));
            CHECK_EQ(shut, !planned.legal(slot));
            if (!shut) open.push_back(planned.edges[slot]);
          }
          CHECK(open == moves);
          check_runs(s, planned, moves);
        }
      }
    }
  }
}

TEST(relations_of_long_runs_count_closed_answers) {
  // A hub 0 with a run of 500, of which 7 are answers of (1, 1, ?) and one is the target's.
  std::vector<Triple> facts;
  for (EntityId e = 2; e < 502; ++e) facts.push_back({0, 0, e});
  for (EntityId e = 5; e < 400; e += 60) facts.push_back({1, 1, e});
  facts.push_back({0, 1, 1});
  const ActionSets actions(Expand(Graph::from_triples(facts, 502, 2)), {});
  const std::vector<EntityId> at{0, 0, 0};
  const std::vector<std::int32_t> query_of{0, 1, 0};
  const std::vector<Query> queries{{1, 1, 65}, {0, 0, 4}};
  const OpenRelations middle = actions.relations(at, query_of, queries, false);
  const OpenRelations last = actions.relations(at, query_of, queries, true);
  CHECK(middle.offsets == std::vector<std::int64_t>({0, 3, 6, 9}));
  CHECK(middle.relations == std::vector<RelationId>({4, 0, 1, 4, 0, 1, 4, 0, 1}));
  CHECK(middle.counts == std::vector<std::int32_t>({1, 500, 1, 1, 499, 1, 1, 500, 1}));
  CHECK(last.offsets == std::vector<std::int64_t>({0, 3, 5, 8}));  // 1's own answers are all shut but the target
  CHECK(last.counts == std::vector<std::int32_t>({1, 494, 1, 1, 1, 1, 494, 1}));
}

TEST(actions_refuse_ids_out_of_range) {
  for (const Sample& s : samples()) {
    const ActionSets actions(Expand(s.graph()), {});
    const auto ask = [&](EntityId at, std::int32_t query_of, Query q) {
      return actions.candidates({&at, 1}, {&query_of, 1}, {&q, 1}, true);
    };
    const EntityId n = s.num_entities;
    static_cast<void>(ask(0, 0, {0, 0, -1}));
    CHECK_THROWS(std::out_of_range, "entity id", ask(n, 0, {0, 0, -1}));
    CHECK_THROWS(std::out_of_range, "query index", ask(0, 1, {0, 0, -1}));
    CHECK_THROWS(std::out_of_range, "query index", ask(0, -1, {0, 0, -1}));
    CHECK_THROWS(std::out_of_range, "entity ids", ask(0, 0, {n, 0, -1}));
    CHECK_THROWS(std::out_of_range, "entity ids", ask(0, 0, {0, 0, n}));
    CHECK_THROWS(std::out_of_range, "entity ids", ask(0, 0, {0, 0, -2}));
    CHECK_THROWS(std::out_of_range, "relation id", ask(0, 0, {0, -1, 0}));
    CHECK_THROWS(std::out_of_range, "relation id", ask(0, 0, {0, 2 * s.num_relations, 0}));
    const EntityId at = 0;
    CHECK_THROWS(std::invalid_argument, "query indices", actions.candidates({&at, 1}, {}, {}, true));
  }
}

}  // namespace kgwalk
