#pragma once

#include <vector>

#include "core/graph.h"

namespace kgwalk {

/// Rows that stand in for rows of a graph: a small CSR over the few heads it knows.
class RowTable {
 public:
  /// Heads must come in rising order; `edges` sorted by (relation, tail).
  void append(EntityId head, const std::vector<Edge>& edges);
  /// Position of `head`, or -1. O(log rows).
  std::int64_t find(EntityId head) const;
  Span<const Edge> row(std::int64_t position) const {
    const auto p = static_cast<std::size_t>(position);
    return Span<const Edge>(edges_).subspan(static_cast<std::size_t>(offsets_[p]),
                                            static_cast<std::size_t>(offsets_[p + 1] - offsets_[p]));
  }
  bool empty() const { return heads_.empty(); }
  const std::vector<EntityId>& heads() const { return heads_; }
  const std::vector<Edge>& edges() const { return edges_; }
  std::int64_t row_begin(std::int64_t position) const { return offsets_[static_cast<std::size_t>(position)]; }

 private:
  std::vector<EntityId> heads_;
  std::vector<std::int64_t> offsets_{0};
  std::vector<Edge> edges_;
};

/// Facts hidden from and added to a graph, without a copy of it: the rows they touch, rebuilt. Facts are given forward;
/// their inverses go with them. Added entities have ids from graph.num_entities() up. Only Expand reads it.
class Overlay {
 public:
  /// @param added_types  type of each added entity, in id order
  /// @throws std::out_of_range on ids outside the grown graph; std::invalid_argument if a hidden fact is not in the
  /// graph
  Overlay(const Graph& graph, Span<const Triple> hidden, Span<const Triple> added, std::vector<int> added_types = {});

  /// Entities of the graph and the added ones.
  EntityId num_entities() const { return num_entities_; }
  const std::vector<int>& added_types() const { return added_types_; }
  const RowTable& rows() const { return rows_; }

 private:
  EntityId num_entities_;
  std::vector<int> added_types_;
  RowTable rows_;
};

}  // namespace kgwalk
