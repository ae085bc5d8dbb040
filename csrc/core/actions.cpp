#include "core/actions.h"

#include <algorithm>
#include <limits>
#include <stdexcept>
#include <string>

#include "core/pieces.h"
#include "core/thread_pool.h"

namespace kgwalk {
namespace {

constexpr std::size_t kScanned = 16;   // answers that are scanned faster than searched
constexpr std::int64_t kGrain = 2048;  // rows for one thread

bool holds(Span<const Edge> answers, EntityId entity) {
  if (answers.size() <= kScanned) {
    bool found = false;
    for (const Edge& e : answers) found |= e.tail == entity;
    return found;
  }
  // A search whose steps depend on no branch: which way it goes is anyone's guess.
  const Edge* first = answers.data();
  for (std::size_t n = answers.size(); n > 1;) {
    const std::size_t half = n / 2;
    first += half & (std::size_t{0} - static_cast<std::size_t>(first[half - 1].tail < entity));
    n -= half;
  }
  return first->tail == entity;
}

}  // namespace

bool ActionRow::legal(std::size_t slot) const {
  const auto s = static_cast<std::int32_t>(slot);
  if ((num_hidden > 0 && s == hidden[0]) || (num_hidden > 1 && s == hidden[1])) return false;
  if (!filtered()) return true;
  const EntityId tail = edges[slot].tail;
  return !sketch.may_hold(tail) || tail == target || !holds(answers, tail);
}

std::size_t ActionRow::count() const {
  if (!filtered()) return 1 + num_visible();
  std::size_t n = 1;
  for (std::size_t slot = 0; slot < edges.size(); ++slot) n += legal(slot);
  return n;
}

std::size_t ActionRow::run_end(std::size_t begin) const {
  const RelationId relation = edges[begin].relation;
  std::size_t low = begin, step = 1;  // low is in the run
  while (low + step < edges.size() && edges[low + step].relation == relation) {
    low += step;
    step *= 2;
  }
  for (; step > 0; step /= 2) {
    if (low + step < edges.size() && edges[low + step].relation == relation) low += step;
  }
  return low + 1;
}

std::size_t ActionRow::count_run(std::size_t begin, std::size_t end) const {
  constexpr std::size_t kSearch = 8;  // edges that are looked at in the time of one search
  const auto is_hidden = [this](std::size_t slot) {
    const auto s = static_cast<std::int32_t>(slot);
    return (num_hidden > 0 && s == hidden[0]) || (num_hidden > 1 && s == hidden[1]);
  };
  std::size_t n = 0;
  if (answers.size() * kSearch >= end - begin && filtered()) {
    for (std::size_t slot = begin; slot < end; ++slot) n += legal(slot);
    return n;
  }
  n = end - begin;
  for (int i = 0; i < num_hidden; ++i) {
    const auto slot = static_cast<std::size_t>(hidden[i]);
    n -= slot >= begin && slot < end;
  }
  const Edge* from = edges.data() + begin;
  const Edge* const last = edges.data() + end;
  for (const Edge& answer : answers) {  // rises, as the run does
    from = std::lower_bound(from, last, answer.tail, [](const Edge& e, EntityId tail) { return e.tail < tail; });
    if (from == last) break;
    if (from->tail != answer.tail || answer.tail == target) continue;
    n -= !is_hidden(static_cast<std::size_t>(from - edges.data()));
    ++from;
  }
  return n;
}

void ActionRow::closed(std::vector<std::int32_t>& slots) const {
  slots.assign(hidden, hidden + num_hidden);
  if (!filtered()) return;
  slots.resize(edges.size());
  const std::int32_t always[2] = {num_hidden > 0 ? hidden[0] : -1, num_hidden > 1 ? hidden[1] : -1};
  std::size_t n = 0;
  sketch.suspects(edges, always, [&](std::size_t slot) {
    // No branch, so that the searches of several suspects overlap.
    const auto s = static_cast<std::int32_t>(slot);
    const EntityId tail = edges[slot].tail;
    slots[n] = s;
    n += static_cast<std::size_t>((s == always[0]) | (s == always[1]) | ((tail != target) & holds(answers, tail)));
  });
  slots.resize(n);
}

ActionRow ActionSets::row(EntityId at, const Query& query, bool last_hop) const {
  ActionRow row;
  row.at = at;
  row.edges = expand_.row(at);
  row.target = query.target;
  if (rules_.hide_fact) {
    row.num_hidden = expand_.hidden_slots(row.edges, at, {query.source, query.relation, query.target}, row.hidden);
  }
  if (last_hop) row.answers = closed_answers(query);
  return row;
}

Span<const Edge> ActionSets::closed_answers(const Query& query) const {
  if (!rules_.hide_answers) return {};
  const Span<const Edge> answers = expand_.full_row(query.source, query.relation);
  // Nearly every training query has one answer, its target: then there is nothing to filter.
  if (answers.size() == 1 && answers[0].tail == query.target) return {};
  return answers;
}

QueryPlan ActionSets::plan(const Query& query) const {
  QueryPlan plan;
  plan.query = query;
  const Span<const Edge> answers = closed_answers(query);
  if (answers.size() > std::numeric_limits<std::int32_t>::max()) {
    throw std::out_of_range("corrupt graph: entity " + std::to_string(query.source) +
                            " has more answers than entities");
  }
  plan.answers = answers.data();
  plan.num_answers = static_cast<std::int32_t>(answers.size());
  constexpr std::size_t kWord = 64;  // answers that leave a bit of a word unset
  if (answers.size() <= kWord) plan.sketch = AnswerSketch(answers);
  if (!rules_.hide_fact || query.target < 0) return plan;
  const Triple fact{query.source, query.relation, query.target};
  std::int32_t slots[2] = {-1, -1};
  expand_.hidden_slots(expand_.row(query.source), query.source, fact, slots);
  plan.fact_slot = slots[0];
  plan.inverse_slot = slots[1];
  if (query.source == query.target) return plan;
  slots[0] = -1;
  expand_.hidden_slots(expand_.row(query.target), query.target, fact, slots);
  plan.inverse_slot = slots[0];
  return plan;
}

ActionRow ActionSets::row(EntityId at, const QueryPlan& plan, bool last_hop) const {
  ActionRow row;
  row.at = at;
  row.edges = expand_.row(at);
  row.target = plan.query.target;
  if (at == plan.query.source && plan.fact_slot >= 0) row.hidden[row.num_hidden++] = plan.fact_slot;
  if (at == plan.query.target && plan.inverse_slot >= 0) row.hidden[row.num_hidden++] = plan.inverse_slot;
  if (last_hop) row.answers = {plan.answers, static_cast<std::size_t>(plan.num_answers)};
  row.sketch = plan.sketch;
  return row;
}

void ActionSets::check_rows(std::size_t n, Span<const std::int32_t> query_of, Span<const Query> queries) const {
  if (query_of.size() != n) {
    throw std::invalid_argument("expected " + std::to_string(n) + " query indices, got " +
                                std::to_string(query_of.size()));
  }
  for (const Query& q : queries) check_query(q);
  for (const std::int32_t q : query_of) {
    if (q < 0 || static_cast<std::size_t>(q) >= queries.size()) {
      throw std::out_of_range("query index " + std::to_string(q) + " is not in [0, " + std::to_string(queries.size()) +
                              ")");
    }
  }
}

std::vector<QueryPlan> ActionSets::plans(Span<const Query> queries) const {
  std::vector<QueryPlan> made(queries.size());
  parallel_for(static_cast<std::int64_t>(queries.size()), kGrain, [&](std::int64_t begin, std::int64_t end) {
    for (auto i = static_cast<std::size_t>(begin); i < static_cast<std::size_t>(end); ++i) made[i] = plan(queries[i]);
  });
  return made;
}

Ragged ActionSets::candidates(Span<const EntityId> at, Span<const std::int32_t> query_of, Span<const Query> queries,
                              bool last_hop) const {
  const std::size_t n = at.size();
  check_rows(n, query_of, queries);
  Ragged out;
  out.offsets.assign(n + 1, 0);
  const auto row_of = [&](std::size_t i) {
    return row(at[i], queries[static_cast<std::size_t>(query_of[i])], last_hop);
  };
  parallel_for(static_cast<std::int64_t>(n), kGrain, [&](std::int64_t begin, std::int64_t end) {
    for (auto i = static_cast<std::size_t>(begin); i < static_cast<std::size_t>(end); ++i) {
      out.offsets[i + 1] = static_cast<std::int64_t>(row_of(i).count());
    }
  });
  for (std::size_t i = 0; i < n; ++i) out.offsets[i + 1] += out.offsets[i];
  out.relations.resize(static_cast<std::size_t>(out.offsets[n]));
  out.tails.resize(out.relations.size());
  const RelationId stay = graph().stay();
  parallel_for(static_cast<std::int64_t>(n), kGrain, [&](std::int64_t begin, std::int64_t end) {
    for (auto i = static_cast<std::size_t>(begin); i < static_cast<std::size_t>(end); ++i) {
      const ActionRow actions = row_of(i);
      auto to = static_cast<std::size_t>(out.offsets[i]);
      out.relations[to] = stay;
      out.tails[to++] = at[i];
      for (std::size_t slot = 0; slot < actions.edges.size(); ++slot) {
        if (!actions.legal(slot)) continue;
        out.relations[to] = actions.edges[slot].relation;
        out.tails[to++] = actions.edges[slot].tail;
      }
    }
  });
  return out;
}

OpenRelations ActionSets::relations(Span<const EntityId> at, Span<const std::int32_t> query_of,
                                    Span<const Query> queries, bool last_hop) const {
  check_rows(at.size(), query_of, queries);
  const std::vector<QueryPlan> planned = plans(queries);
  OpenRelations out;
  in_pieces(
      at.size(), kGrain,
      [&](std::size_t begin, std::size_t end) {
        OpenRelations piece;
        const auto add = [&piece](RelationId relation, std::size_t count) {
          piece.relations.push_back(relation);
          piece.counts.push_back(static_cast<std::int32_t>(count));
        };
        for (std::size_t i = begin; i < end; ++i) {
          add(graph().stay(), 1);
          row(at[i], planned[static_cast<std::size_t>(query_of[i])], last_hop).each_relation(add);
          piece.offsets.push_back(static_cast<std::int64_t>(piece.relations.size()));
        }
        return piece;
      },
      [&](OpenRelations&& piece) {
        append_offsets(out.offsets, piece.offsets);
        append(out.relations, piece.relations);
        append(out.counts, piece.counts);
      });
  return out;
}

OpenTails ActionSets::tails(Span<const EntityId> at, Span<const RelationId> relations,
                            Span<const std::int32_t> query_of, Span<const Query> queries, bool last_hop) const {
  const std::size_t n = at.size();
  check_length(relations.size(), n, "relations");
  check_rows(n, query_of, queries);
  const RelationId stay = graph().stay();
  for (const RelationId r : relations) {
    if (r != stay) graph().check_relation(r);
  }
  const std::vector<QueryPlan> planned = plans(queries);
  OpenTails out;
  in_pieces(
      n, kGrain,
      [&](std::size_t begin, std::size_t end) {
        OpenTails piece;
        for (std::size_t i = begin; i < end; ++i) {
          const ActionRow actions = row(at[i], planned[static_cast<std::size_t>(query_of[i])], last_hop);
          if (relations[i] == stay) {
            piece.entities.push_back(at[i]);
          } else {
            actions.each_tail(relations[i], [&piece](EntityId tail) { piece.entities.push_back(tail); });
          }
          piece.offsets.push_back(static_cast<std::int64_t>(piece.entities.size()));
        }
        return piece;
      },
      [&](OpenTails&& piece) {
        append_offsets(out.offsets, piece.offsets);
        append(out.entities, piece.entities);
      });
  return out;
}

void ActionSets::check_query(const Query& query) const {
  const auto entity_ok = [this](EntityId e) { return e >= 0 && e < expand_.num_entities(); };
  if (!entity_ok(query.source) || (query.target != -1 && !entity_ok(query.target))) {
    throw std::out_of_range("query (" + std::to_string(query.source) + ", " + std::to_string(query.relation) + ", " +
                            std::to_string(query.target) + "): entity ids must be in [0, " +
                            std::to_string(expand_.num_entities()) + "), an unknown target is -1");
  }
  graph().check_relation(query.relation);
}

}  // namespace kgwalk
