#include "core/names.h"

#include <algorithm>
#include <numeric>
#include <stdexcept>
#include <string>
#include <utility>

#include "core/checksum.h"
#include "core/prefetch.h"

namespace kgwalk {
namespace {

struct OwnedNames {
  std::vector<std::int64_t> offsets;
  std::vector<char> bytes;
  std::vector<std::int32_t> order;
};

}  // namespace

Names::Names(const std::vector<std::string_view>& names) {
  if (names.size() > static_cast<std::size_t>(INT32_MAX)) {
    throw std::invalid_argument("expected at most 2^31 - 1 names, got " + std::to_string(names.size()));
  }
  auto store = std::make_shared<OwnedNames>();
  store->offsets.reserve(names.size() + 1);
  store->offsets.push_back(0);
  for (const std::string_view name : names) {
    store->bytes.insert(store->bytes.end(), name.begin(), name.end());
    store->offsets.push_back(static_cast<std::int64_t>(store->bytes.size()));
  }
  store->order.resize(names.size());
  std::iota(store->order.begin(), store->order.end(), 0);
  std::sort(store->order.begin(), store->order.end(), [&names](std::int32_t a, std::int32_t b) {
    const int c = names[static_cast<std::size_t>(a)].compare(names[static_cast<std::size_t>(b)]);
    return c != 0 ? c < 0 : a < b;
  });
  offsets_ = store->offsets;
  bytes_ = store->bytes;
  order_ = store->order;
  owner_ = std::move(store);
}

std::string_view Names::operator[](std::int32_t id) const {
  if (id < 0 || id >= size()) {
    throw std::out_of_range("name id " + std::to_string(id) + " is not in [0, " + std::to_string(size()) + ")");
  }
  const auto i = static_cast<std::size_t>(id);
  const std::int64_t begin = offsets_[i], end = offsets_[i + 1];
  if (begin < 0 || end < begin || end > static_cast<std::int64_t>(bytes_.size())) {
    throw std::out_of_range("corrupt names: name " + std::to_string(id) + " lies outside the string table");
  }
  return {bytes_.data() + begin, static_cast<std::size_t>(end - begin)};
}

std::int32_t Names::find(std::string_view name) const {
  const auto it = std::lower_bound(order_.begin(), order_.end(), name,
                                   [this](std::int32_t id, std::string_view wanted) { return (*this)[id] < wanted; });
  return it != order_.end() && (*this)[*it] == name ? *it : -1;
}

std::int32_t Names::first_duplicate() const {
  std::int32_t first = -1;
  for (std::size_t i = 1; i < order_.size(); ++i) {
    if ((*this)[order_[i]] == (*this)[order_[i - 1]] && (first < 0 || order_[i] < first)) first = order_[i];
  }
  return first;
}

void Names::check() const {
  const auto corrupt = [](const char* what) { return std::out_of_range(std::string("corrupt names: ") + what); };
  if (offsets_.size() != order_.size() + 1) throw corrupt("offsets and permutation disagree in length");
  if (offsets_[0] != 0 || offsets_[order_.size()] != static_cast<std::int64_t>(bytes_.size())) {
    throw corrupt("the offsets do not span the string table");
  }
  for (std::int32_t id = 0; id < size(); ++id) static_cast<void>((*this)[id]);
  // Rising in (name, id) means distinct ids, so this much also says that it is a permutation.
  for (std::size_t i = 0; i < order_.size(); ++i) {
    const std::string_view name = (*this)[order_[i]];
    if (i == 0) continue;
    const int c = (*this)[order_[i - 1]].compare(name);
    if (c > 0 || (c == 0 && order_[i - 1] >= order_[i])) throw corrupt("the permutation does not sort them");
  }
}

std::string_view Interner::name(std::int32_t id) const {
  const auto i = static_cast<std::size_t>(id);
  const std::int64_t begin = i == 0 ? 0 : ends_[i - 1];
  return {bytes_.data() + begin, static_cast<std::size_t>(ends_[i] - begin)};
}

std::size_t Interner::slot_of(std::string_view wanted, std::uint64_t hash) const {
  const std::size_t mask = slots_.size() - 1;
  for (std::size_t slot = hash & mask;; slot = (slot + 1) & mask) {
    const std::int32_t id = slots_[slot];
    if (id < 0 || (hashes_[static_cast<std::size_t>(id)] == hash && name(id) == wanted)) return slot;
  }
}

void Interner::rebuild(std::size_t num_slots) {
  slots_.assign(num_slots, -1);
  for (std::int32_t id = 0; id < size(); ++id) slots_[slot_of(name(id), hashes_[static_cast<std::size_t>(id)])] = id;
}

std::uint64_t Interner::hash(std::string_view name) { return hash64(name.data(), name.size()); }

void Interner::prefetch(std::uint64_t hash, int step) const {
  if (slots_.empty()) return;
  const std::int32_t* slot = &slots_[hash & (slots_.size() - 1)];
  if (step == 0) {
    kgwalk::prefetch(slot);
    return;
  }
  if (*slot < 0) return;
  const auto id = static_cast<std::size_t>(*slot);
  if (step == 1) {
    kgwalk::prefetch(&hashes_[id]);
    kgwalk::prefetch(&ends_[id]);
  } else {
    kgwalk::prefetch(bytes_.data() + ends_[id] - 1);  // a name ends before its end
  }
}

std::int32_t Interner::intern(std::string_view wanted, std::uint64_t hash) {
  if (2 * (ends_.size() + 1) > slots_.size()) rebuild(std::max<std::size_t>(16, 2 * slots_.size()));
  const std::size_t slot = slot_of(wanted, hash);
  if (slots_[slot] >= 0) return slots_[slot];
  if (size() == INT32_MAX) throw std::length_error("more names than 32-bit ids");
  const std::int32_t id = size();
  bytes_.insert(bytes_.end(), wanted.begin(), wanted.end());
  ends_.push_back(static_cast<std::int64_t>(bytes_.size()));
  hashes_.push_back(hash);
  slots_[slot] = id;
  return id;
}

void Interner::truncate(std::int32_t size) {
  const auto n = static_cast<std::size_t>(size);
  if (n >= ends_.size()) return;
  ends_.resize(n);
  hashes_.resize(n);
  bytes_.resize(n == 0 ? 0 : static_cast<std::size_t>(ends_.back()));
  rebuild(slots_.size());
}

std::string Interner::lines(std::int32_t from) const {
  std::string text;
  for (std::int32_t id = std::max(from, 0); id < size(); ++id) text.append(name(id)).push_back('\n');
  return text;
}

Names Interner::names() const {
  std::vector<std::string_view> all;
  all.reserve(ends_.size());
  for (std::int32_t id = 0; id < size(); ++id) all.push_back(name(id));
  return Names(all);
}

}  // namespace kgwalk
