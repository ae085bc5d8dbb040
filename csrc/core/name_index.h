#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include "core/names.h"

namespace kgwalk {

/// Finds names by hash, for text that looks up more of them than a binary search likes: 16 to 32 bytes a name.
class NameIndex {
 public:
  /// @param lookups  about how many there will be; too few to pay for the table, and none is made
  NameIndex(const Names& names, std::size_t lookups);

  /// Lowest id of that name, or -1.
  std::int32_t find(std::string_view name) const;
  const Names& names() const { return names_; }

 private:
  struct Slot {
    std::uint32_t tag;  // bits of the hash that the place of the slot does not tell
    std::int32_t id;    // -1 is empty
  };
  /// The slot that holds the name, or the empty one where it belongs.
  std::size_t slot_of(std::string_view name, std::uint64_t hash) const;

  Names names_;
  std::vector<Slot> slots_;  // open addressing, a power of two; empty without a table
};

}  // namespace kgwalk
