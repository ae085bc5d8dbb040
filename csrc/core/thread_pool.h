#pragma once

#include <cstdint>
#include <functional>

namespace kgwalk {

/// Threads that kernels may use, this one included; 1 unless set. Results never depend on it.
int num_threads();
/// @throws std::invalid_argument unless 1 <= n <= 256
void set_num_threads(int n);

/// Calls `body(begin, end)` over contiguous chunks of [0, n), on as many threads as leave each at least `grain` rows,
/// and returns when all are done. A wake-up costs about 25 us, so choose a grain that is worth several of those. The
/// first exception of any chunk is rethrown here. Not re-entrant from inside `body` (inner calls run serially).
void parallel_for(std::int64_t n, std::int64_t grain, const std::function<void(std::int64_t, std::int64_t)>& body);

}  // namespace kgwalk
