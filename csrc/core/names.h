#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "core/span.h"

namespace kgwalk {

/// Immutable table of strings by id, searched by a permutation that sorts them. Made of three flat arrays, so that it
/// lives as well in a mapped file; copies share the storage.
///
/// Equal names are allowed (labels may repeat): find() gives the lowest id.
class Names {
 public:
  Names() = default;
  /// @throws std::invalid_argument on more names than 32 bits count
  explicit Names(const std::vector<std::string_view>& names);

  /// Wraps storage owned elsewhere. The caller vouches for sizes (offsets one longer than order), not for contents:
  /// offsets and ids are range-checked on use.
  Names(std::shared_ptr<const void> owner, Span<const std::int64_t> offsets, Span<const char> bytes,
        Span<const std::int32_t> order)
      : owner_(std::move(owner)), offsets_(offsets), bytes_(bytes), order_(order) {}

  std::int32_t size() const { return static_cast<std::int32_t>(order_.size()); }
  /// Throws std::out_of_range on a bad id or a corrupt offset. O(1).
  std::string_view operator[](std::int32_t id) const;
  /// Lowest id of that name, or -1. O(log n).
  std::int32_t find(std::string_view name) const;
  /// The lowest id whose name an earlier id has too, or -1 if all differ. O(n).
  std::int32_t first_duplicate() const;
  /// Throws std::out_of_range unless offsets and permutation are whole and sorted. O(n).
  void check() const;

  Span<const std::int64_t> offsets() const { return offsets_; }
  Span<const char> bytes() const { return bytes_; }
  Span<const std::int32_t> order() const { return order_; }

 private:
  std::shared_ptr<const void> owner_;
  Span<const std::int64_t> offsets_;
  Span<const char> bytes_;
  Span<const std::int32_t> order_;
};

/// Gives ids to names in order of first appearance. A hash table, for loading; what is kept is names().
class Interner {
 public:
  std::int32_t size() const { return static_cast<std::int32_t>(ends_.size()); }
  /// The id of the name, a new one if it was not known.
  std::int32_t intern(std::string_view name) { return intern(name, hash(name)); }
  /// @param hash  of the name
  std::int32_t intern(std::string_view name, std::uint64_t hash);
  static std::uint64_t hash(std::string_view name);
  /// Asks the memory for what intern() of a name of this hash will read: to be called for each of three steps, 0 to 2,
  /// with time between them, as each reads what the one before has asked for.
  void prefetch(std::uint64_t hash, int step) const;
  /// Forgets every name from id `size` up.
  void truncate(std::int32_t size);
  /// The names from id `from` on, each with a line end.
  std::string lines(std::int32_t from) const;
  Names names() const;

 private:
  std::string_view name(std::int32_t id) const;
  /// The slot that holds the name, or the empty one where it belongs.
  std::size_t slot_of(std::string_view name, std::uint64_t hash) const;
  void rebuild(std::size_t num_slots);

  std::vector<char> bytes_;
  std::vector<std::int64_t> ends_;
  std::vector<std::uint64_t> hashes_;
  std::vector<std::int32_t> slots_;  // open addressing, a power of two; -1 is empty
};

}  // namespace kgwalk
