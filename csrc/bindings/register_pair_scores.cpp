#include "bindings/arrays.h"
#include "core/ids.h"
#include "core/pair_scores.h"

namespace kgwalk {
namespace {

template <class Id>
const Id* checked_ids(const Array<Id>& ids, const char* name, py::ssize_t length, std::int64_t limit) {
  const auto span = view(ids, name, length);
  check_ids(span, limit, name);
  return span.data();
}

/// The columns of a table; even where rows are complex numbers.
std::int64_t checked_dim(const Array<float>& table, const char* name, bool complex) {
  check_shape(table, name, {-1, -1});
  const std::int64_t dim = table.shape(1);
  if (complex && dim % 2 != 0) {
    throw std::invalid_argument(std::string(name) + ": expected an even number of columns, real parts and imaginary; " +
                                "got " + std::to_string(dim));
  }
  return dim;
}

}  // namespace

void register_pair_scores(py::module_& m) {
  m.def(
      "pair_scores",
      [](const std::string& name, const Array<float>& queries, const Array<std::int64_t>& rows,
         const Array<float>& table, const Array<std::int32_t>& targets) {
        const PairMeasure measure = pair_measure(name);
        const std::int64_t dim = checked_dim(table, "table", measure == PairMeasure::kModulus);
        check_shape(queries, "queries", {-1, dim});
        const py::ssize_t n = rows.size();
        const Pairs pairs{queries.data(), checked_ids(rows, "rows", n, queries.shape(0)), table.data(),
                          checked_ids(targets, "targets", n, table.shape(0)), dim};
        return make_array<float>(n, [&](Span<float> out) { pair_scores(measure, pairs, out); });
      },
      py::arg("measure"), py::arg("queries").noconvert(), py::arg("rows").noconvert(), py::arg("table").noconvert(),
      py::arg("targets").noconvert());
  m.def(
      "triple_scores",
      [](const std::string& name, const Array<float>& entities, const Array<float>& relations,
         const Array<std::int32_t>& heads, const Array<std::int32_t>& rels, const Array<std::int32_t>& tails) {
        const TripleScore score = triple_score(name);
        const bool complex =
            score == TripleScore::kComplEx || score == TripleScore::kRotate || score == TripleScore::kRotateModulus;
        const std::int64_t dim = checked_dim(entities, "entities", complex);
        check_shape(relations, "relations", {-1, dim});
        const py::ssize_t n = heads.size();
        const Facts facts{entities.data(),
                          relations.data(),
                          checked_ids(heads, "heads", n, entities.shape(0)),
                          checked_ids(rels, "rels", n, relations.shape(0)),
                          checked_ids(tails, "tails", n, entities.shape(0)),
                          dim};
        return make_array<float>(n, [&](Span<float> out) { triple_scores(score, facts, out); });
      },
      py::arg("kind"), py::arg("entities").noconvert(), py::arg("relations").noconvert(), py::arg("heads").noconvert(),
      py::arg("rels").noconvert(), py::arg("tails").noconvert());
}

}  // namespace kgwalk
