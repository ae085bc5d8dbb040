#include "core/ragged.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <stdexcept>
#include <string>
#include <vector>

#include "core/ragged_loops.h"
#include "core/rng.h"
#include "core/thread_pool.h"

namespace kgwalk::ragged {
namespace {

using Index = std::size_t;

constexpr float kInfinity = std::numeric_limits<float>::infinity();
constexpr std::int64_t kGrain = 1 << 15;  // values and rows for one thread: about 100 us
constexpr std::int64_t kBlock = 1 << 11;  // values worked on together: they stay in the first-level cache

/// Calls body(first, last, scratch) over blocks of whole rows of up to kBlock values each, or of one row; `scratch` has
/// room for a float per value.
template <class Body>
void for_blocks(Offsets offsets, const Body& body) {
  for_rows(offsets, kGrain, [&](std::int64_t first, std::int64_t last) {
    std::vector<float> scratch;
    while (first < last) {
      const std::int64_t from = offsets[static_cast<Index>(first)];
      std::int64_t next = first + 1;
      while (next < last && offsets[static_cast<Index>(next) + 1] - from <= kBlock) ++next;
      const auto size = static_cast<Index>(offsets[static_cast<Index>(next)] - from);
      if (scratch.size() < size) scratch.resize(size);
      body(first, next, scratch.data());
      first = next;
    }
  });
}

/// What exponents of a row are shifted by: its largest value, or 0 where that is infinite.
float shift_of(const float* values, Row row) {
  float top = -kInfinity;
  for (std::int64_t c = row.begin; c < row.end; ++c) top = values[c] > top ? values[c] : top;
  return std::isfinite(top) ? top : 0.0f;
}

double total(const float* values, std::int64_t n) {
  double sum = 0;
  for (std::int64_t i = 0; i < n; ++i) sum += static_cast<double>(values[i]);
  return sum;
}

/// Log-sum-exp of rows [first, last), handed to done(row, result); `scratch` holds as many floats as they have values.
template <class Done>
void log_sum_exp_block(const float* values, Offsets offsets, std::int64_t first, std::int64_t last, float* scratch,
                       const Done& done) {
  const std::int64_t from = offsets[static_cast<Index>(first)];
  float shifts[kBlock];
  // More rows than shifts can only mean empty rows: work in slices.
  for (std::int64_t slice = first; slice < last; slice += kBlock) {
    const std::int64_t stop = std::min(last, slice + kBlock);
    const std::int64_t begin = offsets[static_cast<Index>(slice)], end = offsets[static_cast<Index>(stop)];
    for (std::int64_t s = slice; s < stop; ++s) {
      const Row row = row_of(offsets, s);
      const float shift = shifts[s - slice] = shift_of(values, row);
      for (std::int64_t c = row.begin; c < row.end; ++c) scratch[c - from] = values[c] - shift;
    }
    ragged_loops().exps(scratch + (begin - from), end - begin, scratch + (begin - from));
    for (std::int64_t s = slice; s < stop; ++s) {
      const Row row = row_of(offsets, s);
      const double sum = total(scratch + (row.begin - from), row.end - row.begin);
      done(row, s, static_cast<float>(std::log(sum) + static_cast<double>(shifts[s - slice])));
    }
  }
}

/// scratch = exp(values) of rows [first, last).
void exps_of(const float* values, Offsets offsets, std::int64_t first, std::int64_t last, float* scratch) {
  const std::int64_t from = offsets[static_cast<Index>(first)];
  ragged_loops().exps(values + from, offsets[static_cast<Index>(last)] - from, scratch);
}

}  // namespace

void check_offsets(Offsets offsets, std::int64_t size) {
  if (offsets.empty()) throw std::invalid_argument("offsets: expected at least one entry, got none");
  if (offsets[0] != 0)
    throw std::invalid_argument("offsets: expected to start at 0, got " + std::to_string(offsets[0]));
  for (Index s = 1; s < offsets.size(); ++s) {
    if (offsets[s] < offsets[s - 1]) throw std::invalid_argument("offsets: fall at " + std::to_string(s));
  }
  const std::int64_t last = offsets[offsets.size() - 1];
  if (last != size) {
    throw std::invalid_argument("offsets: expected to end at " + std::to_string(size) + ", the number of values, got " +
                                std::to_string(last));
  }
}

void for_rows(Offsets offsets, std::int64_t grain, const std::function<void(std::int64_t, std::int64_t)>& body) {
  const auto rows = static_cast<std::int64_t>(offsets.size()) - 1;
  // Row s starts at offsets[s] + s when values and rows are counted together; this rises with every row.
  const auto first_from = [&](std::int64_t position) {
    std::int64_t low = 0, high = rows;
    while (low < high) {
      const std::int64_t middle = (low + high) / 2;
      if (offsets[static_cast<Index>(middle)] + middle < position) {
        low = middle + 1;
      } else {
        high = middle;
      }
    }
    return low;
  };
  parallel_for(offsets[static_cast<Index>(rows)] + rows, grain,
               [&](std::int64_t begin, std::int64_t end) { body(first_from(begin), first_from(end)); });
}

void segment_sum(Floats values, Offsets offsets, Span<float> out) {
  for_rows(offsets, kGrain, [&](std::int64_t first, std::int64_t last) {
    for (std::int64_t s = first; s < last; ++s) {
      const Row row = row_of(offsets, s);
      out[static_cast<Index>(s)] = static_cast<float>(total(values.data() + row.begin, row.end - row.begin));
    }
  });
}

void segment_repeat(Floats rows, Offsets offsets, Span<float> out) {
  for_rows(offsets, kGrain, [&](std::int64_t first, std::int64_t last) {
    for (std::int64_t s = first; s < last; ++s) {
      const Row row = row_of(offsets, s);
      std::fill(out.begin() + row.begin, out.begin() + row.end, rows[static_cast<Index>(s)]);
    }
  });
}

void log_sum_exp(Floats values, Offsets offsets, Span<float> out) {
  for_blocks(offsets, [&](std::int64_t first, std::int64_t last, float* scratch) {
    log_sum_exp_block(values.data(), offsets, first, last, scratch,
                      [&](Row, std::int64_t s, float result) { out[static_cast<Index>(s)] = result; });
  });
}

void log_sum_exp_backward(Floats values, Floats result, Floats grad, Offsets offsets, Span<float> out) {
  for_blocks(offsets, [&](std::int64_t first, std::int64_t last, float*) {
    const std::int64_t from = offsets[static_cast<Index>(first)], to = offsets[static_cast<Index>(last)];
    for (std::int64_t s = first; s < last; ++s) {
      const Row row = row_of(offsets, s);
      const float norm = result[static_cast<Index>(s)] == -kInfinity ? 0.0f : result[static_cast<Index>(s)];
      for (std::int64_t c = row.begin; c < row.end; ++c) out.data()[c] = values.data()[c] - norm;
    }
    ragged_loops().exps(out.data() + from, to - from, out.data() + from);
    for (std::int64_t s = first; s < last; ++s) {
      const Row row = row_of(offsets, s);
      for (std::int64_t c = row.begin; c < row.end; ++c) out.data()[c] *= grad[static_cast<Index>(s)];
    }
  });
}

void log_softmax(Floats logits, Offsets offsets, Span<float> out) {
  for_blocks(offsets, [&](std::int64_t first, std::int64_t last, float* scratch) {
    log_sum_exp_block(logits.data(), offsets, first, last, scratch, [&](Row row, std::int64_t, float norm) {
      for (std::int64_t c = row.begin; c < row.end; ++c) out.data()[c] = logits.data()[c] - norm;
    });
  });
}

void log_softmax_backward(Floats log_probs, Floats grad, Offsets offsets, Span<float> out) {
  for_blocks(offsets, [&](std::int64_t first, std::int64_t last, float* probs) {
    exps_of(log_probs.data(), offsets, first, last, probs);
    const std::int64_t from = offsets[static_cast<Index>(first)];
    for (std::int64_t s = first; s < last; ++s) {
      const Row row = row_of(offsets, s);
      const auto sum = static_cast<float>(total(grad.data() + row.begin, row.end - row.begin));
      for (std::int64_t c = row.begin; c < row.end; ++c) out.data()[c] = grad.data()[c] - probs[c - from] * sum;
    }
  });
}

void entropy(Floats log_probs, Offsets offsets, Span<float> out) {
  for_blocks(offsets, [&](std::int64_t first, std::int64_t last, float* probs) {
    exps_of(log_probs.data(), offsets, first, last, probs);
    const std::int64_t from = offsets[static_cast<Index>(first)];
    for (std::int64_t s = first; s < last; ++s) {
      const Row row = row_of(offsets, s);
      double sum = 0;
      for (std::int64_t c = row.begin; c < row.end; ++c) {
        const float p = probs[c - from];
        if (p != 0) sum -= static_cast<double>(p) * static_cast<double>(log_probs.data()[c]);
      }
      out[static_cast<Index>(s)] = static_cast<float>(sum);
    }
  });
}

void entropy_backward(Floats log_probs, Floats grad, Offsets offsets, Span<float> out) {
  for_blocks(offsets, [&](std::int64_t first, std::int64_t last, float* probs) {
    exps_of(log_probs.data(), offsets, first, last, probs);
    const std::int64_t from = offsets[static_cast<Index>(first)];
    for (std::int64_t s = first; s < last; ++s) {
      const Row row = row_of(offsets, s);
      for (std::int64_t c = row.begin; c < row.end; ++c) {
        const float p = probs[c - from];
        out.data()[c] = p == 0 ? 0.0f : -grad[static_cast<Index>(s)] * (p * (log_probs.data()[c] + 1.0f));
      }
    }
  });
}

void sample(Floats log_probs, Offsets offsets, Offsets rows, std::uint64_t seed, Span<const std::uint64_t> streams,
            std::uint64_t counter, Span<std::int64_t> out) {
  const auto num_rows = static_cast<std::int64_t>(offsets.size()) - 1;
  std::vector<char> wanted(static_cast<Index>(num_rows), 0);
  for (const std::int64_t s : rows) {
    if (s < 0 || s >= num_rows) {
      throw std::out_of_range("rows: " + std::to_string(s) + " is not in [0, " + std::to_string(num_rows) + ")");
    }
    wanted[static_cast<Index>(s)] = 1;
  }

  std::vector<double> running(log_probs.size());
  for_blocks(offsets, [&](std::int64_t first, std::int64_t last, float* mass) {
    const std::int64_t from = offsets[static_cast<Index>(first)];
    for (std::int64_t s = first; s < last; ++s) {
      if (!wanted[static_cast<Index>(s)]) continue;
      const Row row = row_of(offsets, s);
      const float shift = shift_of(log_probs.data(), row);
      float* const here = mass + (row.begin - from);
      for (std::int64_t c = row.begin; c < row.end; ++c) mass[c - from] = log_probs.data()[c] - shift;
      ragged_loops().exps(here, row.end - row.begin, here);
      double sum = 0;
      for (std::int64_t c = row.begin; c < row.end; ++c) {
        sum += static_cast<double>(mass[c - from]);
        running.data()[c] = sum;
      }
      if (!(sum > 0) || !std::isfinite(sum)) {
        throw std::invalid_argument("log_probs: row " + std::to_string(s) +
                                    " has no finite probability to sample from");
      }
    }
  });

  parallel_for(static_cast<std::int64_t>(rows.size()), kGrain / 16, [&](std::int64_t begin, std::int64_t end) {
    for (auto k = static_cast<Index>(begin); k < static_cast<Index>(end); ++k) {
      const Row row = row_of(offsets, rows[k]);
      const double* const low = running.data() + row.begin;
      const double* const high = running.data() + row.end;
      const double all = high[-1];
      const double share = CounterRng(seed, streams[k], counter).uniform() * all;
      const double* at = std::upper_bound(low, high, share);
      // Rounded up to the whole sum: the move that completes it, not one of probability 0 behind it.
      if (at == high) at = std::lower_bound(low, high, all);
      out[k] = at - running.data();
    }
  });
}

}  // namespace kgwalk::ragged
