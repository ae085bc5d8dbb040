#include "core/rule_miner.h"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <stdexcept>
#include <string>

#include "core/body_walker.h"
#include "core/dynamic_for.h"
#include "core/rng.h"
#include "core/rule_parser.h"

namespace kgwalk {
namespace {

MinerConfig checked(const MinerConfig& config) {
  const auto refuse = [](const std::string& what) { throw std::invalid_argument(what); };
  if (config.max_length < 1 || config.max_length > static_cast<int>(kMaxBodyAtoms)) {
    refuse("max_length: expected 1 to " + std::to_string(kMaxBodyAtoms) + ", got " + std::to_string(config.max_length));
  }
  if (config.object_identity && config.max_length > kMaxIdentityAtoms) {
    refuse("max_length: expected at most " + std::to_string(kMaxIdentityAtoms) + " with object identity, got " +
           std::to_string(config.max_length));
  }
  if (config.filter.min_support < 1) refuse("min_support: expected at least 1");
  if (!(config.filter.min_confidence >= 0 && config.filter.min_confidence <= 1)) {
    refuse("min_confidence: expected a number in [0, 1]");
  }
  if (config.slices < 1 || config.min_facts < 1 || config.min_sources < 1) {
    refuse("slices, min_facts and min_sources must be at least 1");
  }
  if (!config.cyclic && !config.constants && !config.existential && !config.zero)
    refuse("no kind of rule is asked for");
  return config;
}

std::vector<char> marked(const std::vector<RelationId>& heads, RelationId num_relations) {
  std::vector<char> is_head(static_cast<std::size_t>(num_relations), heads.empty());
  for (const RelationId head : heads) {
    if (head < 0 || head >= num_relations) {
      throw std::out_of_range("heads: relation " + std::to_string(head) + " is not in [0, " +
                              std::to_string(num_relations) + ")");
    }
    is_head[static_cast<std::size_t>(head)] = 1;
  }
  return is_head;
}

template <class T>
void shuffle(std::vector<T>& items, CounterRng rng) {
  for (std::size_t i = items.size(); i > 1; --i) std::swap(items[i - 1], items[rng.below(i)]);
}

}  // namespace

RuleMiner::RuleMiner(const Expand& expand, const MinerConfig& config)
    : config_(checked(config)),
      index_(expand),
      code_(index_.num_relations(), config.cyclic ? config.max_length : 1),
      is_head_(marked(config.heads, index_.num_relations())) {
  const auto num_relations = static_cast<std::size_t>(index_.num_relations());
  facts_.resize(num_relations);
  facts_seen_.resize(num_relations);
  sources_.resize(2 * num_relations);
  for (EntityId e = 0; e < index_.num_entities(); ++e) {
    for (const RelationIndex::Run& run : index_.runs(e)) {
      sources_[static_cast<std::size_t>(run.relation)].push_back(e);
      if (run.relation >= index_.num_relations() || !is_head_[static_cast<std::size_t>(run.relation)]) continue;
      for (const EntityId tail : index_.tails(run)) {
        facts_[static_cast<std::size_t>(run.relation)].push_back({e, run.relation, tail});
      }
    }
  }
  for (std::size_t r = 0; r < 2 * num_relations; ++r) {
    if (r < num_relations) shuffle(facts_[r], CounterRng(config_.seed, 2 * r));
    shuffle(sources_[r], CounterRng(config_.seed, 2 * r + 1));
  }
}

std::pair<std::int64_t, std::int64_t> RuleMiner::slice(std::int64_t size, std::int64_t least) const {
  const std::int64_t width = std::max(least, (size + config_.slices - 1) / config_.slices);
  const std::int64_t slices = std::max<std::int64_t>(1, (size + width - 1) / width);
  const std::int64_t begin = (rounds_ % slices) * width;
  return {begin, std::min(size, begin + width)};
}

std::int64_t RuleMiner::num_sources(const Body& body) const {
  return static_cast<std::int64_t>(sources_[static_cast<std::size_t>(body.first)].size());
}

RuleMiner::Tally RuleMiner::tally(const Body& body, const Rule& rule) const {
  if (!rule.open) return rule.tally;
  return {body.total.sources - rule.tally.sources, body.total.pairs - rule.tally.pairs,
          body.total.squares - rule.tally.squares};
}

std::int64_t RuleMiner::rounds() const {
  const std::lock_guard<std::mutex> lock(mutex_);
  return rounds_;
}

std::size_t RuleMiner::num_candidates() const {
  const std::lock_guard<std::mutex> lock(mutex_);
  return properties_.size() + rules_.size();
}

bool RuleMiner::step() {
  const std::lock_guard<std::mutex> lock(mutex_);
  if (rounds_ == total_rounds()) return false;
  if (rounds_ == 0) {
    const PropertyRules properties(index_, config_.object_identity, is_head_);
    if (config_.constants) properties.constants(config_.filter, properties_);
    if (config_.existential) properties.existentials(config_.filter, properties_);
    if (config_.zero) properties.zeros(config_.filter, properties_);
  }
  if (config_.cyclic) {
    join_facts();
    adopt();
    follow_sources();
    close();
  }
  ++rounds_;
  // Bodies are all found once every fact was looked at; then they may be through before the last round.
  const bool through = rounds_ >= config_.slices &&
                       std::all_of(bodies_.begin(), bodies_.end(), [](const Body& body) { return !body.open; });
  if (through) rounds_ = total_rounds();
  return rounds_ < total_rounds();
}

void RuleMiner::join_facts() {
  std::vector<Triple> now;
  for (std::size_t r = 0; r < facts_.size(); ++r) {
    const auto size = static_cast<std::int64_t>(facts_[r].size());
    if (facts_seen_[r] == size) continue;
    const auto [begin, end] = slice(size, config_.min_facts);
    now.insert(now.end(), facts_[r].begin() + begin, facts_[r].begin() + end);
    facts_seen_[r] = end;
  }
  join_bodies(index_, code_, now, config_.max_length, config_.object_identity, support_);
}

/// Takes up the rules that have come to enough support.
void RuleMiner::adopt() {
  std::vector<std::uint64_t> found;
  support_.for_each([&](std::uint64_t rule, std::uint32_t count) {
    if (count >= config_.filter.min_support) found.push_back(rule);
  });
  if (found.size() == rules_.size()) return;
  std::sort(found.begin(), found.end());
  // Both lists are in the order of their codes: a merge keeps what was counted.
  std::vector<Body> bodies;
  std::vector<Rule> rules;
  rules.reserve(found.size());
  std::size_t old_body = 0, old_rule = 0;
  for (const std::uint64_t code : found) {
    const std::uint64_t body = code_.body_of(code);
    if (bodies.empty() || bodies.back().code != body) {
      while (old_body < bodies_.size() && bodies_[old_body].code < body) ++old_body;
      if (old_body < bodies_.size() && bodies_[old_body].code == body) {
        bodies.push_back(bodies_[old_body]);
        bodies.back().rules = rules.size();
      } else {
        bodies.push_back({body, code_.atoms(body)[0], rules.size(), {}});
      }
    }
    if (old_rule < rules_.size() && rules_[old_rule].code == code) {
      rules.push_back(rules_[old_rule++]);
    } else {
      rules.push_back({code, bodies.back().total});
      bodies.back().open = true;
    }
  }
  bodies_.swap(bodies);
  rules_.swap(rules);
}

/// Follows the open bodies from this round's sources.
void RuleMiner::follow_sources() {
  struct Task {
    std::size_t tree;
    EntityId source;
  };
  struct Tree {
    std::vector<std::size_t> bodies;  // which of bodies_, by place in the tree
    BodyTree tree;
  };
  std::vector<Tree> trees;
  std::vector<Task> tasks;
  // Codes of equal length are in the order of their atoms, but shorter ones come before all longer ones.
  std::vector<std::pair<std::vector<RelationId>, std::size_t>> open;
  for (std::size_t b = 0; b < bodies_.size(); ++b) {
    if (bodies_[b].open) open.emplace_back(code_.atoms(bodies_[b].code), b);
  }
  std::sort(open.begin(), open.end());
  for (std::size_t i = 0; i < open.size();) {
    const RelationId first = open[i].first[0];
    trees.emplace_back();
    std::vector<std::int64_t> offsets{0};
    std::vector<RelationId> atoms;
    for (; i < open.size() && open[i].first[0] == first; ++i) {
      atoms.insert(atoms.end(), open[i].first.begin(), open[i].first.end());
      offsets.push_back(static_cast<std::int64_t>(atoms.size()));
      trees.back().bodies.push_back(open[i].second);
    }
    trees.back().tree = BodyTree(offsets, atoms);
    const auto& sources = sources_[static_cast<std::size_t>(first)];
    const auto [begin, end] = slice(static_cast<std::int64_t>(sources.size()), config_.min_sources);
    for (std::int64_t s = begin; s < end; ++s)
      tasks.push_back({trees.size() - 1, sources[static_cast<std::size_t>(s)]});
    for (const std::size_t b : trees.back().bodies) bodies_[b].total.sources += end - begin;
  }

  struct Worker {
    BodyWalker walker;
    std::vector<std::uint64_t> pairs, facts;  // by body, by rule
    std::vector<double> body_squares, rule_squares;
    std::vector<std::int64_t> stamp;  // by entity: the last visit that ended there
    std::int64_t visits = 0;
  };
  for_each_dynamic(
      static_cast<std::int64_t>(tasks.size()), 4,
      [&] {
        return Worker{BodyWalker(index_, config_.object_identity),
                      std::vector<std::uint64_t>(bodies_.size()),
                      std::vector<std::uint64_t>(rules_.size()),
                      std::vector<double>(bodies_.size()),
                      std::vector<double>(rules_.size()),
                      std::vector<std::int64_t>(static_cast<std::size_t>(index_.num_entities()))};
      },
      [&](Worker& worker, std::int64_t t) {
        const Task& task = tasks[static_cast<std::size_t>(t)];
        const auto runs = index_.runs(task.source);
        worker.walker.walk(trees[task.tree].tree, task.source, [&](std::int32_t which, Span<const EntityId> ends) {
          const std::size_t b = trees[task.tree].bodies[static_cast<std::size_t>(which)];
          const auto pairs = static_cast<double>(ends.size());
          worker.pairs[b] += ends.size();
          worker.body_squares[b] += pairs * pairs;
          // Which of the ends are facts, for the heads that the source has and the body has rules for.
          const std::size_t last = b + 1 < bodies_.size() ? bodies_[b + 1].rules : rules_.size();
          const RelationIndex::Run* run = runs.begin();
          bool stamped = false;
          for (std::size_t r = bodies_[b].rules; r < last; ++r) {
            const RelationId head = code_.head_of(rules_[r].code);
            while (run != runs.end() && run->relation < head) ++run;
            if (run == runs.end()) break;
            if (run->relation != head || !rules_[r].open) continue;
            if (!stamped) {
              ++worker.visits;
              for (const EntityId e : ends) worker.stamp[static_cast<std::size_t>(e)] = worker.visits;
              stamped = true;
            }
            std::uint64_t facts = 0;
            for (const EntityId tail : index_.tails(*run)) {
              facts += worker.stamp[static_cast<std::size_t>(tail)] == worker.visits;
            }
            worker.facts[r] += facts;
            const double off = static_cast<double>(facts);
            worker.rule_squares[r] += off * off - 2 * pairs * off;
          }
        });
      },
      // Squares are whole numbers below 2^53: their sums do not depend on the order either.
      [&](Worker& worker) {
        for (std::size_t b = 0; b < bodies_.size(); ++b) {
          bodies_[b].total.pairs += worker.pairs[b];
          bodies_[b].total.squares += worker.body_squares[b];
        }
        for (std::size_t r = 0; r < rules_.size(); ++r) {
          rules_[r].facts += worker.facts[r];
          rules_[r].squares += worker.rule_squares[r];
        }
      });
}

/// Rules that have seen every source are done with, and bodies all of whose rules are.
void RuleMiner::close() {
  for (std::size_t b = 0; b < bodies_.size(); ++b) {
    Body& body = bodies_[b];
    const std::size_t last = b + 1 < bodies_.size() ? bodies_[b + 1].rules : rules_.size();
    bool open = false;
    for (std::size_t r = body.rules; r < last; ++r) {
      Rule& rule = rules_[r];
      if (rule.open && tally(body, rule).sources == num_sources(body)) {
        rule.tally = tally(body, rule);
        rule.open = false;
      }
      open = open || rule.open;
    }
    body.open = open;
  }
}

RuleMiner::Result RuleMiner::result() const {
  const std::lock_guard<std::mutex> lock(mutex_);
  RuleSet all = properties_;
  std::vector<double> errors(all.size(), 0.0);
  std::size_t b = 0;
  for (std::size_t r = 0; r < rules_.size(); ++r) {
    const Rule& rule = rules_[r];
    while (b + 1 < bodies_.size() && bodies_[b + 1].rules <= r) ++b;
    const Tally seen = tally(bodies_[b], rule);
    if (seen.sources == 0) continue;
    const RelationId head = code_.head_of(rule.code);
    const auto facts = static_cast<double>(facts_[static_cast<std::size_t>(head)].size());
    const auto facts_seen = static_cast<double>(facts_seen_[static_cast<std::size_t>(head)]);
    const double hits = support_.count(rule.code);
    const double support = hits * facts / facts_seen;
    const auto sources = static_cast<double>(num_sources(bodies_[b]));
    const auto sources_seen = static_cast<double>(seen.sources);
    const auto wrong_seen = static_cast<double>(seen.pairs - rule.facts);
    const double wrong = wrong_seen * sources / sources_seen;
    const std::int64_t whole_support = std::llround(support);
    const std::int64_t predictions = whole_support + std::llround(wrong);
    if (!config_.filter.keeps(whole_support, predictions)) continue;
    all.head.push_back(head);
    all.head_constant.push_back(kVariable);
    for (const RelationId atom : code_.atoms(bodies_[b].code)) all.body.push_back(atom);
    all.body_offsets.push_back(static_cast<std::int64_t>(all.body.size()));
    all.body_constant.push_back(kVariable);
    all.support.push_back(whole_support);
    all.predictions.push_back(predictions);
    all.confidence.push_back(static_cast<double>(whole_support) / static_cast<double>(predictions));
    // c = s / (s + w), s and w from independent samples without replacement: d c = (w d s - s d w) / (s + w)^2.
    const double share = hits / facts_seen;
    const double support_variance = facts * facts * share * (1 - share) / facts_seen * (1 - facts_seen / facts);
    const double mean = wrong_seen / sources_seen;
    const double spread = std::max(0.0, (seen.squares + rule.squares) / sources_seen - mean * mean);
    const double wrong_variance = sources * sources * spread / sources_seen * (1 - sources_seen / sources);
    const double both = support + wrong;
    errors.push_back(std::sqrt(wrong * wrong * support_variance + support * support * wrong_variance) / (both * both));
  }
  std::vector<std::int64_t> order(all.size());
  std::iota(order.begin(), order.end(), 0);
  std::stable_sort(order.begin(), order.end(), [&](std::int64_t x, std::int64_t y) {
    const auto i = static_cast<std::size_t>(x), j = static_cast<std::size_t>(y);
    return all.head[i] != all.head[j] ? all.head[i] < all.head[j] : all.confidence[i] > all.confidence[j];
  });
  Result result{all.select(order), std::vector<double>(all.size())};
  for (std::size_t i = 0; i < order.size(); ++i) result.errors[i] = errors[static_cast<std::size_t>(order[i])];
  return result;
}

}  // namespace kgwalk
