#include "core/ragged_logits.h"

#include <algorithm>

#include "core/ragged_loops.h"
#include "core/thread_pool.h"

namespace kgwalk::ragged {
namespace {

constexpr std::int64_t kGrain = 1 << 12;  // candidates for one thread: about 100 us

/// Calls body(begin, end) over ranges of [0, rows): whoever gets a range goes through all candidates and writes the
/// rows in it, so that the order of additions to a row is that of the candidates. That pays where the candidates are
/// many.
template <class Body>
void for_owned(std::int64_t rows, std::size_t candidates, const Body& body) {
  if (candidates == 0) return;
  const auto parts = std::max<std::int64_t>(static_cast<std::int64_t>(candidates) / kGrain, 1);
  parallel_for(rows, (rows + parts - 1) / parts, [&](std::int64_t begin, std::int64_t end) {
    body(static_cast<std::int32_t>(begin), static_cast<std::int32_t>(end));
  });
}

}  // namespace

void edge_logits(Matrix<const float> relation_scores, Matrix<const float> entity_query,
                 Matrix<const float> entity_table, Offsets offsets, IdSpan relations, IdSpan entities,
                 Span<float> out) {
  for_rows(offsets, kGrain, [&](std::int64_t first, std::int64_t last) {
    for (std::int64_t s = first; s < last; ++s) {
      const Row row = row_of(offsets, s);
      const float* const scores = relation_scores.row(s);
      for (std::int64_t c = row.begin; c < row.end; ++c) out.data()[c] = scores[relations.data()[c]];
    }
    if (entity_query.data == nullptr) return;
    const RaggedRows rows{offsets.data(), first, last, entities.data(), entity_table.columns};
    ragged_loops().dots(rows, entity_query.data, entity_table.data, out.data());
  });
}

void relation_scores_backward(Floats grad, Offsets offsets, IdSpan relations, Matrix<float> relation_grad) {
  for_rows(offsets, kGrain, [&](std::int64_t first, std::int64_t last) {
    for (std::int64_t s = first; s < last; ++s) {
      const Row row = row_of(offsets, s);
      float* const out = relation_grad.row(s);
      for (std::int64_t c = row.begin; c < row.end; ++c) out[relations.data()[c]] += grad.data()[c];
    }
  });
}

void entity_query_backward(Floats grad, Offsets offsets, IdSpan entities, Matrix<const float> entity_table,
                           Matrix<float> query_grad) {
  for_rows(offsets, kGrain, [&](std::int64_t first, std::int64_t last) {
    const RaggedRows rows{offsets.data(), first, last, entities.data(), entity_table.columns};
    ragged_loops().weighted_sums(rows, grad.data(), entity_table.data, query_grad.data);
  });
}

void entity_table_backward(Floats grad, Offsets offsets, IdSpan entities, Matrix<const float> entity_query,
                           Matrix<float> table_grad) {
  for_owned(table_grad.rows, entities.size(), [&](std::int32_t low, std::int32_t high) {
    const RaggedRows rows{offsets.data(), 0, entity_query.rows, entities.data(), entity_query.columns};
    ragged_loops().scatter(rows, grad.data(), entity_query.data, low, high, table_grad.data);
  });
}

}  // namespace kgwalk::ragged
