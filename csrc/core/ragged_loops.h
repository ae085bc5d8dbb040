#pragma once

#include <cstdint>

namespace kgwalk {

/// The inner loops of the ragged kernels, compiled once per instruction set.
///
/// All of them add floats in one order, over 32 lanes whatever the width of a register, and none fuses a multiplication
/// into an addition (the build sets -ffp-contract=off): every CPU gives the same bits.
struct RaggedLoops {
  const char* name;

  /// out[i] += <query, table[ids[i]]>, for i in [0, n); query (dim,), table (rows, dim).
  void (*dots)(const float* query, const float* table, const std::int32_t* ids, std::int64_t n, std::int64_t dim,
               float* out);

  /// out += sum of weights[i] * table[ids[i]], i ascending; out (dim,).
  void (*sum_rows)(const float* weights, const float* table, const std::int32_t* ids, std::int64_t n, std::int64_t dim,
                   float* out);

  /// out += weight * row; both (dim,), not overlapping.
  void (*add_row)(float weight, const float* row, std::int64_t dim, float* out);

  /// out[i] = exp(in[i]) within 2 ulp for in[i] <= 88; 0 below -87.3, where results would be denormal. `in` may be
  /// `out`.
  void (*exps)(const float* in, std::int64_t n, float* out);
};

/// The loops for this CPU, chosen at the first call.
const RaggedLoops& ragged_loops();

}  // namespace kgwalk
