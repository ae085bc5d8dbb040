#pragma once

#include <algorithm>
#include <cstdint>
#include <stdexcept>
#include <string>

#include "core/span.h"

namespace kgwalk {

/// Throws std::out_of_range, naming `name`, unless every id is in [0, limit).
template <class Id>
void check_ids(Span<const Id> ids, std::int64_t limit, const char* name) {
  bool bad = false;
  for (const Id id : ids) bad |= id < 0 || id >= limit;
  if (!bad) return;
  const auto* const at = std::find_if(ids.begin(), ids.end(), [&](auto id) { return id < 0 || id >= limit; });
  throw std::out_of_range(std::string(name) + ": " + std::to_string(*at) + " at " + std::to_string(at - ids.begin()) +
                          " is not in [0, " + std::to_string(limit) + ")");
}

}  // namespace kgwalk
