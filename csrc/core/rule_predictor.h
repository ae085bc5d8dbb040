#pragma once

#include <cstdint>
#include <memory>
#include <utility>
#include <vector>

#include "core/body_tree.h"
#include "core/expand.h"
#include "core/relation_index.h"
#include "core/rule_set.h"

namespace kgwalk {

class RuleTables;

/// How the rules that speak for an answer make its score.
enum class Aggregation : std::uint8_t {
  kMaxPlus,  ///< by the best rule; of equal ones by the next best, and so on
  kNoisyOr,  ///< 1 - prod(1 - confidence), as far as the rules are independent
};

struct PredictorConfig {
  bool object_identity = false;
  Aggregation aggregation = Aggregation::kNoisyOr;
  int top_k = 10;  ///< how many of an answer's best rules count; 0 for all of them (noisy-or only)
  /// The rules of an answer mostly say the same thing again: the k-th best counts discount^(k - 1) times its -log(1 -
  /// confidence). 1 takes them for independent; towards 0 noisy-or comes to order as max-plus does.
  double discount = 1;
};

/// Answers queries with the rules of a set.
///
/// A rule h(X, Y) <- body answers (x, h, ?) along its body and (y, inverse of h, ?) against it. A rule h(X, c) <- body
/// answers (x, h, ?) with c where its body is true of x, and (c, inverse of h, ?) with every x of which it is; a zero
/// rule only the former. Bodies of equal beginning are walked together, rules of one atom with a constant are looked
/// up.
class RulePredictor {
 public:
  /// @param along, against  confidence of each rule in [0, 1], where it answers (x, head, ?) and (y, inverse of head,
  ///     ?); 0 leaves it out
  /// @throws std::invalid_argument on a config or confidences that make no sense, std::out_of_range on rules of another
  ///     vocabulary
  RulePredictor(const Expand& expand, std::shared_ptr<const RuleSet> rules, Span<const double> along,
                Span<const double> against, const PredictorConfig& config);
  ~RulePredictor();

  /// Ragged by query, best first, ties by entity.
  struct Answers {
    std::vector<std::int64_t> offsets{0};
    std::vector<EntityId> entities;
    /// Noisy-or: the discounted sum of -log(1 - confidence). Max-plus: the best confidence, less as little as orders
    /// the answers.
    std::vector<double> scores;
  };
  /// Threaded over queries.
  /// @param limit       answers kept of a query; 0 for all
  /// @param skip_known  leave out answers that the graph holds already
  /// @throws std::out_of_range on ids outside the graph
  Answers answer(Span<const Triple> queries, std::int64_t limit, bool skip_known) const;

  struct Grounding {
    std::vector<EntityId> entities;  ///< X, then what each atom reaches
    std::vector<RelationId> relations;
  };
  struct Evidence {
    std::int64_t rule;
    std::vector<Grounding> groundings;
  };
  /// The rules that give `answer` to (source, relation, ?), most confident first, with some of their groundings: of the
  /// body, from X on. O(rules).
  std::vector<Evidence> evidence(EntityId source, RelationId relation, EntityId answer, int max_groundings) const;

 private:
  class Worker;

  RelationIndex index_;
  std::shared_ptr<const RuleSet> rules_;
  std::vector<double> along_, against_;
  PredictorConfig config_;
  std::unique_ptr<const RuleTables> tables_;
};

}  // namespace kgwalk
