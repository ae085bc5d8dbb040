#include <pybind11/functional.h>
#include <pybind11/stl.h>
#include <pybind11/stl/filesystem.h>

#include <filesystem>

#include "bindings/arrays.h"
#include "core/graph_builder.h"
#include "core/view_file.h"

namespace kgwalk {
namespace {

using FilePath = std::filesystem::path;

std::vector<std::string> strings(const std::vector<FilePath>& paths) { return {paths.begin(), paths.end()}; }

/// An int64 array (n,) that is written to.
Span<std::int64_t> writable(py::array_t<std::int64_t>& degrees) {
  if (degrees.ndim() != 1 || degrees.strides(0) != sizeof(std::int64_t)) {
    throw std::invalid_argument("degrees: expected one contiguous axis");
  }
  return {degrees.mutable_data(), static_cast<std::size_t>(degrees.size())};
}

}  // namespace

void register_graph_builder(py::module_& m) {
  m.def(
      "count_degrees",
      [](const FilePath& facts, std::int64_t begin, std::int64_t end, RelationId num_relations,
         py::array_t<std::int64_t>& degrees) {
        const auto counts = writable(degrees);
        const py::gil_scoped_release release;
        count_degrees(facts.string(), begin, end, num_relations, counts);
      },
      py::arg("facts"), py::arg("begin"), py::arg("end"), py::arg("num_relations"), py::arg("degrees").noconvert());
  m.def(
      "partition_edges",
      [](const FilePath& facts, std::int64_t begin, std::int64_t end, RelationId num_relations,
         const Array<std::int32_t>& first_heads, const std::vector<FilePath>& buckets, std::size_t buffer) {
        const auto heads = view(first_heads, "first_heads");
        const py::gil_scoped_release release;
        partition_edges(facts.string(), begin, end, num_relations, heads, strings(buckets), buffer);
      },
      py::arg("facts"), py::arg("begin"), py::arg("end"), py::arg("num_relations"), py::arg("first_heads"),
      py::arg("buckets"), py::arg("buffer"));
  m.def(
      "sort_bucket",
      [](const FilePath& bucket, EntityId first, py::array_t<std::int64_t>& degrees, const FilePath& out) {
        const auto counts = writable(degrees);
        const py::gil_scoped_release release;
        sort_bucket(bucket.string(), first, counts, out.string());
      },
      py::arg("bucket"), py::arg("first"), py::arg("degrees").noconvert(), py::arg("out"));
  m.def(
      "write_graph",
      [](const FilePath& path, RelationId num_relations, const std::vector<EntityId>& type_offsets,
         const Array<std::int64_t>& offsets, const std::vector<FilePath>& edges, const std::optional<Names>& entities,
         const std::optional<Names>& relations) {
        const auto rows = view(offsets, "offsets");
        if (rows.empty()) throw std::invalid_argument("offsets: expected num_entities + 1");
        const py::gil_scoped_release release;
        write_graph(path.string(), num_relations, type_offsets, rows, strings(edges), entities, relations);
      },
      py::arg("path"), py::arg("num_relations"), py::arg("type_offsets"), py::arg("offsets"), py::arg("edges"),
      py::arg("entities") = py::none(), py::arg("relations") = py::none());
  m.def(
      "pagerank_of_file",
      [](const FilePath& graph, const FilePath& scratch, const std::function<void(int, int)>& progress) {
        std::vector<double> rank;
        {
          const py::gil_scoped_release release;
          rank = pagerank_of_file(graph.string(), scratch.string(), progress);
        }
        return to_numpy(std::move(rank));
      },
      py::arg("graph"), py::arg("scratch"), py::arg("progress") = py::none());
  m.def(
      "save_view",
      [](const FilePath& path, const FilePath& graph, int max_out_degree, const Array<double>& rank,
         const std::function<void(std::int64_t, std::int64_t)>& progress) {
        const auto ranks = view(rank, "rank");
        const py::gil_scoped_release release;
        save_view(path.string(), graph.string(), max_out_degree, ranks, progress);
      },
      py::arg("path"), py::arg("graph"), py::arg("max_out_degree"), py::arg("rank"), py::arg("progress") = py::none());
  m.def(
      "view_path", [](const FilePath& graph, int max_out_degree) { return view_path(graph.string(), max_out_degree); },
      py::arg("graph"), py::arg("max_out_degree"));
}

}  // namespace kgwalk
