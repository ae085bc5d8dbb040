#pragma once

#include <pybind11/numpy.h>

#include <cstdlib>
#include <memory>
#include <new>
#include <numeric>
#include <utility>
#include <vector>

#include "bindings/arrays.h"

namespace kgwalk {

/// Uninitialised numpy arrays whose memory comes back here when they die. A fresh megabyte from the system costs more
/// in page faults than what a step writes into it. Used under the GIL only.
class BufferPool : public std::enable_shared_from_this<BufferPool> {
 public:
  BufferPool() = default;
  BufferPool(const BufferPool&) = delete;
  BufferPool& operator=(const BufferPool&) = delete;
  ~BufferPool() {
    for (const Block& b : spare_) std::free(b.data);
  }

  template <class T>
  py::array_t<T> make(const std::vector<py::ssize_t>& shape) {
    const auto count = std::accumulate(shape.begin(), shape.end(), py::ssize_t{1}, std::multiplies<>());
    const std::size_t bytes = static_cast<std::size_t>(count) * sizeof(T);
    if (bytes < kSmall) return py::array_t<T>(shape);
    auto lease = std::make_unique<Lease>(Lease{take(bytes), shared_from_this()});
    T* data = static_cast<T*>(lease->block.data);
    const py::capsule owner(lease.get(), [](void* p) {
      const std::unique_ptr<Lease> ended(static_cast<Lease*>(p));
      ended->pool->give(ended->block);
    });
    static_cast<void>(lease.release());
    return py::array_t<T>(shape, data, owner);
  }

 private:
  struct Block {
    void* data;
    std::size_t capacity;
  };
  struct Lease {
    Block block;
    std::shared_ptr<BufferPool> pool;
  };

  static constexpr std::size_t kSmall = 64 << 10;  // malloc keeps blocks below this at hand by itself
  static constexpr std::size_t kSpare = 8;         // blocks kept: two steps' worth

  Block take(std::size_t bytes) {
    for (auto it = spare_.begin(); it != spare_.end(); ++it) {
      if (it->capacity < bytes || it->capacity > 2 * bytes) continue;
      const Block found = *it;
      spare_.erase(it);
      return found;
    }
    const std::size_t capacity = (bytes + bytes / 8 + 4095) / 4096 * 4096;
    void* data = std::aligned_alloc(64, capacity);
    if (data == nullptr) throw std::bad_alloc();
    return {data, capacity};
  }

  void give(Block block) {
    if (spare_.size() == kSpare) {
      std::free(spare_.front().data);
      spare_.erase(spare_.begin());
    }
    spare_.push_back(block);
  }

  std::vector<Block> spare_;
};

}  // namespace kgwalk
