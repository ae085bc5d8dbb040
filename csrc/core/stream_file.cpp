#include "core/stream_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <utility>

#include "core/checksum.h"
#include "core/errors.h"
#include "core/graph_format.h"
#include "core/mapped_file.h"

namespace kgwalk {

InStream::InStream(const std::string& path) : path_(path), file_(open(path.c_str(), O_RDONLY | O_CLOEXEC)) {
  if (file_ < 0) throw IoError(errno, path_);
  struct stat info{};
  if (fstat(file_, &info) != 0) {
    const int why = errno;
    close(file_);
    throw IoError(why, path_);
  }
  size_ = static_cast<std::uint64_t>(info.st_size);
}

InStream::~InStream() { close(file_); }

void InStream::read(std::uint64_t at, void* to, std::size_t count) const {
  auto* bytes = static_cast<char*>(to);
  while (count > 0) {
    const ssize_t got = pread(file_, bytes, count, static_cast<off_t>(at));
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) throw IoError(got < 0 ? errno : EIO, path_);
    bytes += got;
    at += static_cast<std::uint64_t>(got);
    count -= static_cast<std::size_t>(got);
  }
}

OutStream::OutStream(std::string path, std::size_t buffer, bool append)
    : path_(std::move(path)),
      file_(open(path_.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC | (append ? O_APPEND : O_TRUNC), 0666)),
      buffer_(std::max<std::size_t>(buffer, 1)) {
  if (file_ < 0) throw IoError(errno, path_);
}

OutStream::OutStream(OutStream&& other) noexcept
    : path_(std::move(other.path_)),
      file_(std::exchange(other.file_, -1)),
      buffer_(std::move(other.buffer_)),
      filled_(std::exchange(other.filled_, 0)) {}

OutStream::~OutStream() {
  if (file_ >= 0) close(file_);
}

void OutStream::put(const char* data, std::size_t count) {
  while (count > 0) {
    const ssize_t did = ::write(file_, data, count);
    if (did < 0 && errno == EINTR) continue;
    if (did < 0) throw IoError(errno, path_);
    data += did;
    count -= static_cast<std::size_t>(did);
  }
}

void OutStream::write(const void* data, std::size_t count) {
  const auto* bytes = static_cast<const char*>(data);
  if (count > buffer_.size() - filled_) flush();
  if (count >= buffer_.size()) {
    put(bytes, count);
    return;
  }
  std::copy_n(bytes, count, buffer_.data() + filled_);
  filled_ += count;
}

void OutStream::write_at(std::uint64_t at, const void* data, std::size_t count) {
  flush();
  const auto* bytes = static_cast<const char*>(data);
  while (count > 0) {
    const ssize_t did = pwrite(file_, bytes, count, static_cast<off_t>(at));
    if (did < 0 && errno == EINTR) continue;
    if (did < 0) throw IoError(errno, path_);
    bytes += did;
    at += static_cast<std::uint64_t>(did);
    count -= static_cast<std::size_t>(did);
  }
}

void OutStream::flush() { put(buffer_.data(), std::exchange(filled_, 0)); }

void OutStream::sync() {
  flush();
  if (fsync(file_) != 0) throw IoError(errno, path_);
}

SummedFile::SummedFile(std::string path, std::size_t data_begin)
    : path_(std::move(path)), part_(path_ + ".part"), data_begin_(data_begin), out_(part_, kBlock) {
  block_.reserve(kBlock);
  const std::vector<char> head(data_begin);
  out_.write(head.data(), head.size());
}

void SummedFile::write(const void* data, std::size_t count) {
  const auto* bytes = static_cast<const char*>(data);
  written_ += count;
  while (count > 0) {
    const std::size_t fits = std::min(count, kBlock - block_.size());
    block_.insert(block_.end(), bytes, bytes + fits);
    bytes += fits;
    count -= fits;
    if (block_.size() == kBlock) end_block();
  }
}

void SummedFile::align() {
  static constexpr char kZeros[kAlign] = {};
  write(kZeros, aligned(size()) - size());
}

void SummedFile::end_block() {
  sums_.push_back(hash64(block_.data(), block_.size(), sums_.size()));
  out_.write(block_.data(), block_.size());
  block_.clear();
}

const std::vector<std::uint64_t>& SummedFile::sums() {
  if (!block_.empty()) end_block();
  return sums_;
}

void SummedFile::commit(const std::vector<char>& head) {
  sums();
  out_.write_at(0, head.data(), head.size());
  out_.sync();
  rename_synced(part_, path_);
}

}  // namespace kgwalk
