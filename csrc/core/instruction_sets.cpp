#include "core/instruction_sets.h"

#include <atomic>
#include <stdexcept>

namespace kgwalk {
namespace {

std::atomic<InstructionSet>& chosen() {
  static std::atomic<InstructionSet> set{available_instruction_sets().back()};
  return set;
}

}  // namespace

std::vector<InstructionSet> available_instruction_sets() {
  std::vector<InstructionSet> sets{InstructionSet::kBaseline};
#if defined(__x86_64__) && defined(__GNUC__)
  if (__builtin_cpu_supports("avx2")) sets.push_back(InstructionSet::kAvx2);
#endif
  return sets;
}

std::string name_of(InstructionSet set) { return set == InstructionSet::kAvx2 ? "avx2" : "baseline"; }

InstructionSet instruction_set() { return chosen().load(std::memory_order_relaxed); }

void use_instruction_set(const std::string& name) {
  for (const InstructionSet set : available_instruction_sets()) {
    if (name_of(set) != name) continue;
    chosen() = set;
    return;
  }
  throw std::invalid_argument("no kernels for " + name + " on this CPU");
}

}  // namespace kgwalk
