#pragma once

#include <cstdint>

namespace kgwalk {

/// How a query and an entity are compared, both rows of `dim` reals.
enum class PairMeasure {
  kDot,      ///< <q, t>
  kL1,       ///< |q - t|
  kL2,       ///< ||q - t||
  kModulus,  ///< sum of the moduli of q - t, complex: the first half of a row is real, the second imaginary
};

/// How a fact is scored by its three rows of `dim` reals.
enum class TripleScore {
  kDistMult,       ///< sum of h r t
  kComplEx,        ///< real part of <h, r, conjugate of t>; rows are halves, real and imaginary
  kTransE1,        ///< |h + r - t|
  kTransE2,        ///< ||h + r - t||
  kRotate,         ///< ||h r - t||, h r the product of complex numbers
  kRotateModulus,  ///< sum of the moduli of h r - t
};

/// Pair i is query row rows[i] and table row targets[i].
struct Pairs {
  const float* queries;
  const std::int64_t* rows;
  const float* table;
  const std::int32_t* targets;
  std::int64_t dim;
};

/// Fact i is (heads[i], relations[i], tails[i]).
struct Facts {
  const float* entity_table;
  const float* relation_table;
  const std::int32_t* heads;
  const std::int32_t* relations;
  const std::int32_t* tails;
  std::int64_t dim;
};

/// The inner loops of pair_scores.h, compiled once per instruction set; like RaggedLoops the same bits everywhere.
struct PairLoops {
  /// out[i] = measure of pair i, for i in [first, last).
  void (*pairs)(PairMeasure measure, const Pairs& pairs, std::int64_t first, std::int64_t last, float* out);

  /// out[i] = score of fact i, for i in [first, last).
  void (*triples)(TripleScore score, const Facts& facts, std::int64_t first, std::int64_t last, float* out);
};

/// The loops of instruction_set().
const PairLoops& pair_loops();

}  // namespace kgwalk
