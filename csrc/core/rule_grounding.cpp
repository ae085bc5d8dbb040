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
    descend();
    return std::move(found_);
  }

 private:
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
