#pragma once

#include <cstdint>
#include <vector>

#include "core/graph.h"
#include "core/span.h"

namespace kgwalk {

/// Where a rule has no constant: the place is taken by a variable.
inline constexpr EntityId kVariable = -1;
/// The constant that stands for "the entity the rule is about": h(X, self) is h(X, X). AnyBURL's me_myself_i.
inline constexpr EntityId kSelf = -2;

/// The four forms, told apart by their constants. X is where the body starts.
enum class RuleKind : std::uint8_t {
  kCyclic,       ///< h(X, Y) <- b1(X, A), ..., bn(Z, Y)
  kConstant,     ///< h(X, c) <- b1(X, A), ..., bn(Z, d)   AnyBURL's U_c, AC1
  kExistential,  ///< h(X, c) <- b1(X, A), ..., bn(Y, Z)   AnyBURL's U_d, AC2
  kZero,         ///< h(X, c) <-
};

/// Horn rules in the vocabulary of one graph, struct of arrays. A body is walked from X along directed relations, so an
/// inverse atom b(A, X) is the inverse relation of b. The head of a cyclic rule is a forward relation. A head h(c, Y)
/// is written as the inverse relation of h with constant c, X standing for Y.
struct RuleSet {
  std::vector<RelationId> head;
  std::vector<EntityId> head_constant;        ///< kVariable in a cyclic rule, else an entity or kSelf
  std::vector<std::int64_t> body_offsets{0};  ///< (rules + 1): rule i has atoms [body_offsets[i], body_offsets[i + 1])
  std::vector<RelationId> body;
  std::vector<EntityId> body_constant;    ///< the end of the last atom: kVariable, an entity or kSelf
  std::vector<std::int64_t> support;      ///< pairs (X, Y) of which body and head are true
  std::vector<std::int64_t> predictions;  ///< pairs (X, Y) of which the body is true
  std::vector<double> confidence;         ///< raw, as mined or as the file says

  std::size_t size() const { return head.size(); }
  Span<const RelationId> body_of(std::size_t rule) const {
    const auto begin = static_cast<std::size_t>(body_offsets[rule]);
    return Span<const RelationId>(body).subspan(begin, static_cast<std::size_t>(body_offsets[rule + 1]) - begin);
  }
  RuleKind kind(std::size_t rule) const {
    if (head_constant[rule] == kVariable) return RuleKind::kCyclic;
    if (body_of(rule).empty()) return RuleKind::kZero;
    return body_constant[rule] == kVariable ? RuleKind::kExistential : RuleKind::kConstant;
  }

  /// Looks at everything, for rules that came from outside.
  /// @throws std::invalid_argument on arrays that do not fit together, a cyclic rule without a body or with an inverse
  ///     head or a constant end, counts below 0, support above predictions, confidences outside [0, 1];
  ///     std::out_of_range on ids outside the counts
  void check(EntityId num_entities, RelationId num_relations) const;

  /// These rules, in this order; one may be taken more than once.
  /// @throws std::out_of_range on an index outside the set, before anything is copied
  RuleSet select(Span<const std::int64_t> rules) const;
};

}  // namespace kgwalk
