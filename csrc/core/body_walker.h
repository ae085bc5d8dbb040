#pragma once

#include <cstdint>
#include <vector>

#include "core/body_tree.h"
#include "core/relation_index.h"

namespace kgwalk {

/// Finds what rule bodies reach: for a source and every body of a tree, the distinct ends of its walks.
///
/// Without object identity only the entities reached count, so one walk to each is kept per prefix. With it no entity
/// may come twice in a walk, and which way led to an entity decides where one may go on. Still a few walks stand for
/// all: of those that meet at an entity with h hops to go, one is dropped if every set of h entities that blocks all
/// the kept ones blocks it too (a representative family; by Bollobas' theorem at most C(h + p, p) are kept of walks
/// with p inner entities: 2 for three atoms, 6 for five). What is found is exact.
///
/// The families still grow with the length, so that kMaxIdentityAtoms atoms are the most.
///
/// One per thread; buffers are reused from source to source.
/// Longest body that is walked with object identity.
inline constexpr int kMaxIdentityAtoms = 8;

class BodyWalker {
 public:
  BodyWalker(const RelationIndex& index, bool object_identity);

  /// Calls visit(body, ends) for every body of the tree that reaches something, prefixes before what they begin.
  /// Ends are distinct, in no order that is promised, and valid during the call only.
  template <class Visit>
  void walk(const BodyTree& tree, EntityId source, const Visit& visit) {
    if (tree.empty()) return;
    walks_.assign(1, {source, -1, -1});
    tree_ = &tree;
    descend(0, 0, 1, 0, visit);
  }

 private:
  friend struct BodyWalkerProbe;  // of the tests: how many walks are kept

  struct Walk {
    EntityId at;
    std::int32_t before;  // the walk that this one makes longer by a hop, or -1
    std::int32_t rival;   // another one kept that ends at the same entity, or -1
  };
  struct Reached {
    EntityId at;
    std::int32_t before;
  };
  struct Level {
    std::vector<std::vector<Reached>> by_child;
    std::vector<EntityId> ends;
  };

  template <class Visit>
  void descend(std::int32_t node, std::int32_t begin, std::int32_t end, int depth, const Visit& visit) {
    const BodyTree::Node& here = tree_->nodes()[static_cast<std::size_t>(node)];
    const std::int32_t children = here.last_child - here.first_child;
    if (children == 0) return;
    if (levels_.size() <= static_cast<std::size_t>(depth)) levels_.resize(static_cast<std::size_t>(depth) + 1);
    expand(here, begin, end, depth);
    for (std::int32_t c = 0; c < children; ++c) {
      const std::int32_t number = here.first_child + c;
      const BodyTree::Node& child = tree_->nodes()[static_cast<std::size_t>(number)];
      const auto first = static_cast<std::int32_t>(walks_.size());
      keep(static_cast<std::size_t>(c), child.height, depth);
      const std::vector<EntityId>& ends = levels_[static_cast<std::size_t>(depth)].ends;
      if (ends.empty()) continue;  // nor does anything below
      if (child.body >= 0) visit(child.body, Span<const EntityId>(ends));
      if (child.height > 0) {
        descend(number, first, static_cast<std::int32_t>(walks_.size()), depth + 1, visit);
      }
      walks_.resize(static_cast<std::size_t>(first));
    }
  }

  /// Follows every relation that leads to a child, from every walk of a node.
  void expand(const BodyTree::Node& node, std::int32_t begin, std::int32_t end, int depth);
  /// Turns what reached a child into distinct ends, and into walks if it has children of its own.
  void keep(std::size_t child, int hops_to_go, int depth);
  bool on_walk(std::int32_t walk, EntityId entity) const;
  /// Whether `hops` entities off the walk `fresh` can block every walk from `kept` on along the rivals.
  bool blocked_without(std::int32_t kept, std::int32_t fresh, int hops);

  const RelationIndex& index_;
  bool object_identity_;
  const BodyTree* tree_ = nullptr;
  std::vector<Walk> walks_;
  std::vector<Level> levels_;
  std::vector<std::int64_t> stamp_;  // per entity: the last call of keep() that met it,
  std::vector<std::int32_t> place_;  // and where
  std::int64_t round_ = 0;
  std::vector<EntityId> blockers_;
};

}  // namespace kgwalk
