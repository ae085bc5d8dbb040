#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "core/span.h"

namespace kgwalk {

using EntityId = std::int32_t;
using RelationId = std::int32_t;

/// Stands for "every relation" where a relation id is asked for.
inline constexpr RelationId kAnyRelation = -1;

/// One directed edge as stored at its head: 8 bytes, so a cache line holds eight.
struct Edge {
  RelationId relation;
  EntityId tail;
  friend bool operator==(Edge a, Edge b) { return a.relation == b.relation && a.tail == b.tail; }
  friend bool operator<(Edge a, Edge b) { return a.relation != b.relation ? a.relation < b.relation : a.tail < b.tail; }
};

/// The edges of one relation in a row sorted by (relation, tail); the whole row for kAnyRelation. O(log row).
Span<const Edge> of_relation(Span<const Edge> row, RelationId relation);

/// A fact (head, relation, tail).
struct Triple {
  EntityId head;
  RelationId relation;
  EntityId tail;
};

/// Immutable typed directed multigraph in compressed sparse rows, never cut.
///
/// Relations 0..R-1 are the facts', R..2R-1 their inverses, 2R is STAY. Edges of a node are sorted by
/// (relation, tail) and distinct. Entities of one type have contiguous ids. Copies share the storage.
class Graph {
 public:
  /// Builds the graph of `facts` and their inverses; equal facts are merged.
  /// @param type_offsets  first id of each type, then num_entities; {0, num_entities} for an untyped graph
  /// @throws std::out_of_range on an id outside the counts, std::invalid_argument on bad type offsets
  static Graph from_triples(Span<const Triple> facts, EntityId num_entities, RelationId num_relations,
                            std::vector<EntityId> type_offsets = {});

  /// Wraps storage owned elsewhere (a mapped file). The caller vouches for sizes, not for contents:
  /// every offset and id is range-checked on use.
  Graph(std::shared_ptr<const void> owner, EntityId num_entities, RelationId num_relations, std::int64_t num_facts,
        Span<const std::int64_t> offsets, Span<const Edge> edges, std::vector<EntityId> type_offsets);

  EntityId num_entities() const { return num_entities_; }
  /// R: forward relations only.
  RelationId num_relations() const { return num_relations_; }
  RelationId stay() const { return 2 * num_relations_; }
  /// Distinct facts, inverses not counted.
  std::int64_t num_facts() const { return num_facts_; }
  std::int64_t num_edges() const { return static_cast<std::int64_t>(edges_.size()); }
  Span<const std::int64_t> offsets() const { return offsets_; }
  Span<const Edge> edges() const { return edges_; }
  const std::vector<EntityId>& type_offsets() const { return type_offsets_; }

  /// r's inverse; STAY is its own.
  RelationId inverse(RelationId r) const {
    return r == stay() ? r : (r < num_relations_ ? r + num_relations_ : r - num_relations_);
  }

  /// Index of the first edge of `head`; throws std::out_of_range on a bad id or a corrupt offset.
  std::int64_t row_begin(EntityId head) const {
    check_entity(head);
    check_offsets(head);
    return offsets_[static_cast<std::size_t>(head)];
  }

  /// All edges of `head`, sorted by (relation, tail). O(1).
  Span<const Edge> slice(EntityId head) const {
    check_entity(head);
    const auto h = static_cast<std::size_t>(head);
    check_offsets(head);
    return edges_.subspan(static_cast<std::size_t>(offsets_[h]),
                          static_cast<std::size_t>(offsets_[h + 1] - offsets_[h]));
  }
  /// The edges of `head` with one relation, sorted by tail; all of them for kAnyRelation. O(log degree).
  Span<const Edge> slice(EntityId head, RelationId relation) const { return of_relation(slice(head), relation); }

  /// Index of the edge in edges(), or -1. Ids out of range throw std::out_of_range. O(log degree).
  std::int64_t find(EntityId head, RelationId relation, EntityId tail) const;

  /// Type of an entity: index of its range in type_offsets.
  int type_of(EntityId entity) const;

  /// PageRank over all directed edges (inverses included), uniform teleport; sums to 1. Page et al. 1999. Threaded;
  /// takes 4 bytes an edge meanwhile.
  /// @throws std::invalid_argument unless 0 <= damping <= 1 and iterations >= 0
  std::vector<double> pagerank(double damping = 0.85, int iterations = 50) const;

  /// Looks at everything (for storage that came from outside): throws std::out_of_range unless every offset and id is
  /// in range, rows are sorted and distinct, the facts are num_facts and each has its inverse. O(edges).
  void check() const;

  /// Throws std::out_of_range naming the id and the range unless 0 <= e < num_entities().
  void check_entity(EntityId e) const {
    if (static_cast<std::uint32_t>(e) >= static_cast<std::uint32_t>(num_entities_)) bad_entity(e);
  }
  /// Likewise for a relation id in [0, 2R); STAY is no edge.
  void check_relation(RelationId r) const {
    if (static_cast<std::uint32_t>(r) >= static_cast<std::uint32_t>(2 * num_relations_)) bad_relation(r);
  }

 private:
  [[noreturn]] void bad_entity(EntityId e) const;
  [[noreturn]] void bad_relation(RelationId r) const;
  [[noreturn]] void bad_offsets(EntityId head) const;
  void check_offsets(EntityId head) const {
    const auto h = static_cast<std::size_t>(head);
    const std::int64_t b = offsets_[h], e = offsets_[h + 1];
    if (b < 0 || e < b || e > num_edges()) bad_offsets(head);
  }

  std::shared_ptr<const void> owner_;
  EntityId num_entities_ = 0;
  RelationId num_relations_ = 0;
  std::int64_t num_facts_ = 0;
  Span<const std::int64_t> offsets_;
  Span<const Edge> edges_;
  std::vector<EntityId> type_offsets_;
};

}  // namespace kgwalk
