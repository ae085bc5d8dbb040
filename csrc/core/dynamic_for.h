#pragma once

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <mutex>

#include "core/thread_pool.h"

namespace kgwalk {

/// For rows of very unequal cost: every thread makes itself a worker and takes blocks of `block` rows until none are
/// left, then hands the worker to `finish` (one at a time). Which worker does which row varies: what a row gives must
/// not depend on its worker, nor what `finish` adds up on the order.
template <class Make, class Row, class Finish>
void for_each_dynamic(std::int64_t n, std::int64_t block, const Make& make, const Row& row, const Finish& finish) {
  std::atomic<std::int64_t> next{0};
  std::mutex mutex;
  const std::int64_t workers = std::min<std::int64_t>(num_threads(), (n + block - 1) / block);
  parallel_for(workers, 1, [&](std::int64_t first, std::int64_t last) {
    for (; first < last; ++first) {
      auto worker = make();
      for (std::int64_t begin; (begin = next.fetch_add(block)) < n;) {
        for (std::int64_t i = begin; i < std::min(n, begin + block); ++i) row(worker, i);
      }
      const std::lock_guard<std::mutex> lock(mutex);
      finish(worker);
    }
  });
}

}  // namespace kgwalk
