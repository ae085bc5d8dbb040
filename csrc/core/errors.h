#pragma once

#include <stdexcept>
#include <string>
#include <system_error>
#include <utility>

namespace kgwalk {

/// A file that is not what its reader expects. The message names the file, the place in it, what was expected and what
/// was found. Python sees it as a ValueError.
class FormatError : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

/// The operating system refused a file. Python sees the OSError of that number.
class IoError : public std::system_error {
 public:
  IoError(int error, std::string path)
      : std::system_error(error, std::generic_category(), path), path_(std::move(path)) {}
  const std::string& path() const { return path_; }

 private:
  std::string path_;
};

}  // namespace kgwalk
