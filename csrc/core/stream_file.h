#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

namespace kgwalk {

/// A file read piece by piece, for what is larger than memory.
class InStream {
 public:
  /// @throws IoError
  explicit InStream(const std::string& path);
  InStream(const InStream&) = delete;
  InStream& operator=(const InStream&) = delete;
  ~InStream();

  std::uint64_t size() const { return size_; }
  /// Reads exactly these bytes; from several threads at once if need be. @throws IoError, also past the end
  void read(std::uint64_t at, void* to, std::size_t count) const;

 private:
  std::string path_;
  int file_ = -1;
  std::uint64_t size_ = 0;
};

/// A file written from front to back through a buffer.
class OutStream {
 public:
  /// @param append  go on behind what is there, instead of starting anew
  /// @throws IoError
  explicit OutStream(std::string path, std::size_t buffer = std::size_t{1} << 20, bool append = false);
  OutStream(const OutStream&) = delete;
  OutStream& operator=(const OutStream&) = delete;
  OutStream(OutStream&& other) noexcept;
  OutStream& operator=(OutStream&&) = delete;
  ~OutStream();

  void write(const void* data, std::size_t count);
  /// Writes over what is there already. @throws IoError
  void write_at(std::uint64_t at, const void* data, std::size_t count);
  void flush();
  /// Everything is on the disk when this returns. @throws IoError
  void sync();

 private:
  void put(const char* data, std::size_t count);

  std::string path_;
  int file_ = -1;
  std::vector<char> buffer_;
  std::size_t filled_ = 0;
};

/// A file of a head and data, the data written in order and summed by block; whole after commit(), else only a part
/// that the next attempt replaces (`path`.part).
class SummedFile {
 public:
  /// @param data_begin  length of the head, which is written last
  SummedFile(std::string path, std::size_t data_begin);

  void write(const void* data, std::size_t count);
  /// Zeros up to the next multiple of kAlign.
  void align();
  /// Length so far, head included.
  std::uint64_t size() const { return data_begin_ + written_; }
  /// hash64 of each block of the data, seeded with its number. Ends the data.
  const std::vector<std::uint64_t>& sums();
  /// Writes the head, brings all to the disk, then the file to its name. @throws IoError
  void commit(const std::vector<char>& head);

 private:
  void end_block();

  std::string path_, part_;
  std::size_t data_begin_;
  std::uint64_t written_ = 0;
  std::vector<char> block_;
  std::vector<std::uint64_t> sums_;
  OutStream out_;
};

}  // namespace kgwalk
