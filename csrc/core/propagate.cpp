#include "core/propagate.h"

#include <algorithm>
#include <cmath>
#include <stdexcept>
#include <string>
#include <utility>

#include "core/entity_sums.h"
#include "core/pieces.h"

namespace kgwalk {
namespace {

constexpr std::int64_t kQueryGrain = 4;

void check(const ActionSets& actions, Span<const Query> queries, const PrefixMass& from, const RelationLogits& scores) {
  check_mass(actions, queries, from);
  check_length(scores.width, static_cast<std::size_t>(actions.graph().stay()) + 1, "logits of a prefix");
  const std::size_t num_prefixes = scores.logits.size() / scores.width;
  for (const std::int32_t p : from.prefixes) {
    if (p >= 0 && static_cast<std::size_t>(p) < num_prefixes) continue;
    throw std::out_of_range("prefix " + std::to_string(p) + " is not in [0, " + std::to_string(num_prefixes) + ")");
  }
}

/// Splits the mass at a node among its legal moves.
class Splitter {
 public:
  Splitter(const ActionSets& actions, const RelationLogits& scores) : actions_(actions), scores_(scores) {}

  /// Calls take(relation, entity, mass) for every legal move of positive probability, STAY first, then in row order.
  template <class Take>
  void split(EntityId at, std::int32_t prefix, double mass, const Query& query, bool last_hop, const Take& take) {
    const ActionRow row = actions_.row(at, query, last_hop);
    const bool all_legal = !row.filtered() && row.num_hidden == 0;
    const float* logits = scores_.logits.data() + static_cast<std::size_t>(prefix) * scores_.width;
    const RelationId stay = actions_.graph().stay();
    const EntityId num_entities = actions_.expand().num_entities();
    runs_.clear();
    double greatest = logits[stay];
    for (std::size_t slot = 0; slot < row.edges.size();) {
      Run run{row.edges[slot].relation, slot, slot, 0};
      actions_.graph().check_relation(run.relation);  // a mapped file may hold anything
      for (; run.end < row.edges.size() && row.edges[run.end].relation == run.relation; ++run.end) {
        run.count += all_legal || row.legal(run.end);
      }
      slot = run.end;
      if (run.count == 0) continue;
      greatest = std::max(greatest, static_cast<double>(logits[run.relation]));
      runs_.push_back(run);
    }
    double sum = std::exp(logits[stay] - greatest);
    for (const Run& run : runs_) sum += static_cast<double>(run.count) * std::exp(logits[run.relation] - greatest);
    if (!std::isfinite(sum)) {
      throw std::invalid_argument("propagate: the moves of entity " + std::to_string(at) +
                                  " have no finite logit to be normalised by");
    }
    const double scale = mass / sum;
    const auto share = [&](RelationId r) { return scale * std::exp(logits[r] - greatest); };
    if (const double stays = share(stay); stays > 0) take(stay, at, stays);
    for (const Run& run : runs_) {
      const double each = share(run.relation);
      if (each <= 0) continue;
      for (std::size_t slot = run.begin; slot < run.end; ++slot) {
        if (!all_legal && !row.legal(slot)) continue;
        const EntityId tail = row.edges[slot].tail;
        if (tail < 0 || tail >= num_entities) throw std::out_of_range("an edge of the graph leads out of it");
        take(run.relation, tail, each);
      }
    }
  }

 private:
  struct Run {
    RelationId relation;
    std::size_t begin, end;
    std::int64_t count;  // legal ones
  };
  const ActionSets& actions_;
  const RelationLogits& scores_;
  std::vector<Run> runs_;
};

/// One hop for a contiguous run of queries, with buffers of its own.
class Propagator {
 public:
  Propagator(const ActionSets& actions, const PrefixMass& from, const RelationLogits& scores,
             std::int64_t keep_prefixes)
      : splitter_(actions, scores), from_(from), keep_(static_cast<std::size_t>(keep_prefixes)) {}

  void query(std::size_t q, const Query& query) {
    moved_.clear();
    groups_.clear();
    const auto end = static_cast<std::size_t>(from_.query_offsets[q + 1]);
    for (auto i = static_cast<std::size_t>(from_.query_offsets[q]); i < end;) {
      const std::int32_t prefix = from_.prefixes[i];
      const std::size_t first = moved_.size();
      for (; i < end && from_.prefixes[i] == prefix; ++i) {
        splitter_.split(from_.entities[i], prefix, from_.mass[i], query, false,
                        [this](RelationId r, EntityId e, double mass) { moved_.push_back({r, e, mass}); });
      }
      merge(prefix, first);
    }
    emit();
  }

  Propagated take() { return std::move(out_); }

 private:
  struct Item {
    RelationId relation;
    EntityId entity;
    double mass;
  };
  struct Group {  // one (prefix, relation): items [begin, end)
    std::int32_t prefix;
    std::size_t begin, end;
    double mass;
  };

