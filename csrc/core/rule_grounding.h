#pragma once

#include <vector>

#include "core/relation_index.h"
#include "core/rule_set.h"

namespace kgwalk {

/// A walk along a rule's body: X first.
struct BodyWalk {
  std::vector<EntityId> entities;
  std::vector<RelationId> relations;
};

/// Up to `most` walks from x along the body of a rule that make it say (x, head, y), by depth-first search in the order
/// of the edges, along what a breadth-first look found to lead to the end. Of a zero rule, the walk that stays at x.
/// What a rule means is said in RuleSet; X is never an entity that the rule names, and with object identity its
/// variables are different entities, none of which it names.
std::vector<BodyWalk> ground_rule(const RelationIndex& index, const RuleSet& rules, std::size_t rule, EntityId x,
                                  EntityId y, bool object_identity, int most);

}  // namespace kgwalk
