#pragma once

#include <algorithm>
#include <vector>

#include "core/graph.h"

namespace kgwalk {

/// Adds up mass per entity, one batch of additions after the other. Holds a number per entity.
class EntitySums {
 public:
  explicit EntitySums(EntityId num_entities) : total_(static_cast<std::size_t>(num_entities), 0) {}

  /// @param mass  positive
  void add(EntityId entity, double mass) {
    double& sum = total_[static_cast<std::size_t>(entity)];
    if (sum == 0) touched_.push_back(entity);
    sum += mass;
  }

  /// Calls take(entity, sum) for what was added to, in rising order, and starts again from nothing.
  template <class Take>
  void drain(const Take& take) {
    constexpr std::size_t kSorted = 32;  // totals that are looked through in the time it takes to sort in one entity
    if (touched_.size() * kSorted < total_.size()) {
      std::sort(touched_.begin(), touched_.end());
      for (const EntityId entity : touched_) take_one(entity, take);
    } else if (!touched_.empty()) {
      for (std::size_t e = 0; e < total_.size(); ++e) {
        if (total_[e] > 0) take_one(static_cast<EntityId>(e), take);
      }
    }
    touched_.clear();
  }

 private:
  template <class Take>
  void take_one(EntityId entity, const Take& take) {
    double& sum = total_[static_cast<std::size_t>(entity)];
    take(entity, sum);
    sum = 0;
  }

  std::vector<double> total_;  // all zero between batches
  std::vector<EntityId> touched_;
};

}  // namespace kgwalk
