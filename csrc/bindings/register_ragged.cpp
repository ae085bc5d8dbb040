#include <pybind11/stl.h>

#include "bindings/arrays.h"
#include "core/ids.h"
#include "core/ragged.h"
#include "core/ragged_logits.h"

namespace kgwalk {
namespace {

using FloatArray = Array<float>;
using FloatTarget = py::array_t<float, py::array::c_style>;  // written to: never a converted copy
using OptionalFloats = std::optional<FloatArray>;
using OffsetArray = Array<std::int64_t>;
using IdArray = Array<std::int32_t>;

ragged::Offsets view_offsets(const OffsetArray& offsets, py::ssize_t size) {
  const auto span = view(offsets, "offsets");
  ragged::check_offsets(span, size);
  return span;
}

ragged::Matrix<const float> view_matrix(const FloatArray& a, const char* name, py::ssize_t rows = -1,
                                        py::ssize_t columns = -1) {
  check_shape(a, name, {rows, columns});
  return {a.data(), a.shape(0), a.shape(1)};
}

/// A matrix to be written; -1 matches any number of rows or columns.
ragged::Matrix<float> target_matrix(FloatTarget& a, const char* name, py::ssize_t rows, py::ssize_t columns) {
  check_shape(FloatArray(a), name, {rows, columns});
  return {a.mutable_data(), a.shape(0), a.shape(1)};
}

Span<const std::int32_t> view_ids(const IdArray& ids, const char* name, py::ssize_t length, std::int64_t limit) {
  const auto span = view(ids, name, length);
  check_ids(span, limit, name);
  return span;
}

/// f(values (C,), offsets (S + 1,)), giving (S,).
template <class Kernel>
void def_by_row(py::module_& m, const char* name, Kernel kernel) {
  m.def(
      name,
      [kernel](const FloatArray& values, const OffsetArray& offsets) {
        const auto in = view(values, "values");
        const auto rows = view_offsets(offsets, values.size());
        return make_array<float>(offsets.size() - 1, [&](Span<float> out) { kernel(in, rows, out); });
      },
      py::arg("values").noconvert(), py::arg("offsets").noconvert());
}

void register_segments(py::module_& m) {
  def_by_row(m, "ragged_segment_sum", ragged::segment_sum);
  def_by_row(m, "ragged_log_sum_exp", ragged::log_sum_exp);
  def_by_row(m, "ragged_entropy", ragged::entropy);

  m.def(
      "ragged_repeat",
      [](const FloatArray& rows, const OffsetArray& offsets, py::ssize_t size) {
        const auto in = view(rows, "rows", offsets.size() - 1);
        const auto ends = view_offsets(offsets, size);
        return make_array<float>(size, [&](Span<float> out) { ragged::segment_repeat(in, ends, out); });
      },
      py::arg("rows").noconvert(), py::arg("offsets").noconvert(), py::arg("size"));
  m.def(
      "ragged_log_softmax",
      [](const FloatArray& logits, const OffsetArray& offsets) {
        const auto in = view(logits, "logits");
        const auto rows = view_offsets(offsets, logits.size());
        return make_array<float>(logits.size(), [&](Span<float> out) { ragged::log_softmax(in, rows, out); });
      },
      py::arg("logits").noconvert(), py::arg("offsets").noconvert());
  m.def(
      "ragged_log_softmax_backward",
      [](const FloatArray& log_probs, const FloatArray& grad, const OffsetArray& offsets) {
        const auto in = view(log_probs, "log_probs");
        const auto from = view(grad, "grad", log_probs.size());
        const auto rows = view_offsets(offsets, log_probs.size());
        return make_array<float>(log_probs.size(),
                                 [&](Span<float> out) { ragged::log_softmax_backward(in, from, rows, out); });
      },
      py::arg("log_probs").noconvert(), py::arg("grad").noconvert(), py::arg("offsets").noconvert());
  m.def(
      "ragged_log_sum_exp_backward",
      [](const FloatArray& values, const FloatArray& result, const FloatArray& grad, const OffsetArray& offsets) {
        const auto in = view(values, "values");
        const auto rows = view_offsets(offsets, values.size());
        const auto norm = view(result, "result", offsets.size() - 1);
        const auto from = view(grad, "grad", offsets.size() - 1);
        return make_array<float>(values.size(),
                                 [&](Span<float> out) { ragged::log_sum_exp_backward(in, norm, from, rows, out); });
      },
      py::arg("values").noconvert(), py::arg("result").noconvert(), py::arg("grad").noconvert(),
      py::arg("offsets").noconvert());
  m.def(
      "ragged_entropy_backward",
      [](const FloatArray& log_probs, const FloatArray& grad, const OffsetArray& offsets) {
        const auto in = view(log_probs, "log_probs");
        const auto rows = view_offsets(offsets, log_probs.size());
        const auto from = view(grad, "grad", offsets.size() - 1);
        return make_array<float>(log_probs.size(),
                                 [&](Span<float> out) { ragged::entropy_backward(in, from, rows, out); });
      },
      py::arg("log_probs").noconvert(), py::arg("grad").noconvert(), py::arg("offsets").noconvert());
  m.def(
      "ragged_sample",
      [](const FloatArray& log_probs, const OffsetArray& offsets, const OffsetArray& rows, std::uint64_t seed,
         const Array<std::uint64_t>& streams, std::uint64_t counter) {
        const auto in = view(log_probs, "log_probs");
        const auto ends = view_offsets(offsets, log_probs.size());
        const auto wanted = view(rows, "rows");
        const auto keys = view(streams, "streams", rows.size());
        return make_array<std::int64_t>(
            rows.size(), [&](Span<std::int64_t> out) { ragged::sample(in, ends, wanted, seed, keys, counter, out); });
      },
      py::arg("log_probs").noconvert(), py::arg("offsets").noconvert(), py::arg("rows").noconvert(), py::arg("seed"),
      py::arg("streams").noconvert(), py::arg("counter"));
}

void register_logits(py::module_& m) {
  m.def(
      "ragged_edge_logits",
      [](const FloatArray& relation_scores, const OptionalFloats& entity_query, const OptionalFloats& entity_table,
         const OffsetArray& offsets, const IdArray& relations, const IdArray& entities) {
        const auto rows = view_offsets(offsets, relations.size());
        const auto scores = view_matrix(relation_scores, "relation_scores", offsets.size() - 1);
        const auto along = view_ids(relations, "relations", -1, scores.columns);
        if (entity_query.has_value() != entity_table.has_value()) {
          throw std::invalid_argument("entity_query and entity_table: expected both or neither");
        }
        ragged::Matrix<const float> query, table;
        Span<const std::int32_t> to;
        if (entity_query) {
          table = view_matrix(*entity_table, "entity_table");
          query = view_matrix(*entity_query, "entity_query", offsets.size() - 1, table.columns);
          to = view_ids(entities, "entities", relations.size(), table.rows);
        }
        return make_array<float>(relations.size(), [&](Span<float> out) {
          ragged::edge_logits(scores, query, table, rows, along, to, out);
        });
      },
      py::arg("relation_scores").noconvert(), py::arg("entity_query").noconvert(), py::arg("entity_table").noconvert(),
      py::arg("offsets").noconvert(), py::arg("relations").noconvert(), py::arg("entities").noconvert());
  m.def(
      "ragged_relation_scores_backward",
      [](const FloatArray& grad, const OffsetArray& offsets, const IdArray& relations, FloatTarget relation_grad) {
        const auto from = view(grad, "grad");
        const auto rows = view_offsets(offsets, grad.size());
        const auto target = target_matrix(relation_grad, "relation_grad", offsets.size() - 1, -1);
        const auto along = view_ids(relations, "relations", grad.size(), target.columns);
        const py::gil_scoped_release release;
        ragged::relation_scores_backward(from, rows, along, target);
      },
      py::arg("grad").noconvert(), py::arg("offsets").noconvert(), py::arg("relations").noconvert(),
      py::arg("relation_grad").noconvert());
  m.def(
      "ragged_entity_query_backward",
      [](const FloatArray& grad, const OffsetArray& offsets, const IdArray& entities, const FloatArray& entity_table,
         FloatTarget query_grad) {
        const auto from = view(grad, "grad");
        const auto rows = view_offsets(offsets, grad.size());
        const auto table = view_matrix(entity_table, "entity_table");
        const auto target = target_matrix(query_grad, "query_grad", offsets.size() - 1, table.columns);
        const auto to = view_ids(entities, "entities", grad.size(), table.rows);
        const py::gil_scoped_release release;
        ragged::entity_query_backward(from, rows, to, table, target);
      },
      py::arg("grad").noconvert(), py::arg("offsets").noconvert(), py::arg("entities").noconvert(),
      py::arg("entity_table").noconvert(), py::arg("query_grad").noconvert());
  m.def(
      "ragged_entity_table_backward",
      [](const FloatArray& grad, const OffsetArray& offsets, const IdArray& entities, const FloatArray& entity_query,
         FloatTarget table_grad) {
        const auto from = view(grad, "grad");
        const auto rows = view_offsets(offsets, grad.size());
        const auto query = view_matrix(entity_query, "entity_query", offsets.size() - 1);
        const auto target = target_matrix(table_grad, "table_grad", -1, query.columns);
        const auto to = view_ids(entities, "entities", grad.size(), target.rows);
        const py::gil_scoped_release release;
        ragged::entity_table_backward(from, rows, to, query, target);
      },
      py::arg("grad").noconvert(), py::arg("offsets").noconvert(), py::arg("entities").noconvert(),
      py::arg("entity_query").noconvert(), py::arg("table_grad").noconvert());
}

}  // namespace

void register_ragged(py::module_& m) {
  register_segments(m);
  register_logits(m);
}

}  // namespace kgwalk
