#pragma once

#include <cstdint>
#include <vector>

namespace kgwalk {

/// How often each key was seen: open addressing, keys from 1 up.
class CountTable {
 public:
  CountTable() : slots_(1u << 10) {}

  void add(std::uint64_t key, std::uint32_t count = 1) {
    if (2 * (size_ + 1) > slots_.size()) grow();
    Slot& slot = slots_[find(key)];
    size_ += slot.key == 0;
    slot.key = key;
    slot.count += count;
  }
  std::uint32_t count(std::uint64_t key) const { return slots_[find(key)].count; }
  std::size_t size() const { return size_; }

  template <class Take>
  void for_each(const Take& take) const {
    for (const Slot& slot : slots_) {
      if (slot.key != 0) take(slot.key, slot.count);
    }
  }

 private:
  struct Slot {
    std::uint64_t key = 0;
    std::uint32_t count = 0;
  };

  std::size_t find(std::uint64_t key) const {
    const std::size_t mask = slots_.size() - 1;
    std::size_t at = static_cast<std::size_t>((key * 0x9E3779B97F4A7C15ull) >> 20) & mask;
    while (slots_[at].key != 0 && slots_[at].key != key) at = (at + 1) & mask;
    return at;
  }
  void grow() {
    std::vector<Slot> old(2 * slots_.size());
    old.swap(slots_);
    for (const Slot& slot : old) {
      if (slot.key != 0) slots_[find(slot.key)] = slot;
    }
  }

  std::vector<Slot> slots_;
  std::size_t size_ = 0;
};

}  // namespace kgwalk
