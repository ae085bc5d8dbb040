// The inner loops of edge_loops.h, once per instruction set: see per_instruction_set.inl.h.

namespace kgwalk {
namespace KGWALK_TARGET {

void split(const Edge* __restrict edges, std::int64_t n, std::int32_t* __restrict relations,
           std::int32_t* __restrict tails) {
  for (std::int64_t j = 0; j < n; ++j) {
    relations[j] = edges[j].relation;
    tails[j] = edges[j].tail;
  }
}

/// Of one tail: the bit of its last byte in the first half of the line, and that of the byte before in the second.
inline std::uint32_t line_holds(const SketchLine& line, std::uint32_t tail) {
  const std::uint32_t before = tail >> 8;
  return (line.words[tail / 32 % 8] >> (tail % 32)) & (line.words[8 + before / 32 % 8] >> (before % 32)) & 1;
}

inline std::uint32_t lines_hold(const SketchLine* lines, std::uint32_t mask, std::uint32_t tail) {
  const std::uint32_t word = tail / 32 & mask;
  return (lines[word / 16].words[word % 16] >> (tail % 32)) & 1;
}

/// Bit j of the result: test(edges[j]); eight at once by test_eight where registers are that wide.
template <class Test, class TestEight>
inline std::uint64_t collect(const Edge* edges, std::int64_t n, const Test& test, const TestEight& test_eight) {
  std::uint64_t found = 0;
  std::int64_t j = 0;
  if (KGWALK_WIDTH == 8) {
    for (; j + 8 <= n; j += 8) found |= test_eight(edges + j) << j;
  }
  for (; j < n; ++j) found |= static_cast<std::uint64_t>(test(static_cast<std::uint32_t>(edges[j].tail))) << j;
  return found;
}

#if KGWALK_WIDTH == 8

inline __m256i eight_tails(const Edge* edges) {
  const auto* from = reinterpret_cast<const __m256i*>(edges);
  const __m256 low = _mm256_castsi256_ps(_mm256_loadu_si256(from));
  const __m256 high = _mm256_castsi256_ps(_mm256_loadu_si256(from + 1));
  return _mm256_permute4x64_epi64(_mm256_castps_si256(_mm256_shuffle_ps(low, high, 0xDD)), 0xD8);
}

/// Brings bit (which % 32) of each word to its sign.
inline __m256i to_sign(__m256i words, __m256i which) {
  return _mm256_sllv_epi32(words, _mm256_andnot_si256(which, _mm256_set1_epi32(31)));
}

inline std::uint64_t signs(__m256i words) {
  return static_cast<std::uint64_t>(static_cast<std::uint32_t>(_mm256_movemask_ps(_mm256_castsi256_ps(words))));
}

#endif

std::uint64_t in_line(const Edge* edges, std::int64_t n, const SketchLine& line) {
#if KGWALK_WIDTH == 8
  const auto* halves = reinterpret_cast<const __m256i*>(line.words);
  const __m256i first = _mm256_load_si256(halves), second = _mm256_load_si256(halves + 1);
  const auto eight = [=](const Edge* from) {
    // A permutation looks at the last three bits of an index only.
    const __m256i tails = eight_tails(from), before = _mm256_srli_epi32(tails, 8);
    const __m256i a = to_sign(_mm256_permutevar8x32_epi32(first, _mm256_srli_epi32(tails, 5)), tails);
    const __m256i b = to_sign(_mm256_permutevar8x32_epi32(second, _mm256_srli_epi32(before, 5)), before);
    return signs(_mm256_and_si256(a, b));
  };
#else
  const auto eight = [](const Edge*) { return std::uint64_t{0}; };
#endif
  return collect(edges, n, [&line](std::uint32_t tail) { return line_holds(line, tail); }, eight);
}

std::uint64_t in_lines(const Edge* edges, std::int64_t n, const SketchLine* lines, std::uint32_t mask) {
#if KGWALK_WIDTH == 8
  const auto eight = [=](const Edge* from) {
    const __m256i tails = eight_tails(from);
    const __m256i places =
        _mm256_and_si256(_mm256_srli_epi32(tails, 5), _mm256_set1_epi32(static_cast<std::int32_t>(mask)));
    return signs(to_sign(_mm256_i32gather_epi32(reinterpret_cast<const int*>(lines), places, 4), tails));
  };
#else
  const auto eight = [](const Edge*) { return std::uint64_t{0}; };
#endif
  return collect(edges, n, [=](std::uint32_t tail) { return lines_hold(lines, mask, tail); }, eight);
}

constexpr EdgeLoops kEdgeLoops{split, in_line, in_lines};

}  // namespace KGWALK_TARGET
}  // namespace kgwalk
