#include "core/split_propagate.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>
#include <stdexcept>
#include <string>
#include <tuple>
#include <utility>

#include "core/entity_sums.h"
#include "core/ids.h"
#include "core/pieces.h"
#include "core/ragged_loops.h"

namespace kgwalk {
namespace {

constexpr std::int64_t kQueryGrain = 2;

/// What both halves ask of their input; prefixes must be in [0, num_prefixes).
void check(const ActionSets& actions, Span<const Query> queries, const PrefixMass& from, std::int64_t num_prefixes) {
  check_mass(actions, queries, from);
  check_ids(from.prefixes, num_prefixes, "prefixes");
  check_ids(from.entities, actions.expand().num_entities(), "entities");
  for (const double m : from.mass) {
    if (!(m >= 0) || std::isinf(m)) throw std::invalid_argument("mass must be finite and not negative");
  }
}

/// Throws std::invalid_argument unless goes_on(i), that item i may follow item i - 1, for all neighbours in a query.
template <class GoesOn>
void check_order(Span<const std::int64_t> query_offsets, const char* what, const GoesOn& goes_on) {
  for (std::size_t q = 0; q + 1 < query_offsets.size(); ++q) {
    for (auto i = query_offsets[q] + 1; i < query_offsets[q + 1]; ++i) {
      if (!goes_on(static_cast<std::size_t>(i))) throw std::invalid_argument(std::string(what) + " within a query");
    }
  }
}

/// Replaces logits by what a softmax of them is in proportion to.
/// @return  the factor to multiply them by, for a sum of `mass`
double soften(Span<float> logits, double mass, EntityId at) {
  float greatest = -std::numeric_limits<float>::infinity();
  for (const float x : logits) greatest = std::max(greatest, x);
  for (float& x : logits) x -= greatest;
  ragged_loops().exps(logits.data(), static_cast<std::int64_t>(logits.size()), logits.data());
  double sum = 0;
  for (const float x : logits) sum += x;
  if (std::isfinite(sum)) return mass / sum;
  throw std::invalid_argument("propagate: the moves of entity " + std::to_string(at) +
                              " have no finite logit to be normalised by");
}

/// Splits one query after the other among relations, with buffers of its own.
class RelationSplitter {
 public:
  RelationSplitter(const ActionSets& actions, const PrefixMass& from, const RelationLogits& scores, bool last_hop,
                   std::int64_t keep)
      : actions_(actions), from_(from), scores_(scores), last_hop_(last_hop), keep_(static_cast<std::size_t>(keep)) {}

  void query(std::size_t q, const Query& query) {
    plan_ = actions_.plan(query);
    items_.clear();
    least_ = 0;
    dropped_ = 0;
    const auto begin = static_cast<std::size_t>(from_.query_offsets[q]);
    const auto end = static_cast<std::size_t>(from_.query_offsets[q + 1]);
    if (keep_ == 0) {
      for (std::size_t i = begin; i < end; ++i) split(i);
    } else {
      split_heaviest(begin, end);
    }
    emit();
  }

  Propagated take() { return std::move(out_); }

 private:
  struct Item {
    std::int32_t prefix;
    RelationId relation;
    EntityId entity;
    double mass;
    auto key() const { return std::tie(prefix, relation, entity); }
  };
  struct Weighed {
    double mass;
    std::size_t item;
  };

  /// By falling mass, so that once enough is found, all that weighs less can be left alone.
  void split_heaviest(std::size_t begin, std::size_t end) {
    const auto lighter = [](const Weighed& a, const Weighed& b) {
      return a.mass != b.mass ? a.mass < b.mass : a.item > b.item;
    };
    heap_.clear();
    for (std::size_t i = begin; i < end; ++i) heap_.push_back({from_.mass[i], i});
    std::make_heap(heap_.begin(), heap_.end(), lighter);
    while (!heap_.empty() && heap_.front().mass >= least_) {
      const std::size_t heaviest = heap_.front().item;
      std::pop_heap(heap_.begin(), heap_.end(), lighter);
      heap_.pop_back();
      split(heaviest);
      if (items_.size() / 2 >= keep_) cut();
    }
    for (const Weighed& left : heap_) dropped_ += left.mass;
    if (items_.size() > keep_) cut();
  }

  /// Down to the `keep_` items of most mass.
  void cut() {
    const auto end = items_.begin() + static_cast<std::ptrdiff_t>(keep_);
    std::nth_element(items_.begin(), end - 1, items_.end(), [](const Item& a, const Item& b) {
      return a.mass != b.mass ? a.mass > b.mass : a.key() < b.key();
    });
    for (auto it = end; it != items_.end(); ++it) dropped_ += it->mass;
    items_.erase(end, items_.end());
    least_ = items_.back().mass;
  }

