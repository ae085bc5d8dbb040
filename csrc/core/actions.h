#pragma once

#include <algorithm>
#include <utility>
#include <vector>

#include "core/answer_sketch.h"
#include "core/expand.h"

namespace kgwalk {

/// What a walker is looking for: (source, relation, ?). `target` is known in training only; -1 otherwise.
struct Query {
  EntityId source;
  RelationId relation;
  EntityId target;
};

/// What a walker may not see.
struct ActionRules {
  /// Hide the query's own edge and its inverse at every step (queries without a target have none).
  bool hide_fact = true;
  /// At the last hop, hide every answer that the walking graph holds for (source, relation), the target apart.
  bool hide_answers = true;
};

/// What the rules of a query come down to, looked up once for many steps: where its own edges and its answers lie.
struct QueryPlan {
  Query query = {0, 0, -1};
  std::int32_t fact_slot = -1;     ///< of the query's own edge, in the row of its source; -1: not there, or not hidden
  std::int32_t inverse_slot = -1;  ///< of its inverse, in the row of its target; of a self loop, the later of the two
  std::int32_t num_answers = 0;    ///< closed at the last hop
  const Edge* answers = nullptr;
  AnswerSketch sketch;  ///< of their tails
};

/// The moves open to one walker: STAY, then the visible edges of its node in row order.
struct ActionRow {
  EntityId at = 0;
  Span<const Edge> edges;
  std::int32_t hidden[2] = {-1, -1};  // slots of the query's own edges
  int num_hidden = 0;
  Span<const Edge> answers;  // sorted by tail; empty where nothing is filtered
  AnswerSketch sketch;
  EntityId target = -1;

  bool filtered() const { return !answers.empty(); }
  /// Is the edge in this slot open? Costs a search in `answers` where those are filtered.
  bool legal(std::size_t slot) const;
  /// Slots apart from the hidden ones; with filtered answers some of these may still be closed.
  std::size_t num_visible() const { return edges.size() - static_cast<std::size_t>(num_hidden); }
  /// STAY and the legal edges, counted.
  std::size_t count() const;
  /// One past the last slot of the relation of slot `begin`, `begin` the first of it. O(log of what is skipped).
  std::size_t run_end(std::size_t begin) const;
  /// Legal edges in slots [begin, end), all of one relation. O(1) where none can be closed; else a search for each
  /// answer or a look at each edge, whichever are fewer.
  std::size_t count_run(std::size_t begin, std::size_t end) const;
  /// Whether there is one. Looks no further than the first.
  bool any_legal(std::size_t begin, std::size_t end) const {
    while (begin < end && !legal(begin)) ++begin;
    return begin < end;
  }
  /// Calls take(relation, number of legal entities) for each relation with a legal edge, rising; not for STAY.
  template <class Take>
  void each_relation(const Take& take) const {
    for (std::size_t slot = 0, next; slot < edges.size(); slot = next) {
      next = run_end(slot);
      const std::size_t count = count_run(slot, next);
      if (count > 0) take(edges[slot].relation, count);
    }
  }
  /// Calls take(entity) for the legal tails of a relation, rising.
  template <class Take>
  void each_tail(RelationId relation, const Take& take) const {
    const auto* first = std::lower_bound(edges.begin(), edges.end(), relation,
                                         [](const Edge& e, RelationId r) { return e.relation < r; });
    if (first == edges.end() || first->relation != relation) return;
    const auto begin = static_cast<std::size_t>(first - edges.begin());
    const std::size_t end = run_end(begin);
    const bool all_legal = num_hidden == 0 && !filtered();
    for (std::size_t slot = begin; slot < end; ++slot) {
      if (all_legal || legal(slot)) take(edges[slot].tail);
    }
  }
  /// Replaces `slots` by those that are not legal, in rising order. O(1) where nothing is filtered; else a look at each
  /// edge, and a search in `answers` for those that the sketch does not clear.
  void closed(std::vector<std::int32_t>& slots) const;
};

/// Relations open to walkers, rows side by side: row i is [offsets[i], offsets[i + 1]).
struct OpenRelations {
  std::vector<std::int64_t> offsets{0};
  std::vector<RelationId> relations;
  std::vector<std::int32_t> counts;  ///< of the legal entities of each
};

/// Entities that relations lead to, rows as above.
struct OpenTails {
  std::vector<std::int64_t> offsets{0};
  std::vector<EntityId> entities;
};

/// The one place that decides which moves are legal: environments, beam search and training all ask it.
class ActionSets {
 public:
  ActionSets(Expand expand, ActionRules rules) : expand_(std::move(expand)), rules_(rules) {}

  const Expand& expand() const { return expand_; }
  const Graph& graph() const { return expand_.graph(); }
  const ActionRules& rules() const { return rules_; }

  /// @param last_hop  whether the move ends the walk
  ActionRow row(EntityId at, const Query& query, bool last_hop) const;

  QueryPlan plan(const Query& query) const;
  /// The same as row(at, plan.query, last_hop), without a search.
  ActionRow row(EntityId at, const QueryPlan& plan, bool last_hop) const;

  /// Row i: STAY, then the legal edges of at[i], in row order.
  /// @param query_of  for each row its index into `queries`
  Ragged candidates(Span<const EntityId> at, Span<const std::int32_t> query_of, Span<const Query> queries,
                    bool last_hop) const;

  /// Row i: STAY, which counts one entity, then the relations with a legal edge at at[i], rising.
  OpenRelations relations(Span<const EntityId> at, Span<const std::int32_t> query_of, Span<const Query> queries,
                          bool last_hop) const;

  /// Row i: the legal entities of relations[i] at at[i], rising; at[i] itself for STAY.
  /// @param relations  one per row, STAY included
  OpenTails tails(Span<const EntityId> at, Span<const RelationId> relations, Span<const std::int32_t> query_of,
                  Span<const Query> queries, bool last_hop) const;

  /// Throws std::out_of_range unless source and target are entities and relation is an edge's; a target may be -1.
  void check_query(const Query& query) const;

 private:
  /// What is filtered at the last hop; empty where that is nothing but the target.
  Span<const Edge> closed_answers(const Query& query) const;
  /// Throws unless there is an index into `queries` for each of n rows, and every query is in range.
  void check_rows(std::size_t n, Span<const std::int32_t> query_of, Span<const Query> queries) const;
  std::vector<QueryPlan> plans(Span<const Query> queries) const;

  Expand expand_;
  ActionRules rules_;
};

}  // namespace kgwalk
