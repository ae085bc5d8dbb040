#pragma once

#include <algorithm>
#include <cstdint>
#include <vector>

#include "core/expand.h"

namespace kgwalk {

/// The whole graph, never cut, laid out for following one relation at a time: per entity the relations it has, per
/// relation the tails. 4 bytes an edge and 8 a (entity, relation), so that a walk touches half of what Graph's rows
/// would cost it. Everything is range-checked once, when it is made.
class RelationIndex {
 public:
  struct Run {
    RelationId relation;
    std::int32_t begin;  // of its tails; they end where the next run's begin
  };

  /// @throws std::out_of_range if an edge leads out of the graph, std::invalid_argument above 2^31 - 1 edges
  explicit RelationIndex(const Expand& expand);

  EntityId num_entities() const { return num_entities_; }
  /// R, forward relations only.
  RelationId num_relations() const { return num_relations_; }
  std::int64_t num_edges() const { return static_cast<std::int64_t>(tails_.size()); }
  RelationId inverse(RelationId r) const { return r < num_relations_ ? r + num_relations_ : r - num_relations_; }

  /// The relations of an entity, rising. Runs are numbered through all entities.
  Span<const Run> runs(EntityId e) const {
    return {runs_.data() + first_run(e), static_cast<std::size_t>(num_runs(e))};
  }
  std::int32_t first_run(EntityId e) const { return offsets_[static_cast<std::size_t>(e)]; }
  std::int32_t num_runs(EntityId e) const { return offsets_[static_cast<std::size_t>(e) + 1] - first_run(e); }
  std::int32_t num_runs() const { return static_cast<std::int32_t>(runs_.size()) - 1; }
  /// Tails of a run given by reference into runs(), rising.
  Span<const EntityId> tails(const Run& run) const {
    return {tails_.data() + run.begin, static_cast<std::size_t>((&run)[1].begin - run.begin)};
  }
  const Run& run(std::int32_t number) const { return runs_[static_cast<std::size_t>(number)]; }
  /// Number of the run of (e, relation), or -1. O(log runs).
  std::int32_t find(EntityId e, RelationId relation) const {
    const auto all = runs(e);
    const auto it =
        std::lower_bound(all.begin(), all.end(), relation, [](const Run& r, RelationId x) { return r.relation < x; });
    if (it == all.end() || it->relation != relation) return -1;
    return static_cast<std::int32_t>(it - runs_.data());
  }
  /// Tails of (e, relation), rising; empty if there are none.
  Span<const EntityId> tails(EntityId e, RelationId relation) const {
    const std::int32_t found = find(e, relation);
    return found < 0 ? Span<const EntityId>{} : tails(run(found));
  }
  bool has(EntityId e, RelationId relation, EntityId tail) const {
    const auto row = tails(e, relation);
    return std::binary_search(row.begin(), row.end(), tail);
  }
  bool has_edges(EntityId e) const { return num_runs(e) > 0; }

 private:
  EntityId num_entities_;
  RelationId num_relations_;
  std::vector<std::int32_t> offsets_;  // into runs_
  std::vector<Run> runs_;              // one more than there are, to end the last
  std::vector<EntityId> tails_;
};

}  // namespace kgwalk
