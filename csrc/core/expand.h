#pragma once

#include <memory>
#include <vector>

#include "core/graph.h"
#include "core/overlay.h"

namespace kgwalk {

/// Variable-length rows side by side: row i is [offsets[i], offsets[i + 1]).
struct Ragged {
  std::vector<std::int64_t> offsets{0};
  std::vector<RelationId> relations;
  std::vector<EntityId> tails;
};

/// A fact whose edge and inverse edge are out of sight: a training query's own. A negative tail hides nothing.
inline constexpr Triple kNothingHidden{-1, -1, -1};

/// The neighbours of a node as everything that walks sees them: graph, overlay and degree cap together.
///
/// With a cap, a node with more than `max_out_degree` edges shows the best of them by PageRank of the tail (ties: lower
/// tail, then lower relation), in (relation, tail) order like every row. 0 means no cap. Other scores may take the
/// place of PageRank.
class Expand {
 public:
  /// @param edge_scores  one per edge of the graph, in its order: a capped node shows those of the highest score; none:
  ///                     PageRank. Read here only, and only of nodes past the cap.
  /// @throws std::invalid_argument on a negative cap; scores of another number, beside an overlay, or NaN where read
  explicit Expand(Graph graph, std::shared_ptr<const Overlay> overlay = nullptr, int max_out_degree = 0,
                  Span<const float> edge_scores = {});

  /// The same graph and cap seen through `overlay`: what a new Expand would show, but only the rows that the overlay
  /// touches are cut anew. PageRank, which is the graph's, is not computed again.
  /// @throws std::invalid_argument if this one has an overlay already or edge scores, or `overlay` is null
  Expand with_overlay(std::shared_ptr<const Overlay> overlay) const;

  const Graph& graph() const { return graph_; }
  const std::shared_ptr<const Overlay>& overlay() const { return overlay_; }
  int max_out_degree() const { return max_out_degree_; }
  EntityId num_entities() const { return overlay_ ? overlay_->num_entities() : graph_.num_entities(); }

  /// What the walker sees from `head`, capped.
  Span<const Edge> row(EntityId head) const {
    const Span<const Edge> full = full_row(head);
    if (max_out_degree_ == 0 || full.size() <= static_cast<std::size_t>(max_out_degree_)) return full;
    return capped_.row(capped_.find(head));
  }
  /// All edges of `head`, never cut; optionally of one relation.
  Span<const Edge> full_row(EntityId head, RelationId relation = kAnyRelation) const {
    if (overlay_) return overlaid_row(head, relation);
    return relation == kAnyRelation ? graph_.slice(head) : graph_.slice(head, relation);
  }

  /// Where row(head) starts in the concatenation of graph edges, overlay rows and capped rows (edge_table()).
  std::int64_t row_begin(EntityId head) const;
  /// Edges of rows that replace rows of the graph, overlay's first: what edge_table() has after the graph's own.
  std::vector<Edge> replaced_edges() const;

  /// The ragged neighbour kernel.
  /// @param relations  one per row, or one for all, kAnyRelation for every relation
  /// @param exclude    one hidden fact per row, or none
  /// @param capped     cut rows at max_out_degree
  Ragged expand(Span<const EntityId> frontier, Span<const RelationId> relations, Span<const Triple> exclude = {},
                bool capped = true) const;

  /// Slots of `row` (that of `head`) which the hidden fact takes out of sight, in rising order; returns how many (0 to
  /// 2).
  int hidden_slots(Span<const Edge> row, EntityId head, const Triple& hidden, std::int32_t slots[2]) const;

 private:
  Span<const Edge> overlaid_row(EntityId head, RelationId relation) const;
  /// Cuts the row of `head` if it is crowded; without scores by PageRank.
  void cap_row(EntityId head, Span<const float> edge_scores);

  Graph graph_;
  std::shared_ptr<const Overlay> overlay_;
  int max_out_degree_;
  bool scored_ = false;                              // whether scores took the place of PageRank
  std::shared_ptr<const std::vector<double>> rank_;  // of the graph; made only if some node needs it
  RowTable capped_;
};

}  // namespace kgwalk
