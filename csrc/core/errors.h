#pragma once

#include <stdexcept>

namespace kgwalk {

/// A file that is not what its reader expects. The message names the file, the place in it, what was expected and what
/// was found. Python sees it as a ValueError.
class FormatError : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

}  // namespace kgwalk
