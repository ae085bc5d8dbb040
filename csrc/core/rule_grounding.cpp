#include "core/rule_grounding.h"

#include <algorithm>

namespace kgwalk {
namespace {

class Search {
 public:
  Search(const RelationIndex& index, const RuleSet& rules, std::size_t rule, bool object_identity, int most)
      : index_(index),
        body_(rules.body_of(rule)),
        object_identity_(object_identity),
        most_(static_cast<std::size_t>(most)),
        named_{rules.head_constant[rule], rules.body_constant[rule]} {}

  /// @param end  where the walk must end, or kVariable
  std::vector<BodyWalk> from(EntityId x, EntityId end, bool end_is_variable) {
    end_ = end;
    end_is_variable_ = end_is_variable;
    walk_.entities.push_back(x);
    // A search goes astray exponentially, so longer bodies are first followed as sets, forth and back.
    if (body_.size() <= 2 || chart(x)) descend();
    return std::move(found_);
  }

 private:
  /// Finds the entities that some walk to the end passes at each depth, object identity aside. False if there is none.
  bool chart(EntityId x) {
    passed_.assign(1, {x});
    for (const RelationId relation : body_) {
      std::vector<EntityId> next;
      for (const EntityId e : passed_.back()) {
        const auto tails = index_.tails(e, relation);
        next.insert(next.end(), tails.begin(), tails.end());
      }
      std::sort(next.begin(), next.end());
      next.erase(std::unique(next.begin(), next.end()), next.end());
      passed_.push_back(std::move(next));
    }
    if (end_ != kVariable) {
      const bool reached = std::binary_search(passed_.back().begin(), passed_.back().end(), end_);
      passed_.back().assign(reached ? 1 : 0, end_);
    }
    for (std::size_t depth = body_.size(); depth-- > 0;) {
      const auto leads_on = [&](EntityId e) {
        const auto tails = index_.tails(e, body_[depth]);
        const auto& next = passed_[depth + 1];
        return tails.size() < next.size()
                   ? std::any_of(
                         tails.begin(), tails.end(), [&](EntityId t) { return has(next, t); })
                   : std::any_of(next.begin(), next.end(), [&](EntityId t) { return has(tails, t); });
      };
      auto& here = passed_[depth];
      here.erase(std::remove_if(here.begin(), here.end(), [&](EntityId e) { return !leads_on(e); }), here.end());
    }
    return !passed_[0].empty();
  }

  template <class Sorted>
  static bool has(const Sorted& entities, EntityId e) {
    return std::binary_search(entities.begin(), entities.end(), e);
  }

  void descend() {
    const std::size_t depth = walk_.relations.size();
    if (depth == body_.size()) {
      found_.push_back(walk_);
      return;
    }
    const EntityId at = walk_.entities.back();
    const bool last = depth + 1 == body_.size();
    if (last && end_ != kVariable) {
      if (index_.has(at, body_[depth], end_)) visit(end_, body_[depth], end_is_variable_);
      return;
    }
    for (const EntityId tail : index_.tails(at, body_[depth])) {
      if (!passed_.empty() && !has(passed_[depth + 1], tail)) continue;
      visit(tail, body_[depth], true);
      if (found_.size() == most_) return;
    }
  }

  void visit(EntityId tail, RelationId relation, bool is_variable) {
    if (object_identity_ && is_variable) {
      const auto& seen = walk_.entities;
      if (std::find(seen.begin(), seen.end(), tail) != seen.end()) return;
      if (tail == named_[0] || tail == named_[1]) return;
    }
    walk_.entities.push_back(tail);
    walk_.relations.push_back(relation);
    descend();
    walk_.entities.pop_back();
    walk_.relations.pop_back();
  }

  const RelationIndex& index_;
  Span<const RelationId> body_;
  bool object_identity_;
  std::size_t most_;
  EntityId named_[2];
  EntityId end_ = kVariable;
  bool end_is_variable_ = true;
  std::vector<std::vector<EntityId>> passed_;  // by depth, sorted; empty if there is no chart
  BodyWalk walk_;
  std::vector<BodyWalk> found_;
};

}  // namespace

std::vector<BodyWalk> ground_rule(const RelationIndex& index, const RuleSet& rules, std::size_t rule, EntityId x,
                                  EntityId y, bool object_identity, int most) {
  Search search(index, rules, rule, object_identity, most);
  const RuleKind kind = rules.kind(rule);
  if (kind == RuleKind::kCyclic) return search.from(x, y, true);
  const EntityId c = rules.head_constant[rule], d = rules.body_constant[rule];
  if (y != (c == kSelf ? x : c) || x == c || x == d || !index.has_edges(x)) return {};
  return search.from(x, d == kSelf ? x : d, d == kVariable);
}

}  // namespace kgwalk
