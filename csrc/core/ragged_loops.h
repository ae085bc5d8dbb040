#pragma once

#include <cstdint>

namespace kgwalk {

/// Rows [first, last) of candidates: those of row s are ids[offsets[s]] to ids[offsets[s + 1]]. Matrices that go with
/// them have `dim` columns.
struct RaggedRows {
  const std::int64_t* offsets;
  std::int64_t first, last;
  const std::int32_t* ids;
  std::int64_t dim;
};

/// The inner loops of the ragged kernels, compiled once per instruction set.
///
/// All of them add floats in one order, over 32 lanes whatever the width of a register, and none fuses a multiplication
/// into an addition (the build sets -ffp-contract=off): every CPU gives the same bits.
struct RaggedLoops {
  /// out[c] += <query[s], table[ids[c]]> for the candidates c of rows [first, last).
  void (*dots)(const RaggedRows& rows, const float* query, const float* table, float* out);

  /// out[s] += sum of weights[c] * table[ids[c]] over row s, c ascending, for rows [first, last).
  void (*weighted_sums)(const RaggedRows& rows, const float* weights, const float* table, float* out);

  /// out[ids[c]] += weights[c] * query[s], c ascending, for the candidates of rows [first, last) with id in [low,
  /// high).
  void (*scatter)(const RaggedRows& rows, const float* weights, const float* query, std::int32_t low, std::int32_t high,
                  float* out);

  /// out[i] = exp(in[i]) within 2 ulp; 0 below -87.3, where results would be denormal, infinite from 88.4 on. `in` may
  /// be `out`.
  void (*exps)(const float* in, std::int64_t n, float* out);
};

/// The loops of instruction_set().
const RaggedLoops& ragged_loops();

}  // namespace kgwalk
