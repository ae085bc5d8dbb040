#pragma once

#include <algorithm>
#include <cstdint>
#include <mutex>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "core/span.h"
#include "core/thread_pool.h"

namespace kgwalk {

/// Throws std::invalid_argument unless `offsets` start at 0, never fall and end at `end`.
inline void check_offsets(Span<const std::int64_t> offsets, std::size_t end, const char* name) {
  const auto fail = [&](const std::string& what) { throw std::invalid_argument(std::string(name) + what); };
  if (offsets.empty() || offsets[0] != 0) fail(" must start with 0");
  for (std::size_t i = 1; i < offsets.size(); ++i) {
    if (offsets[i] < offsets[i - 1]) fail(" must not fall");
  }
  const std::int64_t last = offsets[offsets.size() - 1];
  if (last != static_cast<std::int64_t>(end)) {
    fail(" must end at " + std::to_string(end) + ", got " + std::to_string(last));
  }
}

/// Throws std::invalid_argument unless the lengths agree.
inline void check_length(std::size_t got, std::size_t expected, const char* name) {
  if (got == expected) return;
  throw std::invalid_argument(std::string(name) + ": expected length " + std::to_string(expected) + ", got " +
                              std::to_string(got));
}

template <class T>
void append(std::vector<T>& to, const std::vector<T>& from) {
  to.insert(to.end(), from.begin(), from.end());
}

/// Appends the rows of `from` behind those of `to`.
inline void append_offsets(std::vector<std::int64_t>& to, const std::vector<std::int64_t>& from) {
  const std::int64_t base = to.back();
  for (std::size_t i = 1; i < from.size(); ++i) to.push_back(base + from[i]);
}

/// For outputs whose size is known only once they are made: runs `part(begin, end)` over contiguous pieces of [0, n),
/// threaded as parallel_for, and hands the results to `join` in order, so that the whole never depends on the cuts.
template <class Part, class Join>
void in_pieces(std::size_t n, std::int64_t grain, const Part& part, const Join& join) {
  using Piece = decltype(part(std::size_t{0}, std::size_t{0}));
  std::vector<std::pair<std::int64_t, Piece>> pieces;
  std::mutex mutex;
  parallel_for(static_cast<std::int64_t>(n), grain, [&](std::int64_t begin, std::int64_t end) {
    Piece piece = part(static_cast<std::size_t>(begin), static_cast<std::size_t>(end));
    const std::lock_guard<std::mutex> lock(mutex);
    pieces.emplace_back(begin, std::move(piece));
  });
  std::sort(pieces.begin(), pieces.end(), [](const auto& a, const auto& b) { return a.first < b.first; });
  for (auto& piece : pieces) join(std::move(piece.second));
}

}  // namespace kgwalk
