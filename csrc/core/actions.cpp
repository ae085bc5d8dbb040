#include "core/actions.h"

#include <algorithm>
#include <stdexcept>
#include <string>

#include "core/thread_pool.h"

namespace kgwalk {
namespace {

constexpr std::size_t kScanned = 16;  // answers that are scanned faster than searched
constexpr std::size_t kSketched = 6;  // answers that leave most of a 64-bit sketch empty

bool holds(Span<const Edge> answers, EntityId entity) {
  if (answers.size() <= kScanned) {
    bool found = false;
    for (const Edge& e : answers) found |= e.tail == entity;
    return found;
  }
  const auto it =
      std::lower_bound(answers.begin(), answers.end(), entity, [](Edge e, EntityId wanted) { return e.tail < wanted; });
  return it != answers.end() && it->tail == entity;
}

}  // namespace

bool ActionRow::legal(std::size_t slot) const {
  const auto s = static_cast<std::int32_t>(slot);
  if ((num_hidden > 0 && s == hidden[0]) || (num_hidden > 1 && s == hidden[1])) return false;
  if (!filtered()) return true;
  const EntityId tail = edges[slot].tail;
  return (sketch & sketch_bit(tail)) == 0 || tail == target || !holds(answers, tail);
}

std::size_t ActionRow::count() const {
  if (!filtered()) return 1 + num_visible();
  std::size_t n = 1;
  for (std::size_t slot = 0; slot < edges.size(); ++slot) n += legal(slot);
  return n;
}

void ActionRow::closed(std::vector<std::int32_t>& slots) const {
  slots.assign(hidden, hidden + num_hidden);
  if (!filtered()) return;
  slots.clear();
  int next_hidden = 0;
  const auto collect = [&](const auto& may_be_answer) {
    for (std::size_t slot = 0; slot < edges.size(); ++slot) {
      const auto s = static_cast<std::int32_t>(slot);
      if (next_hidden < num_hidden && s == hidden[next_hidden]) {
        slots.push_back(s);
        ++next_hidden;
      } else if (may_be_answer(edges[slot].tail) && !legal(slot)) {
        slots.push_back(s);
      }
    }
  };
  if (answers.size() <= kSketched || answers.size() > 8 * edges.size()) {
    collect([&](EntityId tail) { return (sketch & sketch_bit(tail)) != 0; });
    return;
  }
  // Marking the answers costs two passes over them, and spares nearly every edge a search.
  constexpr std::uint32_t kMarks = 1u << 15;
  thread_local std::vector<std::uint8_t> marked(kMarks);
  const auto mark_of = [&](EntityId e) -> std::uint8_t& { return marked[static_cast<std::uint32_t>(e) % kMarks]; };
  for (const Edge& e : answers) mark_of(e.tail) = 1;
  collect([&](EntityId tail) { return mark_of(tail) != 0; });
  for (const Edge& e : answers) mark_of(e.tail) = 0;
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
  plan.answers = answers.data();
  plan.num_answers = static_cast<std::int32_t>(answers.size());
  for (const Edge& e : answers) plan.sketch |= ActionRow::sketch_bit(e.tail);
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

Ragged ActionSets::candidates(Span<const EntityId> at, Span<const std::int32_t> query_of, Span<const Query> queries,
                              bool last_hop) const {
  const std::size_t n = at.size();
  if (query_of.size() != n) {
    throw std::invalid_argument("candidates: expected " + std::to_string(n) + " query indices, got " +
                                std::to_string(query_of.size()));
  }
  for (const Query& q : queries) check_query(q);
  for (const std::int32_t q : query_of) {
    if (q < 0 || static_cast<std::size_t>(q) >= queries.size()) {
      throw std::out_of_range("query index " + std::to_string(q) + " is not in [0, " + std::to_string(queries.size()) +
                              ")");
    }
  }
  Ragged out;
  out.offsets.assign(n + 1, 0);
  constexpr std::int64_t kGrain = 2048;
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
