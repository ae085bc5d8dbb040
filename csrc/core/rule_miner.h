#pragma once

#include <cstdint>
#include <mutex>
#include <utility>
#include <vector>

#include "core/body_join.h"
#include "core/body_tree.h"
#include "core/expand.h"
#include "core/property_rules.h"
#include "core/relation_index.h"
#include "core/rule_set.h"

namespace kgwalk {

struct MinerConfig {
  int max_length = 3;  ///< atoms of a cyclic rule
  bool object_identity = false;
  bool cyclic = true, constants = true, existential = true, zero = true;
  RuleFilter filter;
  std::vector<RelationId> heads;  ///< forward relations that rules are looked for about, as heads; empty for all
  int slices = 64;                ///< into how many the facts and the sources of a relation are cut, small ones less
  std::int64_t min_facts = 64;    ///< in a slice
  std::int64_t min_sources = 16;  ///< in a slice
  std::uint64_t seed = 0;
};

/// Mines in rounds. Rules about one entity are counted exactly, before the first. Each round then takes the next slice
/// of every relation's facts, in a seeded random order, and counts which bodies join their ends: support. And the next
/// slice of the entities that have each relation, from which it follows the bodies that begin with it and have enough
/// support: pairs that the rule predicts and that are no facts.
///
/// A count from k of n facts or sources is k / n of the whole in expectation: result() scales it up, unbiased over all
/// rules, with the confidence's standard error beside it. (Those that have come to min_support early are, taken alone,
/// the lucky ones: their support is on the high side until more is seen.) A body found late is followed from the slices
/// it missed when their turn comes again: after total_rounds() everything is exact. Same seed and rounds, same rules,
/// whatever the number of threads.
///
/// What is counted of a rule depends on no rule with another head: miners of a part of the heads each find, in the same
/// rounds, the same rules about theirs as one of all, in the same order and with the same errors.
class RuleMiner {
 public:
  /// @throws std::invalid_argument on a config that makes no sense, std::out_of_range on a corrupt graph or a head that
  /// is no forward relation
  RuleMiner(const Expand& expand, const MinerConfig& config);

  /// One round. False if there was nothing left to do.
  bool step();
  std::int64_t rounds() const;
  /// Rounds after which all is exact, at the latest.
  std::int64_t total_rounds() const { return config_.cyclic ? 2 * std::int64_t{config_.slices} : 1; }
  std::size_t num_candidates() const;

  struct Result {
    RuleSet rules;               ///< by head, then falling confidence
    std::vector<double> errors;  ///< estimated standard error of each confidence; 0 once it is exact
  };
  Result result() const;

 private:
  /// What following a body from some sources gave.
  struct Tally {
    std::int64_t sources = 0;
    std::uint64_t pairs = 0;  ///< joined by the body
    double squares = 0;       ///< of the pairs of each source, summed
  };
  struct Body {
    std::uint64_t code;
    RelationId first;
    std::size_t rules;  ///< where its rules begin in rules_
    Tally total;        ///< since it is known; runs on past the last source, and again
    bool open = true;   ///< some rule of it has not seen every source
  };
  struct Rule {
    std::uint64_t code;
    Tally tally;              ///< of its body, when the rule became known; once closed, of all sources since
    std::uint64_t facts = 0;  ///< of the pairs since, those that are facts of the head
    double squares = 0;       ///< to be added to the tally's, for pairs that are no facts
    bool open = true;
  };

  void join_facts();
  void adopt();
  void follow_sources();
  void close();
  std::int64_t num_sources(const Body& body) const;
  Tally tally(const Body& body, const Rule& rule) const;
  std::pair<std::int64_t, std::int64_t> slice(std::int64_t size, std::int64_t least) const;

  mutable std::mutex mutex_;
  MinerConfig config_;
  RelationIndex index_;
  BodyCode code_;
  std::vector<char> is_head_;                   // by forward relation
  std::vector<std::vector<Triple>> facts_;      // by relation, shuffled; of heads only
  std::vector<std::int64_t> facts_seen_;        // by relation
  std::vector<std::vector<EntityId>> sources_;  // by directed relation, shuffled
  std::int64_t rounds_ = 0;
  CountTable support_;        // by rule code
  std::vector<Body> bodies_;  // by code
  std::vector<Rule> rules_;   // by code, so grouped by body
  RuleSet properties_;
};

}  // namespace kgwalk
