#include "core/rule_predictor.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>
#include <stdexcept>
#include <string>

#include "core/body_walker.h"
#include "core/dynamic_for.h"
#include "core/pieces.h"
#include "core/rule_grounding.h"
#include "core/rule_tables.h"

namespace kgwalk {
namespace {

struct Scored {
  EntityId entity;
  double score;
};

/// What the rules say of each answer of one query; reused from query to query.
class Tally {
 public:
  Tally(EntityId num_entities, const PredictorConfig& config)
      : config_(config),
        width_(static_cast<std::size_t>(config.top_k)),
        stamp_(static_cast<std::size_t>(num_entities), 0),
        place_(static_cast<std::size_t>(num_entities), 0) {}

  void begin() {
    ++round_;
    entities_.clear();
    counts_.clear();
    weights_.clear();
    sums_.clear();
  }
  /// Whatever the rules say of it, it is no answer.
  void forbid(EntityId e) {
    stamp_[static_cast<std::size_t>(e)] = round_;
    place_[static_cast<std::size_t>(e)] = kForbidden;
  }
  void add(EntityId entity, float weight) {
    const auto e = static_cast<std::size_t>(entity);
    if (stamp_[e] != round_) {
      stamp_[e] = round_;
      place_[e] = static_cast<std::int32_t>(entities_.size());
      entities_.push_back(entity);
      counts_.push_back(0);
      if (config_.top_k == 0) sums_.push_back(0);
      weights_.resize(weights_.size() + width_);
    }
    if (place_[e] == kForbidden) return;
    const auto place = static_cast<std::size_t>(place_[e]);
    if (config_.top_k == 0) {
      sums_[place] += static_cast<double>(weight);
      return;
    }
    float* const best = weights_.data() + place * width_;
    std::int32_t& count = counts_[place];
    std::size_t i;
    if (static_cast<std::size_t>(count) < width_) {
      i = static_cast<std::size_t>(count++);
    } else {
      i = width_ - 1;
      if (weight <= best[i]) return;
    }
    for (; i > 0 && best[i - 1] < weight; --i) best[i] = best[i - 1];
    best[i] = weight;
  }

  /// The best `limit` answers (0: all), best first, ties by entity.
  void rank(std::int64_t limit, std::vector<Scored>& out);

 private:
  static constexpr std::int32_t kForbidden = -1;

  PredictorConfig config_;
  std::size_t width_;
  std::vector<std::int32_t> stamp_, place_;
  std::int32_t round_ = 0;
  std::vector<EntityId> entities_;
  std::vector<std::int32_t> counts_;
  std::vector<float> weights_;  // (answers, width), falling
  std::vector<double> sums_;    // instead of them if all count
  std::vector<std::size_t> order_;
};

void Tally::rank(std::int64_t limit, std::vector<Scored>& out) {
  out.clear();
  const std::size_t n = entities_.size();
  const std::size_t kept = limit > 0 ? std::min(n, static_cast<std::size_t>(limit)) : n;
  const auto best = [&](std::size_t place) { return weights_.data() + place * width_; };
  if (config_.aggregation == Aggregation::kNoisyOr) {
    for (std::size_t i = 0; i < n; ++i) {
      double sum = config_.top_k == 0 ? sums_[i] : 0;
      double share = 1;
      for (std::int32_t k = 0; k < counts_[i]; ++k, share *= config_.discount) {
        sum += share * static_cast<double>(best(i)[k]);
      }
      out.push_back({entities_[i], sum});
    }
    const auto before = [](const Scored& a, const Scored& b) {
      return a.score != b.score ? a.score > b.score : a.entity < b.entity;
    };
    if (kept < n) std::nth_element(out.begin(), out.begin() + static_cast<std::ptrdiff_t>(kept), out.end(), before);
    out.resize(kept);
    std::sort(out.begin(), out.end(), before);
    return;
  }
  // Lexicographic; a shorter list comes after a longer one that begins like it.
  const auto compare = [&](std::size_t a, std::size_t b) {
    const float *x = best(a), *y = best(b);
    const auto lengths = std::minmax(counts_[a], counts_[b]);
    for (std::int32_t k = 0; k < lengths.first; ++k) {
      if (x[k] != y[k]) return x[k] > y[k] ? -1 : 1;
    }
    return counts_[a] == counts_[b] ? 0 : (counts_[a] > counts_[b] ? -1 : 1);
  };
  const auto before = [&](std::size_t a, std::size_t b) {
    const int order = compare(a, b);
    return order != 0 ? order < 0 : entities_[a] < entities_[b];
  };
  order_.resize(n);
  std::iota(order_.begin(), order_.end(), std::size_t{0});
  if (kept < n) {
    std::nth_element(order_.begin(), order_.begin() + static_cast<std::ptrdiff_t>(kept), order_.end(), before);
  }
  order_.resize(kept);
  std::sort(order_.begin(), order_.end(), before);
  double last = std::numeric_limits<double>::infinity();
  for (std::size_t i = 0; i < kept; ++i) {
    const bool tie = i > 0 && compare(order_[i - 1], order_[i]) == 0;
    if (!tie) last = std::min(-std::expm1(-static_cast<double>(best(order_[i])[0])), std::nextafter(last, -1.0));
    out.push_back({entities_[order_[i]], last});
  }
}

void check_confidence(Span<const double> confidence, std::size_t rules, const char* name) {
  check_length(confidence.size(), rules, name);
  for (std::size_t i = 0; i < rules; ++i) {
    if (confidence[i] >= 0 && confidence[i] <= 1) continue;
    throw std::invalid_argument(std::string(name) + ": expected numbers in [0, 1], got " +
                                std::to_string(confidence[i]) + " for rule " + std::to_string(i));
  }
}

}  // namespace

/// Grounds the rules of one query after another.
class RulePredictor::Worker {
 public:
  explicit Worker(const RulePredictor& predictor)
      : index_(predictor.index_),
        tables_(*predictor.tables_),
        walker_(predictor.index_, predictor.config_.object_identity),
        tally_(predictor.index_.num_entities(), predictor.config_) {}

