#pragma once

#include <string>
#include <vector>

namespace kgwalk {

/// What the arithmetic kernels are compiled for, slowest first.
enum class InstructionSet { kBaseline, kAvx2 };

/// Those that this CPU can run, slowest first.
std::vector<InstructionSet> available_instruction_sets();

/// "baseline" or "avx2".
std::string name_of(InstructionSet set);

/// The one in use: the fastest, unless use_instruction_set() chose another.
InstructionSet instruction_set();

/// Uses the available set of this name from now on, in all threads: for tests and measurements.
/// @throws std::invalid_argument where there is none
void use_instruction_set(const std::string& name);

}  // namespace kgwalk
