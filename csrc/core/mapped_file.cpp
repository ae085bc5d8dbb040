#include "core/mapped_file.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstdint>
#include <cstdio>
#include <fstream>
#include <utility>

#include "core/errors.h"

namespace kgwalk {
namespace {

/// Closes a file descriptor at the end of a scope.
struct Descriptor {
  int file;
  ~Descriptor() {
    if (file >= 0) close(file);
  }
};

#ifdef MADV_HUGEPAGE
/// Bytes of memory that this process may use: those of the machine, or of its container (cgroup, version 2 or 1).
std::uint64_t memory_size() {
  const long pages = sysconf(_SC_PHYS_PAGES), page = sysconf(_SC_PAGESIZE);
  std::uint64_t size = pages > 0 && page > 0 ? static_cast<std::uint64_t>(pages) * static_cast<std::uint64_t>(page) : 0;
  for (const char* path : {"/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes"}) {
    std::ifstream file(path);
    std::uint64_t limit = 0;
    if (file >> limit) size = std::min(size, limit);  // "max" is no number
  }
  return size;
}

/// Small files do not need pages of 2 MB, and of one that memory hardly holds most would be read in vain: a graph and
/// its view shall fit side by side. For the others a random read costs a third less, since half of it is to ask where
/// the page is.
bool fits_large_pages(std::size_t size) {
  constexpr std::size_t kSmall = std::size_t{64} << 20;
  return size >= kSmall && size <= memory_size() / 3;
}
#endif

}  // namespace

MappedFile::MappedFile(const std::string& path, [[maybe_unused]] Access access) {
  const Descriptor d{open(path.c_str(), O_RDONLY | O_CLOEXEC)};
  if (d.file < 0) throw IoError(errno, path);
  struct stat info{};
  if (fstat(d.file, &info) != 0) throw IoError(errno, path);
  if (S_ISDIR(info.st_mode)) throw IoError(EISDIR, path);
  size_ = static_cast<std::size_t>(info.st_size);
  if (size_ == 0) return;  // nothing can be mapped
  void* data = mmap(nullptr, size_, PROT_READ, MAP_SHARED, d.file, 0);
  if (data == MAP_FAILED) throw IoError(errno, path);
  data_ = static_cast<const char*>(data);
#ifdef MADV_HUGEPAGE
  if (access == Access::kAtRandom && fits_large_pages(size_)) static_cast<void>(madvise(data, size_, MADV_HUGEPAGE));
#endif
}

MappedFile::~MappedFile() {
  if (data_ != nullptr) munmap(const_cast<char*>(data_), size_);
}

WholeFile::WholeFile(std::string path, std::size_t size) : path_(std::move(path)), size_(size) {
  static std::atomic<unsigned> counter{0};
  temporary_ = path_ + ".tmp-" + std::to_string(getpid()) + "-" + std::to_string(counter++);
  file_ = open(temporary_.c_str(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
  if (file_ < 0) throw IoError(errno, temporary_);
  // Blocks are allocated now: a full disk is an error here and no SIGBUS on writing.
  const int error = posix_fallocate(file_, 0, static_cast<off_t>(size_));
  void* data = error == 0 ? mmap(nullptr, size_, PROT_READ | PROT_WRITE, MAP_SHARED, file_, 0) : MAP_FAILED;
  if (data == MAP_FAILED) {
    const int why = error != 0 ? error : errno;
    discard();
    throw IoError(why, temporary_);
  }
  data_ = static_cast<char*>(data);
}

void WholeFile::discard() {
  if (data_ != nullptr) munmap(data_, size_);
  if (file_ >= 0) {
    close(file_);
    unlink(temporary_.c_str());
  }
  data_ = nullptr;
  file_ = -1;
}

WholeFile::~WholeFile() { discard(); }

void WholeFile::commit() {
  if (msync(data_, size_, MS_SYNC) != 0 || fsync(file_) != 0) throw IoError(errno, temporary_);
  rename_synced(temporary_, path_);
  close(std::exchange(file_, -1));
}

void rename_synced(const std::string& from, const std::string& to) {
  if (rename(from.c_str(), to.c_str()) != 0) throw IoError(errno, to);
  // The name itself is on the disk once its folder is. Some file systems cannot sync a folder: the file is whole
  // anyway.
  const std::size_t slash = to.rfind('/');
  const std::string folder = slash == std::string::npos ? "." : to.substr(0, slash + 1);
  const Descriptor d{open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC)};
  if (d.file >= 0) static_cast<void>(fsync(d.file));
}

void MappedFile::release(const void* begin, std::size_t size) const {
  const auto at = reinterpret_cast<std::uintptr_t>(begin), first = reinterpret_cast<std::uintptr_t>(data_);
  if (at < first || size > size_ || at - first > size_ - size) return;
  const auto page = static_cast<std::size_t>(sysconf(_SC_PAGESIZE));  // where the file is mapped, one begins
  const std::size_t from = (at - first + page - 1) / page * page, to = (at - first + size) / page * page;
  if (from < to) static_cast<void>(madvise(const_cast<char*>(data_) + from, to - from, MADV_DONTNEED));
}

}  // namespace kgwalk
