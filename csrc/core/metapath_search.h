#pragma once

#include <cstdint>
#include <vector>

#include "core/expand.h"

namespace kgwalk {

/// The prefix tree that all users' layouts share: node 0 is the root, where users stand; parents come before their
/// children. Paths end at the leaves. Children of a node may share a relation: one goes on where the other ends.
class MetapathTree {
 public:
  /// @param parents    parent of each node, -1 for the root
  /// @param relations  relation that leads to the node; not read at the root
  /// @throws std::invalid_argument unless it is such a tree of at most kMaxPathHops hops and has a leaf besides its
  ///         root, std::out_of_range on a relation that no edge of the graph has
  MetapathTree(const Graph& graph, Span<const std::int32_t> parents, Span<const RelationId> relations);

  std::size_t num_nodes() const { return depths_.size(); }
  /// Hops of the longest metapath.
  std::size_t hops() const { return hops_; }
  std::size_t parent(std::size_t node) const { return static_cast<std::size_t>(parents_[node]); }
  RelationId relation(std::size_t node) const { return relations_[node]; }
  /// Hops from the root.
  std::size_t depth(std::size_t node) const { return depths_[node]; }
  bool is_leaf(std::size_t node) const { return leaves_[node] != 0; }

 private:
  Span<const std::int32_t> parents_;
  Span<const RelationId> relations_;
  std::vector<std::size_t> depths_;
  std::vector<std::uint8_t> leaves_;
  std::size_t hops_ = 0;
};

/// What users search with; n users, m nodes. Of node x of user u, all rows are at u * m + x, and those of the root are
/// not read.
struct MetapathQueries {
  Span<const EntityId> users;           ///< (n)
  Span<const std::int32_t> budgets;     ///< (n, m): paths kept per path at the parent; 0 prunes the node
  const float* node_queries = nullptr;  ///< (n, m, dim): what entities at the node are compared with
  const float* entity_table = nullptr;  ///< (num_rows, dim)
  const float* entity_bias = nullptr;   ///< (num_rows), added to the comparison; null for none
  std::int64_t num_rows = 0, dim = 0;
  /// (n, m): log of what a node's exponentials are divided by. NaN: their sum over the moves that are open to the path.
  Span<const float> log_norm;
  RelationId interact = -1;  ///< a user's tails of it are closed at the leaves; -1 closes nothing
  /// Entities closed at the leaves besides: those of user u are closed[closed_offsets[u]] to [closed_offsets[u + 1]].
  /// No offsets: none.
  Span<const std::int64_t> closed_offsets;
  Span<const EntityId> closed;
};

/// Paths by user, rising, best first, equal ones by leaf and then in the order in which they were found.
struct MetapathPaths {
  std::vector<std::int32_t> users;    ///< (p): row of the user
  std::vector<std::int32_t> nodes;    ///< (p): leaf that the path ends at
  std::vector<EntityId> entities;     ///< (p, hops + 1): user first; past its end a path stays where it is
  std::vector<RelationId> relations;  ///< (p, hops): STAY past its end
  std::vector<double> log_prob;       ///< (p): sum over the hops
  std::vector<double> last_log_prob;  ///< (p): of the last hop
};

/// Beam search along a layout of metapaths with a budget per node and user, for a policy that scores an entity by its
/// product with a vector of user and node alone (NSER: Xian et al. 2020): log P = <q, e> + bias - log_norm.
///
/// From each path at a node's parent the node keeps the `budget` neighbours along its relation that score highest, ties
/// by lower id, and never an entity that the path has been to. What is closed is closed at the leaves only. Products
/// are made with neighbours alone, and with those of a crowded entity once for all paths at a node.
///
/// Threaded over users; depends neither on the number of threads nor on the CPU.
/// @throws std::invalid_argument on lengths that disagree, a negative budget, budgets that multiply along a branch to
///         more than 2^31 - 1, a vector or a score that is not a finite number; std::out_of_range on an id out of range
///         or a neighbour without a row in the table. A bias of minus infinity closes an entity.
MetapathPaths metapath_search(const Expand& expand, const MetapathTree& tree, const MetapathQueries& queries);

}  // namespace kgwalk
