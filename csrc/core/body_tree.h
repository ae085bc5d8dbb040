#pragma once

#include <cstdint>
#include <vector>

#include "core/graph.h"
#include "core/span.h"

namespace kgwalk {

/// Rule bodies as a prefix tree, so that walks along bodies that begin alike are made once.
class BodyTree {
 public:
  struct Node {
    RelationId relation;                   // followed to come here
    std::int32_t first_child, last_child;  // children are contiguous, by rising relation
    std::int32_t body;                     // the body that ends here, or -1
    std::int32_t height;                   // hops to the deepest node below
  };

  /// @param offsets, atoms  bodies in lexicographic order, distinct, none empty
  BodyTree(Span<const std::int64_t> offsets, Span<const RelationId> atoms);
  BodyTree() : nodes_{{-1, 0, 0, -1, 0}} {}

  /// Node 0 is the root.
  const std::vector<Node>& nodes() const { return nodes_; }
  bool empty() const { return nodes_.size() == 1; }

 private:
  std::vector<Node> nodes_;
};

}  // namespace kgwalk
