#pragma once

#include <cstddef>
#include <memory>
#include <string>

#include "core/span.h"

namespace kgwalk {

/// A file in memory: read-only and shared, so that processes which map the same file use the same pages.
///
/// Whoever cuts the file short while it is mapped has the reader killed by SIGBUS; replace files by renaming instead,
/// as WholeFile does.
class MappedFile {
 public:
  enum class Access { kInOrder, kAtRandom };

  /// @param access  at random: a file that fits into memory comes into it 2 MB at a time where the system can do that
  /// @throws IoError if the file cannot be opened or mapped
  explicit MappedFile(const std::string& path, Access access = Access::kInOrder);
  MappedFile(const MappedFile&) = delete;
  MappedFile& operator=(const MappedFile&) = delete;
  ~MappedFile();

  Span<const char> bytes() const { return {data_, size_}; }
  /// The process lets go of the pages inside this part, which it has read for now: they no longer count as its memory.
  void release(const void* begin, std::size_t size) const;

 private:
  const char* data_ = nullptr;
  std::size_t size_ = 0;
};

/// A file in the making, of a size known beforehand: whole after commit(), else as if it had never been there.
class WholeFile {
 public:
  /// Reserves the space under a temporary name beside `path` and maps it for writing. @throws IoError
  WholeFile(std::string path, std::size_t size);
  WholeFile(const WholeFile&) = delete;
  WholeFile& operator=(const WholeFile&) = delete;
  ~WholeFile();

  Span<char> bytes() const { return {data_, size_}; }
  /// Brings the bytes to the disk, then the file to its name. @throws IoError
  void commit();

 private:
  void discard();

  std::string path_, temporary_;
  int file_ = -1;
  char* data_ = nullptr;
  std::size_t size_ = 0;
};

/// Gives a file its name, and brings the name to the disk. @throws IoError
void rename_synced(const std::string& from, const std::string& to);

}  // namespace kgwalk
