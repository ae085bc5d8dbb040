#include "core/relation_index.h"

#include <limits>
#include <stdexcept>
#include <string>

namespace kgwalk {

RelationIndex::RelationIndex(const Expand& expand)
    : num_entities_(expand.num_entities()), num_relations_(expand.graph().num_relations()) {
  constexpr std::int64_t kMost = std::numeric_limits<std::int32_t>::max();
  const std::int64_t edges = expand.graph().num_edges();
  if (edges >= kMost)
    throw std::invalid_argument("rules: expected fewer than 2^31 edges, got " + std::to_string(edges));
  tails_.reserve(static_cast<std::size_t>(edges));
  offsets_.reserve(static_cast<std::size_t>(num_entities_) + 1);
  offsets_.push_back(0);
  for (EntityId e = 0; e < num_entities_; ++e) {
    RelationId last = -1;
    for (const Edge& edge : expand.full_row(e)) {
      expand.graph().check_relation(edge.relation);
      if (edge.tail < 0 || edge.tail >= num_entities_) throw std::out_of_range("an edge of the graph leads out of it");
      if (edge.relation != last) runs_.push_back({edge.relation, static_cast<std::int32_t>(tails_.size())});
      last = edge.relation;
      tails_.push_back(edge.tail);
    }
    offsets_.push_back(static_cast<std::int32_t>(runs_.size()));
  }
  runs_.push_back({-1, static_cast<std::int32_t>(tails_.size())});
}

}  // namespace kgwalk