  void split(std::size_t i) {
    const EntityId at = from_.entities[i];
    const std::int32_t prefix = from_.prefixes[i];
    const ActionRow row = actions_.row(at, plan_, last_hop_);
    const float* const logits = scores_.logits.data() + static_cast<std::size_t>(prefix) * scores_.width;
    const bool all_legal = !row.filtered() && row.num_hidden == 0;
    open_.assign(1, actions_.graph().stay());
    shares_.assign(1, logits[open_[0]]);
    for (std::size_t slot = 0, next; slot < row.edges.size(); slot = next) {
      next = row.run_end(slot);
      if (!all_legal && !row.any_legal(slot, next)) continue;
      const RelationId relation = row.edges[slot].relation;
      actions_.graph().check_relation(relation);  // a mapped file may hold anything
      open_.push_back(relation);
      shares_.push_back(logits[relation]);
    }
    const double scale = soften({shares_.data(), shares_.size()}, from_.mass[i], at);
    for (std::size_t k = 0; k < open_.size(); ++k) {
      const double share = scale * shares_[k];
      if (share <= 0) continue;
      if (share < least_) {
        dropped_ += share;
      } else {
        items_.push_back({prefix, open_[k], at, share});
      }
    }
  }

  void emit() {
    std::sort(items_.begin(), items_.end(), [](const Item& a, const Item& b) { return a.key() < b.key(); });
    for (const Item& item : items_) {
      out_.prefixes.push_back(item.prefix);
      out_.relations.push_back(item.relation);
      out_.entities.push_back(item.entity);
      out_.mass.push_back(item.mass);
    }
    out_.query_offsets.push_back(static_cast<std::int64_t>(out_.entities.size()));
    out_.dropped.push_back(dropped_);
  }

  const ActionSets& actions_;
  const PrefixMass& from_;
  const RelationLogits& scores_;
  bool last_hop_;
  std::size_t keep_;
  QueryPlan plan_;
  std::vector<RelationId> open_;
  std::vector<float> shares_;
  std::vector<Weighed> heap_;  // what is not looked at yet
  std::vector<Item> items_;
  double least_ = 0;  // what an item must weigh to be kept
  double dropped_ = 0;
  Propagated out_;
};

/// Shares one query after the other among entities, with buffers of its own.
class EntitySplitter {
 public:
  EntitySplitter(const ActionSets& actions, const ChosenRelations& from, ragged::Matrix<const float> entity_query,
                 ragged::Matrix<const float> entity_table, bool last_hop)
      : actions_(actions),
        from_(from),
        entity_query_(entity_query),
        entity_table_(entity_table),
        last_hop_(last_hop),
        sums_(actions.expand().num_entities()) {}

  void query(std::size_t q, const Query& query) {
    plan_ = actions_.plan(query);
    const auto end = static_cast<std::size_t>(from_.query_offsets[q + 1]);
    for (auto i = static_cast<std::size_t>(from_.query_offsets[q]); i < end;) {
      const std::int32_t prefix = from_.prefixes[i];
      for (; i < end && from_.prefixes[i] == prefix; ++i) {
        gather(i);
        if (tails_.size() >= kTails) share(prefix);
      }
      share(prefix);
      if (!last_hop_) emit(prefix);
    }
    if (last_hop_) emit(0);
    out_.query_offsets.push_back(static_cast<std::int64_t>(out_.entities.size()));
  }

  SplitMass take() { return std::move(out_); }

 private:
  static constexpr std::size_t kTails = 4096;  // whose scores are made in one go
  struct Part {                                // an item whose tails are the next ones up to `end`
    EntityId at;
    std::size_t end;
    double mass;
  };

  /// Adds the tails of an item to those that await their share, or its mass to the only one.
  void gather(std::size_t i) {
    const EntityId at = from_.entities[i];
    const double mass = from_.mass[i];
    if (mass <= 0) return;
    if (from_.relations[i] == actions_.graph().stay()) {
      sums_.add(at, mass);
      return;
    }
    const std::size_t begin = tails_.size();
    const EntityId num_entities = actions_.expand().num_entities();
    actions_.row(at, plan_, last_hop_).each_tail(from_.relations[i], [&](EntityId tail) {
      if (tail < 0 || tail >= num_entities) throw std::out_of_range("an edge of the graph leads out of it");
      tails_.push_back(tail);
    });
    const std::size_t n = tails_.size() - begin;
    if (n == 0) {
      throw std::invalid_argument("relation " + std::to_string(from_.relations[i]) + " is not open at entity " +
                                  std::to_string(at));
    }
    if (n > 1 && entity_query_.data != nullptr) {
      parts_.push_back({at, tails_.size(), mass});
      return;
    }
    const double each = mass / static_cast<double>(n);
    for (std::size_t k = begin; each > 0 && k < tails_.size(); ++k) sums_.add(tails_[k], each);
    tails_.resize(begin);
  }

