#pragma once

#include <functional>
#include <memory>
#include <vector>

#include "core/graph.h"

namespace kgwalk {

/// The rows that a degree cap cuts: of every head with more than `cap` edges, `cap` of them. Made of flat arrays, so
/// that it lives as well in a mapped file (view_file.h); copies share the storage.
class CappedRows {
 public:
  /// Which of 64 heads are cut, and how many before them.
  struct Mark {
    std::uint64_t bits, before;
  };

  CappedRows() = default;
  /// Wraps storage owned elsewhere. The caller vouches for sizes (a mark for each 64 heads, `cap` edges a row), not for
  /// contents: they are range-checked on use, tails and relations by who uses them.
  CappedRows(std::shared_ptr<const void> owner, int cap, EntityId num_entities, Span<const Mark> marks,
             Span<const Edge> edges)
      : owner_(std::move(owner)),
        cap_(cap),
        num_entities_(num_entities),
        num_rows_(static_cast<std::int64_t>(edges.size()) / cap),
        marks_(marks),
        edges_(edges) {}

  int cap() const { return cap_; }
  std::int64_t num_rows() const { return num_rows_; }
  Span<const Mark> marks() const { return marks_; }
  Span<const Edge> edges() const { return edges_; }

  /// Position of the row of `head`, or -1 if it is whole. O(1).
  std::int64_t find(EntityId head) const {
    const auto h = static_cast<std::uint32_t>(head);
    if (h >= static_cast<std::uint32_t>(num_entities_)) return -1;
    const Mark& mark = marks_[h / 64];
    const std::uint64_t bit = std::uint64_t{1} << (h % 64);
    return (mark.bits & bit) == 0 ? -1 : static_cast<std::int64_t>(mark.before + count_ones(mark.bits & (bit - 1)));
  }
  /// Index of the row's first edge; throws std::out_of_range on a corrupt position.
  std::int64_t row_begin(std::int64_t position) const {
    if (position < 0 || position >= num_rows_) bad_position(position);
    return position * cap_;
  }
  Span<const Edge> row(std::int64_t position) const {
    return edges_.subspan(static_cast<std::size_t>(row_begin(position)), static_cast<std::size_t>(cap_));
  }

  /// Popcount without the instruction, which not every CPU of the architecture has.
  static std::uint64_t count_ones(std::uint64_t x) {
    x -= (x >> 1) & 0x5555555555555555u;
    x = (x & 0x3333333333333333u) + ((x >> 2) & 0x3333333333333333u);
    return (((x + (x >> 4)) & 0x0F0F0F0F0F0F0F0Fu) * 0x0101010101010101u) >> 56;
  }

 private:
  [[noreturn]] void bad_position(std::int64_t position) const;

  std::shared_ptr<const void> owner_;
  int cap_ = 1;
  EntityId num_entities_ = 0;
  std::int64_t num_rows_ = 0;
  Span<const Mark> marks_;
  Span<const Edge> edges_;
};

/// How good an edge is: the higher, the rather it is kept. `index` is its place in edges().
using EdgeScore = std::function<double(std::int64_t index, Edge edge)>;
/// PageRank of the tail; 0 for one that has none.
EdgeScore score_by_rank(Span<const double> rank);

/// Writes the `keep` edges of the highest score to `to`, in row order (ties: lower tail, then lower relation).
/// @param first  index of the row's first edge
void best_edges(Span<const Edge> row, std::int64_t first, std::size_t keep, const EdgeScore& score, Edge* to);

/// The heads that a cap cuts, and the marks that find them.
struct Crowded {
  std::vector<EntityId> heads;
  std::vector<CappedRows::Mark> marks;
};
Crowded crowded_heads(const Graph& graph, int cap);

/// The cut rows of heads, `cap` edges each, behind one another. Threaded.
void cut_rows(const Graph& graph, Span<const EntityId> heads, int cap, const EdgeScore& score, Edge* to);

}  // namespace kgwalk
