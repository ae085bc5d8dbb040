#pragma once

#include <string>
#include <vector>

namespace kgwalk {

/// A reader under attack.
struct Target {
  const char* name;
  std::vector<std::string> seeds;
  std::vector<std::string> tokens;
  /// Reads the input and uses all that it gave. True if it was accepted, false if it was refused in the documented way;
  /// anything else (another exception, a broken promise) throws, and what the sanitizers see ends the process.
  bool (*run)(const std::string& input);
};

std::vector<Target> targets();

}  // namespace kgwalk
