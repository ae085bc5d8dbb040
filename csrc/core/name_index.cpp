#include "core/name_index.h"

#include "core/checksum.h"

namespace kgwalk {
namespace {

std::uint64_t hash_of(std::string_view name) { return hash64(name.data(), name.size()); }
std::uint32_t tag_of(std::uint64_t hash) { return static_cast<std::uint32_t>(hash >> 32); }

}  // namespace

NameIndex::NameIndex(const Names& names, std::size_t lookups) : names_(names) {
  constexpr std::size_t kNamesPerLookup = 16;  // filling one slot costs about a sixteenth of a binary search
  const auto n = static_cast<std::size_t>(names.size());
  if (lookups < n / kNamesPerLookup) return;
  std::size_t num_slots = 16;
  while (num_slots < 2 * n) num_slots *= 2;
  slots_.assign(num_slots, {0, -1});
  for (std::int32_t id = 0; id < names.size(); ++id) {
    const std::string_view name = names[id];
    const std::uint64_t hash = hash_of(name);
    Slot& slot = slots_[slot_of(name, hash)];
    if (slot.id < 0) slot = {tag_of(hash), id};  // of equal names the lowest id
  }
}

std::int32_t NameIndex::find(std::string_view name) const {
  if (slots_.empty()) return names_.find(name);
  return slots_[slot_of(name, hash_of(name))].id;
}

std::size_t NameIndex::slot_of(std::string_view name, std::uint64_t hash) const {
  const std::size_t mask = slots_.size() - 1;
  for (std::size_t at = hash & mask;; at = (at + 1) & mask) {
    const Slot& slot = slots_[at];
    if (slot.id < 0 || (slot.tag == tag_of(hash) && names_[slot.id] == name)) return at;
  }
}

}  // namespace kgwalk
