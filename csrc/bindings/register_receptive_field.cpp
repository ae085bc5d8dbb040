#include <utility>

#include "bindings/arrays.h"
#include "core/receptive_field.h"

namespace kgwalk {
namespace {

using Ids = Array<std::int32_t>;

py::tuple edges_to_numpy(DrawnEdges&& edges, const std::vector<py::ssize_t>& shape) {
  return py::make_tuple(to_numpy(std::move(edges.relations), shape), to_numpy(std::move(edges.tails), shape));
}

}  // namespace

void register_receptive_field(py::module_& m) {
  m.def(
      "sample_neighbours",
      [](const Expand& expand, const Ids& entities, std::int64_t count, std::uint64_t seed, bool forward_only) {
        const auto heads = view(entities, "entities");
        DrawnEdges edges;
        {
          const py::gil_scoped_release release;
          edges = sample_neighbours(expand, heads, count, seed, forward_only);
        }
        return edges_to_numpy(std::move(edges), {entities.size(), static_cast<py::ssize_t>(count)});
      },
      py::arg("expand"), py::arg("entities"), py::arg("count"), py::arg("seed"), py::arg("forward_only") = false);

  m.def(
      "extend_field",
      [](const Expand& expand, const Ids& centres, const Ids& nodes, std::uint64_t seed, bool forward_only) {
        const auto middles = view(centres, "centres");
        const auto heads = view(nodes, "nodes", centres.size());
        DrawnEdges edges;
        {
          const py::gil_scoped_release release;
          edges = extend_field(expand, middles, heads, seed, forward_only);
        }
        return edges_to_numpy(std::move(edges), {nodes.size()});
      },
      py::arg("expand"), py::arg("centres"), py::arg("nodes"), py::arg("seed"), py::arg("forward_only") = false);

  m.def(
      "ripple_sets",
      [](const Expand& expand, const Array<std::int64_t>& offsets, const Ids& items, std::int64_t hops,
         std::int64_t size, std::uint64_t seed, bool forward_only) {
        const auto bounds = view(offsets, "offsets");
        const auto seeds = view(items, "items");
        RippleSets sets;
        {
          const py::gil_scoped_release release;
          sets = ripple_sets(expand, bounds, seeds, hops, size, seed, forward_only);
        }
        const std::vector<py::ssize_t> shape{offsets.size() - 1, static_cast<py::ssize_t>(hops),
                                             static_cast<py::ssize_t>(size)};
        return py::make_tuple(to_numpy(std::move(sets.heads), shape), to_numpy(std::move(sets.relations), shape),
                              to_numpy(std::move(sets.tails), shape));
      },
      py::arg("expand"), py::arg("offsets"), py::arg("items"), py::arg("hops"), py::arg("size"), py::arg("seed"),
      py::arg("forward_only") = false);
}

}  // namespace kgwalk
