#pragma once

#include <cstdint>
#include <vector>

#include "core/body_tree.h"
#include "core/relation_index.h"
#include "core/rule_set.h"

namespace kgwalk {

/// The rules of a set, sorted for answering: cyclic ones as a prefix tree for each query relation, rules about one
/// entity by what is asked for. A rule's weight is -log(1 - confidence), so that weights of a noisy-or add up.
class RuleTables {
 public:
  /// @param along, against  confidence of each rule in [0, 1] where it answers (x, head, ?), and where it answers
  ///     (y, inverse of head, ?); rules of confidence 0 are left out, 1 counts as 1 - 1e-7
  RuleTables(const RelationIndex& index, const RuleSet& rules, Span<const double> along, Span<const double> against,
             bool object_identity);

  struct Bodies {
    BodyTree tree;
    std::vector<std::int64_t> offsets{0};  // by body of the tree
    std::vector<float> all_weights;
    Span<const float> weights(std::int32_t body) const {
      const auto b = static_cast<std::size_t>(body);
      return {all_weights.data() + offsets[b], static_cast<std::size_t>(offsets[b + 1] - offsets[b])};
    }
  };
  /// Of the cyclic rules that answer (x, relation, ?), walked from x.
  const Bodies& bodies(RelationId relation) const { return bodies_[static_cast<std::size_t>(relation)]; }

  /// Calls add(c, weight) for every rule relation(X, c) <- body whose body is true of `source`.
  template <class Add>
  void about(EntityId source, RelationId relation, const Add& add) const;
  /// Calls add(x, weight) for every rule inverse(relation)(X, source) <- body and every x of which its body is true.
  template <class Add>
  void those_who(EntityId source, RelationId relation, const Add& add) const;

 private:
  /// h(X, c) <- b(X, d): for one h and one b sorted by d.
  struct Constant {
    EntityId end, answer;
    float weight;
  };
  /// h(X, c) <- b(X, d) or b(X, A), for one h and one c.
  struct Turned {
    RelationId relation;
    EntityId end;
    float weight;
  };
  struct Group {  // of one relation: rows [begin, end)
    RelationId relation;
    std::int64_t begin, end;
  };
  struct Open {  // h(X, c) <- b(X, A)
    EntityId answer;
    float weight;
  };
  struct Long {  // rules of two atoms and more: grounded one by one
    std::int64_t rule;
    float weight;
  };

  /// All rules about one entity of one directed head, each list in the order it is searched.
  struct Head {
    std::vector<Group> constant_groups, open_groups;
    std::vector<Constant> constants;
    std::vector<Open> open, zeros;
    std::vector<Long> longs;
    // Read against: the rules of each head constant, rising.
    std::vector<EntityId> turned_constants;
    std::vector<std::int64_t> turned_offsets{0};
    std::vector<Turned> turned;
    std::vector<Long> turned_longs;
  };

  void sort_cyclic(Span<const double> along, Span<const double> against);
  void sort_by_head(Span<const double> along, Span<const double> against);
  void sort_head(RelationId head, Span<const std::int64_t> rules, Span<const std::int64_t> about_self,
                 Span<const double> along, Span<const double> against);

  const RelationIndex& index_;
  const RuleSet& rules_;
  bool object_identity_;
  std::vector<Bodies> bodies_;                  // by query relation
  std::vector<Head> heads_;                     // by directed relation
  std::vector<std::vector<EntityId>> bearers_;  // by relation: who has it
};

}  // namespace kgwalk

#include "core/rule_tables.inl.h"
