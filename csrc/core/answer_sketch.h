#pragma once

#include <algorithm>
#include <cstdint>

#include "core/edge_loops.h"
#include "core/graph.h"
#include "core/prefetch.h"

namespace kgwalk {

/// A set of entities in few bits, which may take a stranger for a member, never a member for a stranger (Bloom 1970,
/// "Space/time trade-offs in hash coding with allowable errors"). What is hashed is a part of the id itself.
///
/// Of few answers it is a word. Of up to 64 it is two lines: the loops test the first by registers alone, and hardly a
/// stranger passes the second too, so that the answers themselves are left in peace. Of more it is many lines.
class AnswerSketch {
 public:
  /// Of nothing known: takes every entity for a member.
  AnswerSketch() = default;
  /// Of tails, in one word: worth it for a handful.
  explicit AnswerSketch(Span<const Edge> answers) : word_(0) {
    for (const Edge& e : answers) word_ |= bit(e.tail);
  }
  /// A view of lines_for() lines that mark() has filled, at least two.
  AnswerSketch(const SketchLine* lines, std::size_t count)
      : lines_(lines), mask_(static_cast<std::uint32_t>(count * 16 - 1)) {}

  /// 0 where a word is enough; else a power of two, such that of strangers with evenly spread ids at most one in 16 is
  /// taken for a member (of up to 2^26 answers).
  static std::size_t lines_for(std::size_t answers) {
    constexpr std::size_t kWord = 4, kPair = 64, kMost = std::size_t{1} << 26;
    if (answers <= kPair) return answers > kWord ? 2 : 0;
    std::size_t lines = 4;
    while (lines * 32 < std::min(answers, kMost)) lines *= 2;
    return lines;
  }
  /// Adds the tails of answers to `count` lines, at least two, zero at first.
  static void mark(Span<const Edge> answers, SketchLine* lines, std::size_t count) {
    for (const Edge& e : answers) {
      const auto tail = static_cast<std::uint32_t>(e.tail);
      if (count == 2) {
        set_pair(lines[0], tail);
        set_pair(lines[1], mixed(e.tail));
      } else {
        const std::uint32_t which = tail % static_cast<std::uint32_t>(count * 512);
        set(lines[which / 512].words, which % 512);
      }
    }
  }

  /// Calls take(i) for each edge i of a row whose tail may be a member, rising; for those in `always` (-1: none) too.
  template <class Take>
  void suspects(Span<const Edge> row, const std::int32_t always[2], const Take& take) const {
    const EdgeLoops& loops = edge_loops();
    for (std::size_t base = 0; base < row.size(); base += 64) {
      const std::size_t n = std::min<std::size_t>(64, row.size() - base);
      std::uint64_t found = among(row.data() + base, static_cast<std::int64_t>(n), loops);
      for (int k = 0; k < 2; ++k) {
        const std::size_t at = static_cast<std::size_t>(always[k]) - base;  // huge where it lies before, or is -1
        if (at < n) found |= std::uint64_t{1} << (at % 64);
      }
      for (; found != 0; found &= found - 1) take(base + static_cast<std::size_t>(__builtin_ctzll(found)));
    }
  }
  bool may_hold(EntityId e) const {
    if (mask_ == 0) return (word_ & bit(e)) != 0;
    const Edge edge{0, e};
    return among(&edge, 1, edge_loops()) != 0;
  }
  /// Asks the memory for the lines that a test is sure to read.
  void prefetch() const {
    if (mask_ != 31) return;
    kgwalk::prefetch(lines_);
    kgwalk::prefetch(lines_ + 1);
  }

 private:
  static std::uint64_t bit(EntityId e) { return std::uint64_t{1} << (static_cast<std::uint32_t>(e) % 64); }
  static void set(std::uint32_t* words, std::uint32_t which) { words[which / 32] |= std::uint32_t{1} << (which % 32); }
  static void set_pair(SketchLine& line, std::uint32_t which) {
    set(line.words, which % 256);
    set(line.words + 8, which / 256 % 256);
  }
  /// Two bytes that depend on all of the id.
  static std::uint32_t mixed(EntityId e) { return (static_cast<std::uint32_t>(e) * 0x9E3779B1u) >> 16; }

  std::uint64_t among(const Edge* edges, std::int64_t n, const EdgeLoops& loops) const {
    std::uint64_t found = 0;
    if (mask_ == 31) {
      const std::uint64_t first = loops.in_line(edges, n, lines_[0]);
      for (std::uint64_t left = first; left != 0; left &= left - 1) {
        const Edge again{0, static_cast<EntityId>(mixed(edges[__builtin_ctzll(left)].tail))};
        found |= loops.in_line(&again, 1, lines_[1]) == 0 ? 0 : left & (~left + 1);
      }
      return found;
    }
    if (mask_ != 0) return loops.in_lines(edges, n, lines_, mask_);
    for (std::int64_t j = 0; j < n; ++j) {
      found |= (word_ >> (static_cast<std::uint32_t>(edges[j].tail) % 64) & 1) << j;
    }
    return found;
  }

  union {
    std::uint64_t word_ = ~std::uint64_t{0};
    const SketchLine* lines_;
  };
  std::uint32_t mask_ = 0;  // 32-bit words - 1; 0: all there is is word_
};

}  // namespace kgwalk
