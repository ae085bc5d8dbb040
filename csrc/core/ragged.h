#pragma once

#include <cstdint>
#include <functional>

#include "core/span.h"

namespace kgwalk::ragged {

/// Functions of ragged values: row s of `values` (C,) is values[offsets[s]] to values[offsets[s + 1]], `offsets` (S +
/// 1,). Spans have the lengths stated; that is the caller's to see to. All use up to num_threads() threads, and their
/// results depend neither on that number nor on the CPU.
using Offsets = Span<const std::int64_t>;
using Floats = Span<const float>;

struct Row {
  std::int64_t begin, end;
};
inline Row row_of(Offsets offsets, std::int64_t s) {
  return {offsets[static_cast<std::size_t>(s)], offsets[static_cast<std::size_t>(s) + 1]};
}

/// Throws std::invalid_argument unless `offsets` has at least one entry, starts at 0, never falls and ends at `size`.
void check_offsets(Offsets offsets, std::int64_t size);

/// Calls body(first, last) over ranges of rows that together are [0, S), split so that each thread gets about as many
/// rows and values as another, and at least `grain` of them.
void for_rows(Offsets offsets, std::int64_t grain, const std::function<void(std::int64_t, std::int64_t)>& body);

/// out (S,) = sum of each row, 0 for an empty one. Added up in double precision, in order.
void segment_sum(Floats values, Offsets offsets, Span<float> out);
/// out (C,) = rows[s] throughout row s: the gradient of segment_sum.
void segment_repeat(Floats rows, Offsets offsets, Span<float> out);

/// out (S,) = log of the sum of exponentials of each row; -inf for a row that is empty or all -inf.
void log_sum_exp(Floats values, Offsets offsets, Span<float> out);
/// out (C,) = grad[s] * exp(values - result[s]), of rows with `result` -inf 0: the gradient of log_sum_exp.
void log_sum_exp_backward(Floats values, Floats result, Floats grad, Offsets offsets, Span<float> out);

/// out (C,) = logits less the log_sum_exp of their row.
void log_softmax(Floats logits, Offsets offsets, Span<float> out);
/// out (C,) = grad - exp(log_probs) * sum of grad over the row: the gradient of log_softmax.
void log_softmax_backward(Floats log_probs, Floats grad, Offsets offsets, Span<float> out);

/// out (S,) = -sum p log p of each row in nats, log_probs = log p; p = 0 adds nothing.
void entropy(Floats log_probs, Offsets offsets, Span<float> out);
/// out (C,) = -grad[s] * p * (log p + 1), 0 where p = 0: the gradient of entropy.
void entropy_backward(Floats log_probs, Floats grad, Offsets offsets, Span<float> out);

/// Walker k draws a move from row rows[k], with probability proportional to exp(log_probs): out[k] is its index in
/// `log_probs`. Its one random number is the first of CounterRng(seed, streams[k], counter).
///
/// Costs a pass over the rows that have walkers, then a binary search per walker.
/// @param rows     (K,)
/// @param streams  (K,)
/// @param out      (K,)
/// Throws std::out_of_range for a row that does not exist and std::invalid_argument for one in which nothing can be
/// drawn.
void sample(Floats log_probs, Offsets offsets, Offsets rows, std::uint64_t seed, Span<const std::uint64_t> streams,
            std::uint64_t counter, Span<std::int64_t> out);

}  // namespace kgwalk::ragged
