#include "core/pair_loops.h"

#include "core/instruction_sets.h"

#define KGWALK_LOOPS "core/pair_loops.inl.h"
#include "core/per_instruction_set.inl.h"

namespace kgwalk {

const PairLoops& pair_loops() {
#ifdef KGWALK_BEGIN_AVX2
  if (instruction_set() == InstructionSet::kAvx2) return avx2::kPairLoops;
#endif
  return baseline::kPairLoops;
}

}  // namespace kgwalk
