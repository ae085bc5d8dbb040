#pragma once

#include <cstdint>

#include "core/relation_index.h"
#include "core/rule_set.h"

namespace kgwalk {

/// Which rules are worth keeping.
struct RuleFilter {
  std::int64_t min_support = 2;
  double min_confidence = 0.001;  // raw: support / predictions

  bool keeps(std::int64_t support, std::int64_t predictions) const {
    return support >= min_support && static_cast<double>(support) >= min_confidence * static_cast<double>(predictions);
  }
};

/// Rules about one entity at a time: h(X, c) <- b(X, d), h(X, c) <- b(X, A) and h(X, c) <-, for directed h and b, with
/// exact counts. "X has b to d" is a property of X, a self-loop the property "X has b to itself" and no other. What two
/// properties have in common is counted for all pairs of them by going through the entities that have the one: the sum
/// over entities of their squared degree, 2e8 steps on FB15k-237.
///
/// X is never the entity c or d itself. With object identity A is neither X nor c. A fact is no evidence for itself.
class PropertyRules {
 public:
  /// @param is_head  by forward relation: whether rules about it and its inverse are wanted, as heads; kept by
  /// reference
  PropertyRules(const RelationIndex& index, bool object_identity, const std::vector<char>& is_head);

  /// Appends what the filter keeps. Threaded; the order does not depend on it.
  void constants(const RuleFilter& filter, RuleSet& out) const;
  void existentials(const RuleFilter& filter, RuleSet& out) const;
  void zeros(const RuleFilter& filter, RuleSet& out) const;

 private:
  // Property p < num_runs: "has b to d", d's run of the inverse of b. From there on: num_runs + b, "has b to itself", b
  // forward.
  RelationId relation(std::int32_t property) const;
  bool wanted(RelationId head) const {
    return is_head_[static_cast<std::size_t>(head < index_.num_relations() ? head : index_.inverse(head))] != 0;
  }
  EntityId constant(std::int32_t property) const;
  std::int32_t num_properties() const { return index_.num_runs() + index_.num_relations(); }
  Span<const EntityId> members(std::int32_t property) const;
  /// The properties that follow from the edges of an entity, one an edge.
  Span<const std::int32_t> properties(EntityId e) const;
  bool has(EntityId e, std::int32_t property) const;
  void append(std::int32_t head, RelationId body, EntityId end, std::int64_t support, std::int64_t predictions,
              RuleSet& out) const;

  const RelationIndex& index_;
  bool object_identity_;
  const std::vector<char>& is_head_;
  std::vector<EntityId> holder_;              // by run: whose it is
  std::vector<std::int32_t> of_edge_;         // by edge, in the index's order
  std::vector<std::int32_t> first_edge_;      // by entity
  std::vector<std::vector<EntityId>> loops_;  // by forward relation: who has it to itself
  std::vector<std::int64_t> offsets_;         // members of the properties that are no self-loops,
  std::vector<EntityId> members_;             // entities that have the property to themselves left out
};

}  // namespace kgwalk
