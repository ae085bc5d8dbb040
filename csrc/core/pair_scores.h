#pragma once

#include <cstdint>
#include <string>

#include "core/pair_loops.h"
#include "core/span.h"

namespace kgwalk {

/// "dot", "l1", "l2" or "modulus".
/// @throws std::invalid_argument for another name
PairMeasure pair_measure(const std::string& name);

/// "distmult", "complex", "transe-l1", "transe-l2", "rotate" or "rotate-modulus".
/// @throws std::invalid_argument for another name
TripleScore triple_score(const std::string& name);

/// out (n,) = measure of each pair; no row is copied. Depends neither on the number of threads nor on the CPU.
///
/// @param pairs  ids of `n` pairs, all in range; for kModulus `dim` is even: that is the caller's to see to
void pair_scores(PairMeasure measure, const Pairs& pairs, Span<float> out);

/// out (n,) = score of each fact, as pair_scores gives it to h and r joined and t, where a joined row would have no use
/// twice.
///
/// @param facts  ids of `n` facts, all in range; for complex scores `dim` is even: that is the caller's to see to
void triple_scores(TripleScore score, const Facts& facts, Span<float> out);

}  // namespace kgwalk
