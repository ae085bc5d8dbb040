#include "core/ragged_loops.h"

#include "core/instruction_sets.h"

#define KGWALK_LOOPS "core/ragged_loops.inl.h"
#include "core/per_instruction_set.inl.h"

namespace kgwalk {

const RaggedLoops& ragged_loops() {
#ifdef KGWALK_BEGIN_AVX2
  if (instruction_set() == InstructionSet::kAvx2) return avx2::kRaggedLoops;
#endif
  return baseline::kRaggedLoops;
}

}  // namespace kgwalk
