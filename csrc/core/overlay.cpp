#include "core/overlay.h"

#include <algorithm>
#include <map>
#include <set>
#include <stdexcept>
#include <string>
#include <utility>

namespace kgwalk {

void RowTable::append(EntityId head, const std::vector<Edge>& edges) {
  if (!heads_.empty() && head <= heads_.back()) throw std::invalid_argument("rows must come in rising order of head");
  heads_.push_back(head);
  edges_.insert(edges_.end(), edges.begin(), edges.end());
  offsets_.push_back(static_cast<std::int64_t>(edges_.size()));
}

std::int64_t RowTable::find(EntityId head) const {
  const auto it = std::lower_bound(heads_.begin(), heads_.end(), head);
  return it != heads_.end() && *it == head ? it - heads_.begin() : -1;
}

Overlay::Overlay(const Graph& graph, Span<const Triple> hidden, Span<const Triple> added, std::vector<int> added_types)
    : added_types_(std::move(added_types)) {
  if (added_types_.size() > static_cast<std::size_t>(INT32_MAX - graph.num_entities())) {
    throw std::invalid_argument("cannot add " + std::to_string(added_types_.size()) +
                                " entities: ids must fit 32 bits");
  }
  num_entities_ = graph.num_entities() + static_cast<EntityId>(added_types_.size());
  const int num_types = static_cast<int>(graph.type_offsets().size()) - 1;
  for (const int t : added_types_) {
    if (t < 0 || t >= num_types) {
      throw std::out_of_range("added entity of type " + std::to_string(t) + ", but the graph has " +
                              std::to_string(num_types) + " types");
    }
  }
  std::map<EntityId, std::pair<std::set<Edge>, std::set<Edge>>> changes;  // head -> (hidden, added)
  for (const Triple& f : hidden) {
    if (graph.find(f.head, f.relation, f.tail) < 0) {
      throw std::invalid_argument("cannot hide (" + std::to_string(f.head) + ", " + std::to_string(f.relation) + ", " +
                                  std::to_string(f.tail) + "): it is not in the graph");
    }
    changes[f.head].first.insert({f.relation, f.tail});
    changes[f.tail].first.insert({graph.inverse(f.relation), f.head});
  }
  for (const Triple& f : added) {
    graph.check_relation(f.relation);
    if (std::min(f.head, f.tail) < 0 || std::max(f.head, f.tail) >= num_entities_) {
      throw std::out_of_range("added fact (" + std::to_string(f.head) + ", " + std::to_string(f.relation) + ", " +
                              std::to_string(f.tail) + "): entity ids must be in [0, " + std::to_string(num_entities_) +
                              ")");
    }
    changes[f.head].second.insert({f.relation, f.tail});
    changes[f.tail].second.insert({graph.inverse(f.relation), f.head});
  }
  for (EntityId e = graph.num_entities(); e < num_entities_; ++e)
    changes[e];  // an added entity has a row, if an empty one
  for (const auto& [head, change] : changes) {
    std::set<Edge> row = change.second;
    if (head < graph.num_entities()) {
      for (const Edge& e : graph.slice(head)) {
        if (change.first.count(e) == 0) row.insert(e);
      }
    }
    rows_.append(head, {row.begin(), row.end()});
  }
}

}  // namespace kgwalk