  /// Merges what came of one prefix, from item `first` on, and notes its groups.
  void merge(std::int32_t prefix, std::size_t first) {
    const auto begin = moved_.begin() + static_cast<std::ptrdiff_t>(first);
    // Stable, so that equal items are summed in the order of the entities they came from.
    std::stable_sort(begin, moved_.end(), [](const Item& a, const Item& b) {
      return a.relation != b.relation ? a.relation < b.relation : a.entity < b.entity;
    });
    std::size_t to = first;
    for (std::size_t i = first; i < moved_.size(); ++i) {
      const Item item = moved_[i];
      if (to > first && moved_[to - 1].relation == item.relation && moved_[to - 1].entity == item.entity) {
        moved_[to - 1].mass += item.mass;
      } else {
        moved_[to++] = item;
      }
    }
    moved_.resize(to);
    for (std::size_t i = first; i < to; ++i) {
      if (i == first || moved_[i].relation != moved_[i - 1].relation) groups_.push_back({prefix, i, i, 0});
      groups_.back().end = i + 1;
      groups_.back().mass += moved_[i].mass;
    }
  }

  void emit() {
    double dropped = 0;
    if (keep_ > 0 && groups_.size() > keep_) {
      const auto cut = groups_.begin() + static_cast<std::ptrdiff_t>(keep_);
      std::nth_element(groups_.begin(), cut, groups_.end(), [](const Group& a, const Group& b) {
        return a.mass != b.mass ? a.mass > b.mass : a.begin < b.begin;
      });
      const auto by_place = [](const Group& a, const Group& b) { return a.begin < b.begin; };
      std::sort(cut, groups_.end(), by_place);
      for (auto it = cut; it != groups_.end(); ++it) dropped += it->mass;
      groups_.erase(cut, groups_.end());
      std::sort(groups_.begin(), groups_.end(), by_place);
    }
    for (const Group& group : groups_) {
      for (std::size_t i = group.begin; i < group.end; ++i) {
        out_.prefixes.push_back(group.prefix);
        out_.relations.push_back(moved_[i].relation);
        out_.entities.push_back(moved_[i].entity);
        out_.mass.push_back(moved_[i].mass);
      }
    }
    out_.query_offsets.push_back(static_cast<std::int64_t>(out_.entities.size()));
    out_.dropped.push_back(dropped);
  }

  Splitter splitter_;
  const PrefixMass& from_;
  std::size_t keep_;
  std::vector<Item> moved_;
  std::vector<Group> groups_;
  Propagated out_;
};

}  // namespace

void check_mass(const ActionSets& actions, Span<const Query> queries, const PrefixMass& from) {
  check_length(from.query_offsets.size(), queries.size() + 1, "query_offsets");
  check_offsets(from.query_offsets, from.entities.size(), "query_offsets");
  check_length(from.prefixes.size(), from.entities.size(), "prefixes");
  check_length(from.mass.size(), from.entities.size(), "mass");
  for (const Query& q : queries) actions.check_query(q);
}

void append(Propagated& to, const Propagated& piece) {
  append_offsets(to.query_offsets, piece.query_offsets);
  append(to.prefixes, piece.prefixes);
  append(to.relations, piece.relations);
  append(to.entities, piece.entities);
  append(to.mass, piece.mass);
  append(to.dropped, piece.dropped);
}

Propagated propagate_hop(const ActionSets& actions, Span<const Query> queries, const PrefixMass& from,
                         const RelationLogits& scores, std::int64_t keep_prefixes) {
  check(actions, queries, from, scores);
  if (keep_prefixes < 0) {
    throw std::invalid_argument("keep_prefixes must be 0 (all) or positive, got " + std::to_string(keep_prefixes));
  }
  Propagated out;
  in_pieces(
      queries.size(), kQueryGrain,
      [&](std::size_t begin, std::size_t end) {
        Propagator propagator(actions, from, scores, keep_prefixes);
        for (std::size_t q = begin; q < end; ++q) propagator.query(q, queries[q]);
        return propagator.take();
      },
      [&](Propagated&& piece) { append(out, piece); });
  return out;
}

EntityMass propagate_last(const ActionSets& actions, Span<const Query> queries, const PrefixMass& from,
                          const RelationLogits& scores) {
  check(actions, queries, from, scores);
  const auto pool = [&](std::size_t begin, std::size_t end) {
    EntityMass out;
    Splitter splitter(actions, scores);
    EntitySums sums(actions.expand().num_entities());
    for (std::size_t q = begin; q < end; ++q) {
      const auto last = static_cast<std::size_t>(from.query_offsets[q + 1]);
      for (auto i = static_cast<std::size_t>(from.query_offsets[q]); i < last; ++i) {
        splitter.split(from.entities[i], from.prefixes[i], from.mass[i], queries[q], true,
                       [&sums](RelationId, EntityId entity, double mass) { sums.add(entity, mass); });
      }
      sums.drain([&out](EntityId entity, double mass) {
        out.entities.push_back(entity);
        out.mass.push_back(mass);
      });
      out.offsets.push_back(static_cast<std::int64_t>(out.entities.size()));
    }
    return out;
  };
  EntityMass out;
  in_pieces(queries.size(), kQueryGrain, pool, [&](EntityMass&& piece) {
    append_offsets(out.offsets, piece.offsets);
    append(out.entities, piece.entities);
    append(out.mass, piece.mass);
  });
  return out;
}

}  // namespace kgwalk