  /// Shares the mass of the items gathered, all of one prefix.
  void share(std::int32_t prefix) {
    if (parts_.empty()) return;
    shares_.assign(tails_.size(), 0);
    const std::int64_t offsets[2] = {0, static_cast<std::int64_t>(tails_.size())};
    ragged_loops().dots({offsets, 0, 1, tails_.data(), entity_table_.columns}, entity_query_.row(prefix),
                        entity_table_.data, shares_.data());
    std::size_t begin = 0;
    for (const Part& part : parts_) {
      const double scale = soften({shares_.data() + begin, part.end - begin}, part.mass, part.at);
      for (; begin < part.end; ++begin) {
        const double share = scale * shares_[begin];
        if (share > 0) sums_.add(tails_[begin], share);
      }
    }
    parts_.clear();
    tails_.clear();
  }

  void emit(std::int32_t prefix) {
    sums_.drain([&](EntityId entity, double mass) {
      out_.prefixes.push_back(prefix);
      out_.entities.push_back(entity);
      out_.mass.push_back(mass);
    });
  }

  const ActionSets& actions_;
  const ChosenRelations& from_;
  ragged::Matrix<const float> entity_query_, entity_table_;
  bool last_hop_;
  QueryPlan plan_;
  std::vector<Part> parts_;
  std::vector<EntityId> tails_;
  std::vector<float> shares_;
  EntitySums sums_;
  SplitMass out_;
};

}  // namespace

Propagated split_relations(const ActionSets& actions, Span<const Query> queries, const PrefixMass& from,
                           const RelationLogits& scores, bool last_hop, std::int64_t keep) {
  if (keep < 0) throw std::invalid_argument("keep must be 0 (all) or positive, got " + std::to_string(keep));
  check_length(scores.width, static_cast<std::size_t>(actions.graph().stay()) + 1, "logits of a prefix");
  check(actions, queries, from, static_cast<std::int64_t>(scores.logits.size() / scores.width));
  check_order(from.query_offsets, "(prefix, entity) must rise", [&](std::size_t i) {
    return std::pair(from.prefixes[i - 1], from.entities[i - 1]) < std::pair(from.prefixes[i], from.entities[i]);
  });
  Propagated out;
  in_pieces(
      queries.size(), kQueryGrain,
      [&](std::size_t begin, std::size_t end) {
        RelationSplitter splitter(actions, from, scores, last_hop, keep);
        for (std::size_t q = begin; q < end; ++q) splitter.query(q, queries[q]);
        return splitter.take();
      },
      [&](Propagated&& piece) { append(out, piece); });
  return out;
}

SplitMass split_entities(const ActionSets& actions, Span<const Query> queries, const ChosenRelations& from,
                         ragged::Matrix<const float> entity_query, ragged::Matrix<const float> entity_table,
                         bool last_hop) {
  const std::int64_t num_prefixes =
      entity_query.data == nullptr ? std::numeric_limits<std::int32_t>::max() : entity_query.rows;
  check(actions, queries, {from.query_offsets, from.prefixes, from.entities, from.mass}, num_prefixes);
  check_length(from.relations.size(), from.entities.size(), "relations");
  check_ids(from.relations, actions.graph().stay() + 1, "relations");
  check_order(from.query_offsets, "prefixes must not fall",
              [&](std::size_t i) { return from.prefixes[i - 1] <= from.prefixes[i]; });
  if (entity_query.data != nullptr) {
    if (entity_table.data == nullptr) throw std::invalid_argument("entity_query needs an entity_table");
    check_length(static_cast<std::size_t>(entity_table.columns), static_cast<std::size_t>(entity_query.columns),
                 "row of entity_table");
    check_length(static_cast<std::size_t>(entity_table.rows), static_cast<std::size_t>(actions.expand().num_entities()),
                 "entity_table");
  }
  SplitMass out;
  in_pieces(
      queries.size(), kQueryGrain,
      [&](std::size_t begin, std::size_t end) {
        EntitySplitter splitter(actions, from, entity_query, entity_table, last_hop);
        for (std::size_t q = begin; q < end; ++q) splitter.query(q, queries[q]);
        return splitter.take();
      },
      [&](SplitMass&& piece) {
        append_offsets(out.query_offsets, piece.query_offsets);
        append(out.prefixes, piece.prefixes);
        append(out.entities, piece.entities);
        append(out.mass, piece.mass);
      });
  return out;
}

}  // namespace kgwalk
