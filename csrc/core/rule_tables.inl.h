#pragma once

// Templates of rule_tables.h.

#include <algorithm>

#include "core/rule_grounding.h"

namespace kgwalk {

/// Whether some tail may stand for the free end of h(X, c) <- b(X, A).
inline bool is_open(Span<const EntityId> tails, EntityId x, EntityId c, bool object_identity) {
  if (!object_identity) return !tails.empty();
  return std::any_of(tails.begin(), tails.end(), [&](EntityId a) { return a != x && a != c; });
}

template <class Add>
void RuleTables::about(EntityId source, RelationId relation, const Add& add) const {
  const Head& head = heads_[static_cast<std::size_t>(relation)];
  const auto say = [&](EntityId answer, float weight) {
    if (answer == kSelf) {
      add(source, weight);
    } else if (answer != source) {
      add(answer, weight);
    }
  };
  const auto runs = index_.runs(source);
  const RelationIndex::Run* run = runs.begin();
  for (const Group& group : head.constant_groups) {
    while (run != runs.end() && run->relation < group.relation) ++run;
    if (run == runs.end()) break;
    if (run->relation != group.relation) continue;
    const Constant* const first = head.constants.data() + group.begin;
    const Constant* const last = head.constants.data() + group.end;
    const auto tails = index_.tails(*run);
    const auto before = [](const Constant& rule, EntityId end) { return rule.end < end; };
    const Constant* rule = first;
    for (const EntityId tail : tails) {
      if (tail == source) continue;  // said by kSelf
      rule = std::lower_bound(rule, last, tail, before);
      for (; rule != last && rule->end == tail; ++rule) say(rule->answer, rule->weight);
    }
    if (first != last && first->end == kSelf && std::binary_search(tails.begin(), tails.end(), source)) {
      for (rule = first; rule != last && rule->end == kSelf; ++rule) say(rule->answer, rule->weight);
    }
  }
  run = runs.begin();
  for (const Group& group : head.open_groups) {
    while (run != runs.end() && run->relation < group.relation) ++run;
    if (run == runs.end()) break;
    if (run->relation != group.relation) continue;
    for (std::int64_t i = group.begin; i < group.end; ++i) {
      const Open& rule = head.open[static_cast<std::size_t>(i)];
      if (is_open(index_.tails(*run), source, rule.answer, object_identity_)) say(rule.answer, rule.weight);
    }
  }
  if (!runs.empty()) {
    for (const Open& rule : head.zeros) say(rule.answer, rule.weight);
  }
  for (const Long& rule : head.longs) {
    const EntityId c = rules_.head_constant[static_cast<std::size_t>(rule.rule)];
    const EntityId answer = c == kSelf ? source : c;
    if (!ground_rule(index_, rules_, static_cast<std::size_t>(rule.rule), source, answer, object_identity_, 1)
             .empty()) {
      add(answer, rule.weight);
    }
  }
}

template <class Add>
void RuleTables::those_who(EntityId source, RelationId relation, const Add& add) const {
  const Head& head = heads_[static_cast<std::size_t>(index_.inverse(relation))];
  const auto& constants = head.turned_constants;
  const auto found = std::lower_bound(constants.begin(), constants.end(), source);
  if (found != constants.end() && *found == source) {
    const auto k = static_cast<std::size_t>(found - constants.begin());
    for (auto i = head.turned_offsets[k]; i < head.turned_offsets[k + 1]; ++i) {
      const Turned& rule = head.turned[static_cast<std::size_t>(i)];
      if (rule.end >= 0) {
        for (const EntityId x : index_.tails(rule.end, index_.inverse(rule.relation))) {
          if (x != source && x != rule.end) add(x, rule.weight);
        }
        continue;
      }
      for (const EntityId x : bearers_[static_cast<std::size_t>(rule.relation)]) {
        if (x == source) continue;
        const bool holds = rule.end == kSelf
                               ? index_.has(x, rule.relation, x)
                               : !object_identity_ || is_open(index_.tails(x, rule.relation), x, source, true);
        if (holds) add(x, rule.weight);
      }
    }
  }
  for (const Long& rule : head.turned_longs) {
    const auto r = static_cast<std::size_t>(rule.rule);
    if (rules_.head_constant[r] != source) continue;
    for (const EntityId x : bearers_[static_cast<std::size_t>(rules_.body_of(r)[0])]) {
      if (!ground_rule(index_, rules_, r, x, source, object_identity_, 1).empty()) add(x, rule.weight);
    }
  }
}

}  // namespace kgwalk
