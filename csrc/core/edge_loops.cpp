#include "core/edge_loops.h"

#include "core/instruction_sets.h"

#define KGWALK_LOOPS "core/edge_loops.inl.h"
#include "core/per_instruction_set.inl.h"

namespace kgwalk {

const EdgeLoops& edge_loops() {
#ifdef KGWALK_BEGIN_AVX2
  if (instruction_set() == InstructionSet::kAvx2) return avx2::kEdgeLoops;
#endif
  return baseline::kEdgeLoops;
}

}  // namespace kgwalk