  void answer(EntityId source, RelationId relation, std::int64_t limit, bool skip_known, std::vector<Scored>& out) {
    tally_.begin();
    if (skip_known) {
      for (const EntityId known : index_.tails(source, relation)) tally_.forbid(known);
    }
    const auto add = [this](EntityId entity, float weight) { tally_.add(entity, weight); };
    const RuleTables::Bodies& bodies = tables_.bodies(relation);
    walker_.walk(bodies.tree, source, [&](std::int32_t body, Span<const EntityId> ends) {
      for (const float weight : bodies.weights(body)) {
        for (const EntityId end : ends) tally_.add(end, weight);
      }
    });
    tables_.about(source, relation, add);
    tables_.those_who(source, relation, add);
    tally_.rank(limit, out);
  }

 private:
  const RelationIndex& index_;
  const RuleTables& tables_;
  BodyWalker walker_;
  Tally tally_;
};

RulePredictor::RulePredictor(const Expand& expand, std::shared_ptr<const RuleSet> rules, Span<const double> along,
                             Span<const double> against, const PredictorConfig& config)
    : index_(expand),
      rules_(std::move(rules)),
      along_(along.begin(), along.end()),
      against_(against.begin(), against.end()),
      config_(config) {
  if (config.top_k < 0) throw std::invalid_argument("top_k: expected 0 or more, got " + std::to_string(config.top_k));
  if (!(config.discount > 0 && config.discount <= 1)) {
    throw std::invalid_argument("discount: expected a number above 0 and up to 1, got " +
                                std::to_string(config.discount));
  }
  if (config.discount < 1 && config.top_k == 0) {
    throw std::invalid_argument("top_k: with a discount it must be given; 0 (all) goes without one");
  }
  if (config.aggregation == Aggregation::kMaxPlus && config.top_k == 0) {
    throw std::invalid_argument("top_k: max-plus compares a given number of rules; 0 (all) goes with noisy-or only");
  }
  // A rule speaks for an answer once: more places than rules would stay empty.
  config_.top_k =
      static_cast<int>(std::min(static_cast<std::size_t>(config_.top_k), std::max<std::size_t>(rules_->size(), 1)));
  check_confidence(along_, rules_->size(), "confidence");
  check_confidence(against_, rules_->size(), "against");
  rules_->check(index_.num_entities(), index_.num_relations());
  for (std::size_t i = 0; config.object_identity && i < rules_->size(); ++i) {
    if (rules_->body_of(i).size() <= static_cast<std::size_t>(kMaxIdentityAtoms)) continue;
    throw std::invalid_argument("rule " + std::to_string(i) + " has " + std::to_string(rules_->body_of(i).size()) +
                                " atoms; with object identity at most " + std::to_string(kMaxIdentityAtoms) +
                                " are walked: leave it out, or ground the rules without");
  }
  tables_ = std::make_unique<const RuleTables>(index_, *rules_, along_, against_, config_.object_identity);
}

RulePredictor::~RulePredictor() = default;

RulePredictor::Answers RulePredictor::answer(Span<const Triple> queries, std::int64_t limit, bool skip_known) const {
  for (const Triple& q : queries) {
    if (q.head < 0 || q.head >= index_.num_entities()) {
      throw std::out_of_range("entity " + std::to_string(q.head) + " is not in [0, " +
                              std::to_string(index_.num_entities()) + ")");
    }
    if (q.relation < 0 || q.relation >= 2 * index_.num_relations()) {
      throw std::out_of_range("relation " + std::to_string(q.relation) + " is not in [0, " +
                              std::to_string(2 * index_.num_relations()) + ")");
    }
  }
  if (limit < 0) throw std::invalid_argument("limit: expected 0 or more, got " + std::to_string(limit));
  std::vector<std::vector<Scored>> answers(queries.size());
  for_each_dynamic(
      static_cast<std::int64_t>(queries.size()), 8, [&] { return Worker(*this); },
      [&](Worker& worker, std::int64_t i) {
        const Triple& q = queries[static_cast<std::size_t>(i)];
        worker.answer(q.head, q.relation, limit, skip_known, answers[static_cast<std::size_t>(i)]);
        answers[static_cast<std::size_t>(i)].shrink_to_fit();
      },
      [](const Worker&) {});
  Answers all;
  for (const auto& ranked : answers) {
    for (const Scored& s : ranked) {
      all.entities.push_back(s.entity);
      all.scores.push_back(s.score);
    }
    all.offsets.push_back(static_cast<std::int64_t>(all.entities.size()));
  }
  return all;
}

std::vector<RulePredictor::Evidence> RulePredictor::evidence(EntityId source, RelationId relation, EntityId answer,
                                                             int max_groundings) const {
  for (const EntityId e : {source, answer}) {
    if (e < 0 || e >= index_.num_entities()) throw std::out_of_range("entity " + std::to_string(e) + " is not known");
  }
  if (relation < 0 || relation >= 2 * index_.num_relations()) {
    throw std::out_of_range("relation " + std::to_string(relation) + " is not known");
  }
  if (max_groundings < 0) {
    throw std::invalid_argument("max_groundings: expected 0 or more, got " + std::to_string(max_groundings));
  }
  std::vector<std::pair<double, Evidence>> found;
  for (std::size_t rule = 0; rule < rules_->size(); ++rule) {
    const bool is_along = rules_->head[rule] == relation;
    if (!is_along && rules_->head[rule] != index_.inverse(relation)) continue;
    // A rule about X and itself has no other side.
    const bool two_sided = rules_->head_constant[rule] != kSelf;
    const double confidence = is_along || !two_sided ? along_[rule] : against_[rule];
    if (!(confidence > 0) || (!is_along && rules_->kind(rule) == RuleKind::kZero)) continue;
    const EntityId x = is_along ? source : answer, y = is_along ? answer : source;
    Evidence evidence{static_cast<std::int64_t>(rule), {}};
    for (BodyWalk& walk :
         ground_rule(index_, *rules_, rule, x, y, config_.object_identity, std::max(max_groundings, 1))) {
      evidence.groundings.push_back({std::move(walk.entities), std::move(walk.relations)});
    }
    if (evidence.groundings.empty()) continue;
    evidence.groundings.resize(std::min(evidence.groundings.size(), static_cast<std::size_t>(max_groundings)));
    found.emplace_back(confidence, std::move(evidence));
  }
  std::stable_sort(found.begin(), found.end(), [](const auto& a, const auto& b) { return a.first > b.first; });
  std::vector<Evidence> sorted;
  sorted.reserve(found.size());
  for (auto& [confidence, evidence] : found) sorted.push_back(std::move(evidence));
  return sorted;
}

}  // namespace kgwalk
