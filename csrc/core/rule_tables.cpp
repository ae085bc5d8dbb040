#include "core/rule_tables.h"

#include <cmath>
#include <tuple>
#include <utility>

#include "core/dynamic_for.h"

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
  heads_.resize(num_directed);
  bearers_.resize(num_directed);
  for (EntityId e = 0; e < index.num_entities(); ++e) {
    for (const RelationIndex::Run& run : index.runs(e)) {
      bearers_[static_cast<std::size_t>(run.relation)].push_back(e);
    }
  }
  sort_cyclic(along, against);
  sort_by_head(along, against);
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

void RuleTables::sort_by_head(Span<const double> along, Span<const double> against) {
  std::vector<std::vector<std::int64_t>> rules(heads_.size()), about_self(heads_.size());
  for (std::size_t rule = 0; rule < rules_.size(); ++rule) {
    if (rules_.head_constant[rule] == kVariable) continue;
    const RelationId head = rules_.head[rule];
    rules[static_cast<std::size_t>(head)].push_back(static_cast<std::int64_t>(rule));
    // What is said of X and itself answers both ways round, but for what is said of everybody.
    if (rules_.head_constant[rule] == kSelf && !rules_.body_of(rule).empty()) {
      about_self[static_cast<std::size_t>(index_.inverse(head))].push_back(static_cast<std::int64_t>(rule));
    }
  }
  struct Nothing {};
  for_each_dynamic(
      static_cast<std::int64_t>(heads_.size()), 1, [] { return Nothing{}; },
      [&](Nothing, std::int64_t h) {
        const auto head = static_cast<std::size_t>(h);
        sort_head(static_cast<RelationId>(h), rules[head], about_self[head], along, against);
      },
      [](Nothing) {});
}

void RuleTables::sort_head(RelationId head, Span<const std::int64_t> rules, Span<const std::int64_t> about_self,
                           Span<const double> along, Span<const double> against) {
  struct Row {
    RelationId relation;
    EntityId end, answer;
    float weight;
  };
  std::vector<Row> constant, open, turned;
  Head& out = heads_[static_cast<std::size_t>(head)];
  const auto read_along = [&](std::int64_t number) {
    const auto rule = static_cast<std::size_t>(number);
    if (!(along[rule] > 0)) return;
    const float weight = weight_of(along[rule]);
    const auto body = rules_.body_of(rule);
    const EntityId c = rules_.head_constant[rule], d = rules_.body_constant[rule];
    if (body.empty()) {
      out.zeros.push_back({c, weight});
    } else if (body.size() > 1) {
      out.longs.push_back({number, weight});
    } else {
      (d == kVariable ? open : constant).push_back({body[0], d, c, weight});
    }
  };
  for (const std::int64_t number : rules) read_along(number);
  for (const std::int64_t number : about_self) read_along(number);
  for (const std::int64_t number : rules) {
    const auto rule = static_cast<std::size_t>(number);
    const auto body = rules_.body_of(rule);
    const EntityId c = rules_.head_constant[rule];
    if (!(against[rule] > 0) || c == kSelf || body.empty()) continue;
    const float weight = weight_of(against[rule]);
    if (body.size() > 1) {
      out.turned_longs.push_back({number, weight});
    } else {
      turned.push_back({body[0], rules_.body_constant[rule], c, weight});
    }
  }

  // Equal rules of a file stay in its order: sums of their weights must not depend on the sort.
  const auto group = [](std::vector<Row>& rows, std::vector<Group>& groups, const auto& take) {
    std::stable_sort(rows.begin(), rows.end(), [](const Row& a, const Row& b) {
      return std::tie(a.relation, a.end, a.answer) < std::tie(b.relation, b.end, b.answer);
    });
    for (std::size_t i = 0; i < rows.size(); ++i) {
      const auto at = static_cast<std::int64_t>(i);
      if (groups.empty() || groups.back().relation != rows[i].relation) groups.push_back({rows[i].relation, at, at});
      ++groups.back().end;
      take(rows[i]);
    }
  };
  out.constants.reserve(constant.size());
  group(constant, out.constant_groups,
        [&](const Row& row) { out.constants.push_back({row.end, row.answer, row.weight}); });
  group(open, out.open_groups, [&](const Row& row) { out.open.push_back({row.answer, row.weight}); });

  std::stable_sort(turned.begin(), turned.end(), [](const Row& a, const Row& b) { return a.answer < b.answer; });
  out.turned.reserve(turned.size());
  for (const Row& row : turned) {
    if (out.turned_constants.empty() || out.turned_constants.back() != row.answer) {
      out.turned_constants.push_back(row.answer);
      out.turned_offsets.push_back(out.turned_offsets.back());
    }
    out.turned.push_back({row.relation, row.end, row.weight});
    ++out.turned_offsets.back();
  }
}

}  // namespace kgwalk
