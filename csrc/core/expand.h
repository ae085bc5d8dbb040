#pragma once

#include <memory>
#include <vector>

#include "core/capped_rows.h"
#include "core/graph.h"
#include "core/overlay.h"
#include "core/prefetch.h"

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

  /// A view that was computed before (view_file.h): costs nothing.
  /// @param rank  PageRank of the graph, which the storage of `rows` keeps alive
  Expand(Graph graph, CappedRows rows, Span<const double> rank);

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
    if (max_out_degree_ == 0) return full_row(head);
    if (overlay_) return overlaid_capped_row(head);
    return capped_row(head);
  }
  /// row(head) without an overlay, for asking the memory for it: empty where row() would throw.
  Span<const Edge> row_hint(EntityId head) const {
    const std::int64_t position = max_out_degree_ == 0 ? -1 : capped_.find(head);
    if (position >= 0) return position < capped_.num_rows() ? capped_.row(position) : Span<const Edge>{};
    if (static_cast<std::uint32_t>(head) >= static_cast<std::uint32_t>(graph_.num_entities())) return {};
    const std::int64_t *at = graph_.offsets().data() + head, begin = at[0], end = at[1];
    if (begin < 0 || end < begin || end > graph_.num_edges()) return {};
    return graph_.edges().subspan(static_cast<std::size_t>(begin), static_cast<std::size_t>(end - begin));
  }
  /// Asks the memory for what row(head) looks up first.
  void prefetch_lookup(EntityId head) const {
    const auto h = static_cast<std::uint32_t>(head);
    if (h >= static_cast<std::uint32_t>(graph_.num_entities())) return;
    if (max_out_degree_ > 0) prefetch(capped_.marks().data() + h / 64);
    prefetch(graph_.offsets().data() + h);
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
  Span<const Edge> overlaid_capped_row(EntityId head) const;
  Span<const Edge> capped_row(EntityId head) const {
    const std::int64_t position = capped_.find(head);
    if (position >= 0) return capped_.row(position);
    const Span<const Edge> full = graph_.slice(head);
    if (full.size() > static_cast<std::size_t>(max_out_degree_)) bad_view(head);
    return full;
  }
  [[noreturn]] void bad_view(EntityId head) const;
  /// Cuts the graph's rows; without scores by PageRank.
  void cap_rows(Span<const float> edge_scores);
  /// Cuts the overlay's rows, by PageRank.
  void cap_touched_rows();
  void need_rank();

  Graph graph_;
  std::shared_ptr<const Overlay> overlay_;
  int max_out_degree_;
  bool scored_ = false;      // whether scores took the place of PageRank
  CappedRows capped_;        // of the graph
  RowTable touched_;         // cut rows of the overlay
  Span<const double> rank_;  // of the graph; made only if some node needs it
  std::shared_ptr<const std::vector<double>> own_rank_;
};

}  // namespace kgwalk
