#pragma once

#include <cstdint>

#include "core/graph.h"

namespace kgwalk {

/// 512 bits in a line of the cache, for sets of entities: see AnswerSketch.
struct alignas(64) SketchLine {
  std::uint32_t words[16];
};

/// The inner loops over rows of edges, compiled once per instruction set.
struct EdgeLoops {
  /// Relations and tails of n edges, each to an array of its own.
  void (*split)(const Edge* edges, std::int64_t n, std::int32_t* relations, std::int32_t* tails);

  /// Bit j: whether a line has bit (last byte of the tail of edges[j]) in its first half and bit (the byte before) in
  /// its second; n <= 64.
  std::uint64_t (*in_line)(const Edge* edges, std::int64_t n, const SketchLine& line);

  /// Bit j: whether lines, of mask + 1 words, have bit (tail modulo the number of bits); n <= 64.
  std::uint64_t (*in_lines)(const Edge* edges, std::int64_t n, const SketchLine* lines, std::uint32_t mask);
};

/// The loops of instruction_set().
const EdgeLoops& edge_loops();

}  // namespace kgwalk
