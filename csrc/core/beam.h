#pragma once

#include <cstdint>
#include <vector>

#include "core/actions.h"
#include "core/span.h"

namespace kgwalk {

/// The prefix tree a beam search is laid out on: which relation may be followed from each node and how many paths may
/// stand on it. Node 0 is the root; parents come before their children.
class BeamLayout {
 public:
  /// @param parents    parent of each node, -1 for the root
  /// @param relations  relation that leads to the node, or kAnyRelation (then it is an only child); ignored at the root
  /// @param budgets    paths kept at the node, positive; ignored at the root
  /// @param per_path   budgets count per path that reaches the parent, rather than per query
  /// @throws std::invalid_argument unless the arrays are such a tree with distinct relations among siblings
  BeamLayout(Span<const std::int32_t> parents, Span<const RelationId> relations, Span<const std::int64_t> budgets,
             bool per_path);

  std::size_t num_nodes() const { return budgets_.size(); }
  bool per_path() const { return per_path_; }
  std::size_t budget(std::int32_t node) const { return budgets_[static_cast<std::size_t>(node)]; }
  /// The node's only child if every relation may be followed to it, else -1.
  std::int32_t any_child(std::int32_t node) const { return any_child_[static_cast<std::size_t>(node)]; }
  /// The node a move along `relation` leads to, or -1 where the layout does not allow it. O(log children).
  std::int32_t child(std::int32_t node, RelationId relation) const;

 private:
  struct Branch {
    RelationId relation;
    std::int32_t node;
  };
  bool per_path_;
  std::vector<std::size_t> budgets_;
  std::vector<std::int32_t> any_child_;
  std::vector<std::int64_t> branch_offsets_;
  std::vector<Branch> branches_;  // by parent, then relation
};

/// Paths of equal length under way, grouped by query: those of query q are [query_offsets[q], query_offsets[q + 1]).
struct BeamFrontier {
  Span<const std::int64_t> query_offsets;
  Span<const std::int32_t> nodes;  // where in the layout each path stands
  Span<const double> log_prob;
};

/// The moves open to each path of a frontier: row i is [offsets[i], offsets[i + 1]). A move's log-probability is
/// logits - log_norm of its row.
struct BeamMoves {
  Span<const std::int64_t> offsets;
  Span<const RelationId> relations;
  Span<const float> logits;
  Span<const float> log_norm;
};

/// Paths one hop longer: `rows[i]` was extended by move `moves[i]`.
struct BeamSelection {
  std::vector<std::int64_t> query_offsets{0};
  std::vector<std::int64_t> rows;
  std::vector<std::int64_t> moves;
  std::vector<std::int32_t> nodes;
  std::vector<double> log_prob;
};

/// Extends the paths of a frontier by the moves the layout allows and keeps the most probable of each layout node, per
/// query or per path; among equals those of the lower move index. Best first within a node, nodes in rising order.
/// BeamMoves of probability zero are never kept. Linear in the moves plus k log k in those kept; threaded over queries.
///
/// @param keep_all  ignore the budgets; then moves come in their own order
/// @throws std::invalid_argument on ragged arrays that do not fit together or a log-probability that is not a number,
///         std::out_of_range on a node outside the layout
BeamSelection beam_select(const BeamLayout& layout, const BeamFrontier& frontier, const BeamMoves& moves,
                          bool keep_all = false);

/// Where to cut the queries of a frontier so that no piece has more than `max_moves` edges to look at, unless a single
/// query has: boundaries, 0 and the number of queries included.
std::vector<std::int64_t> split_frontier(const ActionSets& actions, Span<const EntityId> at,
                                         Span<const std::int64_t> query_offsets, std::int64_t max_moves);

/// Per row the distinct entities in rising order, with the log of the summed probabilities and the greatest one.
struct Pooled {
  std::vector<std::int64_t> offsets{0};
  std::vector<EntityId> entities;
  std::vector<double> logsumexp;
  std::vector<double> max;
};

/// @throws std::invalid_argument on ragged arrays that do not fit together
Pooled pool_entities(Span<const std::int64_t> offsets, Span<const EntityId> entities, Span<const double> log_prob);

/// The order that sorts each row by falling score, ties by rising entity: indices into the arrays.
std::vector<std::int64_t> rank_order(Span<const std::int64_t> offsets, Span<const EntityId> entities,
                                     Span<const double> scores);

}  // namespace kgwalk
