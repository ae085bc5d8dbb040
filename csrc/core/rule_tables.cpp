#include "core/rule_tables.h"

#include <cmath>
#include <numeric>
#include <tuple>
#include <utility>

namespace kgwalk {
namespace {

float weight_of(double confidence) {
  constexpr double kMost = 1 - 1e-7;
  return static_cast<float>(-std::log1p(-std::min(confidence, kMost)));
}

}  // namespace

RuleTables::RuleTables(const RelationIndex& index, const RuleSet& rules, Span<const double> along,
                       Span<const double> against, bool object_identity)
    : index_(index), rules_(rules), object_identity_(object_identity) {
  const auto num_directed = 2 * static_cast<std::size_t>(index.num_relations());
  bodies_.resize(num_directed);
  groups_.resize(num_directed);
  open_groups_.resize(num_directed);
  zeros_.resize(num_directed);
  longs_.resize(num_directed);
  turned_longs_.resize(num_directed);
  bearers_.resize(num_directed);
  for (EntityId e = 0; e < index.num_entities(); ++e) {
    for (const RelationIndex::Run& run : index.runs(e)) {
      bearers_[static_cast<std::size_t>(run.relation)].push_back(e);
    }
  }
  sort_cyclic(along, against);
  sort_constant(along, against);
}

void RuleTables::sort_cyclic(Span<const double> along, Span<const double> against) {
  using Body = std::pair<std::vector<RelationId>, float>;
  std::vector<std::vector<Body>> by_query(bodies_.size());
  for (std::size_t rule = 0; rule < rules_.size(); ++rule) {
    if (rules_.kind(rule) != RuleKind::kCyclic) continue;
    const auto body = rules_.body_of(rule);
    const RelationId head = rules_.head[rule];
    if (along[rule] > 0) {
      by_query[static_cast<std::size_t>(head)].emplace_back(std::vector<RelationId>(body.begin(), body.end()),
                                                            weight_of(along[rule]));
    }
    if (against[rule] > 0) {
      std::vector<RelationId> turned;
      for (std::size_t i = body.size(); i-- > 0;) turned.push_back(index_.inverse(body[i]));
      by_query[static_cast<std::size_t>(index_.inverse(head))].emplace_back(std::move(turned),
                                                                            weight_of(against[rule]));
    }
  }
  for (std::size_t q = 0; q < by_query.size(); ++q) {
    auto& all = by_query[q];
    std::sort(all.begin(), all.end(), [](const Body& a, const Body& b) {
      return a.first != b.first ? a.first < b.first : a.second > b.second;
    });
    std::vector<std::int64_t> offsets{0};
    std::vector<RelationId> atoms;
    Bodies& bodies = bodies_[q];
    for (std::size_t i = 0; i < all.size(); ++i) {
      if (i == 0 || all[i].first != all[i - 1].first) {
        atoms.insert(atoms.end(), all[i].first.begin(), all[i].first.end());
        offsets.push_back(static_cast<std::int64_t>(atoms.size()));
        bodies.offsets.push_back(bodies.offsets.back());
      }
      bodies.all_weights.push_back(all[i].second);
      ++bodies.offsets.back();
    }
    bodies.tree = BodyTree(offsets, atoms);
  }
}

void RuleTables::sort_constant(Span<const double> along, Span<const double> against) {
  // (head, relation of the body) of a rule, then what it looks for.
  struct Row {
    RelationId head, relation;
    EntityId end, answer;
    float weight;
  };
  std::vector<Row> constant, open;
  struct TurnedRow {
    std::int64_t key;
    Turned rule;
  };
  std::vector<TurnedRow> turned;
  for (std::size_t rule = 0; rule < rules_.size(); ++rule) {
    const RuleKind kind = rules_.kind(rule);
    if (kind == RuleKind::kCyclic) continue;
    const RelationId head = rules_.head[rule];
    const EntityId c = rules_.head_constant[rule], d = rules_.body_constant[rule];
    const auto body = rules_.body_of(rule);
    // What is said of X and itself answers both ways round.
    if (along[rule] > 0) {
      const float weight = weight_of(along[rule]);
      for (const RelationId h : {head, index_.inverse(head)}) {
        if (h != head && (c != kSelf || kind == RuleKind::kZero)) break;
        if (kind == RuleKind::kZero) {
          zeros_[static_cast<std::size_t>(h)].push_back({c, weight});
        } else if (body.size() > 1) {
          longs_[static_cast<std::size_t>(h)].push_back({static_cast<std::int64_t>(rule), weight});
        } else {
          (kind == RuleKind::kConstant ? constant : open).push_back({h, body[0], d, c, weight});
        }
      }
    }
    if (against[rule] > 0 && c != kSelf && kind != RuleKind::kZero) {
      const float weight = weight_of(against[rule]);
      if (body.size() > 1) {
        turned_longs_[static_cast<std::size_t>(index_.inverse(head))].push_back(
            {static_cast<std::int64_t>(rule), weight});
      } else {
        turned.push_back({std::int64_t{head} * index_.num_entities() + c, {body[0], d, weight}});
      }
    }
  }

  const auto before = [](const Row& a, const Row& b) {
    return std::tie(a.head, a.relation, a.end, a.answer) < std::tie(b.head, b.relation, b.end, b.answer);
  };
  const auto group = [&](std::vector<Row>& rows, std::vector<std::vector<Group>>& groups, const auto& take) {
    std::stable_sort(rows.begin(), rows.end(), before);
    for (std::size_t i = 0; i < rows.size(); ++i) {
      const Row& row = rows[i];
      auto& of_head = groups[static_cast<std::size_t>(row.head)];
      const auto at = static_cast<std::int64_t>(i);
      if (of_head.empty() || of_head.back().relation != row.relation) of_head.push_back({row.relation, at, at});
      ++of_head.back().end;
      take(row);
    }
  };
  constants_.reserve(constant.size());
  group(constant, groups_, [this](const Row& row) { constants_.push_back({row.end, row.answer, row.weight}); });
  group(open, open_groups_, [this](const Row& row) { open_.push_back({row.answer, row.weight}); });

  std::stable_sort(turned.begin(), turned.end(), [](const TurnedRow& a, const TurnedRow& b) { return a.key < b.key; });
  turned_.reserve(turned.size());
  turned_offsets_.push_back(0);
  for (const TurnedRow& row : turned) {
    if (turned_keys_.empty() || turned_keys_.back() != row.key) {
      turned_keys_.push_back(row.key);
      turned_offsets_.push_back(turned_offsets_.back());
    }
    turned_.push_back(row.rule);
    ++turned_offsets_.back();
  }
}

}  // namespace kgwalk
