#include "core/body_tree.h"

#include <algorithm>

namespace kgwalk {

BodyTree::BodyTree(Span<const std::int64_t> offsets, Span<const RelationId> atoms) : BodyTree() {
  struct Range {  // bodies [begin, end) agree in their first `depth` atoms
    std::int64_t begin, end;
    std::int64_t depth;
  };
  const auto at = [&](std::int64_t body) { return offsets[static_cast<std::size_t>(body)]; };
  std::vector<Range> ranges{{0, static_cast<std::int64_t>(offsets.size()) - 1, 0}};
  for (std::size_t node = 0; node < nodes_.size(); ++node) {  // breadth first: siblings stand together
    auto [i, end, depth] = ranges[node];
    if (i < end && at(i + 1) - at(i) == depth) nodes_[node].body = static_cast<std::int32_t>(i++);
    nodes_[node].first_child = static_cast<std::int32_t>(nodes_.size());
    while (i < end) {
      const auto relation_of = [&](std::int64_t body) { return atoms[static_cast<std::size_t>(at(body) + depth)]; };
      const std::int64_t begin = i;
      while (i < end && relation_of(i) == relation_of(begin)) ++i;
      nodes_.push_back({relation_of(begin), 0, 0, -1, 0});
      ranges.push_back({begin, i, depth + 1});
    }
    nodes_[node].last_child = static_cast<std::int32_t>(nodes_.size());
  }
  for (std::size_t node = nodes_.size(); node-- > 0;) {
    for (auto c = nodes_[node].first_child; c < nodes_[node].last_child; ++c) {
      nodes_[node].height = std::max(nodes_[node].height, nodes_[static_cast<std::size_t>(c)].height + 1);
    }
  }
}

}  // namespace kgwalk
