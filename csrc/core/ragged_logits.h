#pragma once

#include <cstdint>

#include "core/ragged.h"

namespace kgwalk::ragged {

/// A matrix of floats in row-major order that somebody else owns.
template <class T>
struct Matrix {
  T* data = nullptr;
  std::int64_t rows = 0, columns = 0;

  T* row(std::int64_t i) const { return data + i * columns; }
};

using IdSpan = Span<const std::int32_t>;

/// out[c] = relation_scores[s, relations[c]] + <entity_query[s], entity_table[entities[c]]>, s the row of c.
///
/// No row is copied: about 15 ns per candidate at 200 dimensions while the table stays in cache.
/// @param relation_scores  (S, V)
/// @param entity_query     (S, d); no data: the product is left out
/// @param entity_table     (n, d)
/// @param relations        (C,) in [0, V); `entities` (C,) in [0, n)
/// @param out              (C,)
void edge_logits(Matrix<const float> relation_scores, Matrix<const float> entity_query,
                 Matrix<const float> entity_table, Offsets offsets, IdSpan relations, IdSpan entities, Span<float> out);

/// relation_grad[s, relations[c]] += grad[c]; every element of a row is written by one thread, in the order of c.
void relation_scores_backward(Floats grad, Offsets offsets, IdSpan relations, Matrix<float> relation_grad);

/// query_grad[s] += sum of grad[c] * entity_table[entities[c]] over row s, in the order of c.
void entity_query_backward(Floats grad, Offsets offsets, IdSpan entities, Matrix<const float> entity_table,
                           Matrix<float> query_grad);

/// table_grad[entities[c]] += grad[c] * entity_query[s], in the order of c: each thread owns a range of entities.
void entity_table_backward(Floats grad, Offsets offsets, IdSpan entities, Matrix<const float> entity_query,
                           Matrix<float> table_grad);

}  // namespace kgwalk::ragged
