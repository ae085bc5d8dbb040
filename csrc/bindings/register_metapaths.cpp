#include <pybind11/stl.h>

#include <optional>
#include <utility>
#include <vector>

#include "bindings/arrays.h"
#include "core/metapath_search.h"
#include "core/metapath_walks.h"
#include "core/pieces.h"

namespace kgwalk {
namespace {

using Ids = Array<std::int32_t>;
using Offsets = Array<std::int64_t>;
using Floats = Array<float>;

template <class T>
Span<const T> view_matrix(const Array<T>& a, const char* name, py::ssize_t rows, py::ssize_t columns) {
  check_shape(a, name, {rows, columns});
  return {a.data(), static_cast<std::size_t>(a.size())};
}

/// Metapaths laid side by side: number m is relations[offsets[m] : offsets[m + 1]].
std::vector<Metapath> view_metapaths(const Offsets& offsets, const Ids& relations) {
  const auto bounds = view(offsets, "offsets");
  const auto all = view(relations, "relations");
  check_offsets(bounds, all.size(), "offsets");
  std::vector<Metapath> metapaths;
  for (std::size_t m = 0; m + 1 < bounds.size(); ++m) {
    metapaths.push_back(
        all.subspan(static_cast<std::size_t>(bounds[m]), static_cast<std::size_t>(bounds[m + 1] - bounds[m])));
  }
  return metapaths;
}

}  // namespace

void register_metapaths(py::module_& m) {
  m.def(
      "sample_metapath",
      [](const Expand& expand, const Ids& metapath, const Ids& sources, const Ids& targets, std::int64_t count,
         std::uint64_t seed, RelationId hidden, std::int64_t max_fan_out) {
        const auto relations = view(metapath, "metapath");
        const auto from = view(sources, "sources"), to = view(targets, "targets");
        MetapathWalks walks;
        {
          const py::gil_scoped_release release;
          walks = sample_metapath(expand, relations, from, to, {count, max_fan_out}, hidden, seed);
        }
        const auto n = static_cast<py::ssize_t>(walks.pairs.size());
        const auto width = static_cast<py::ssize_t>(relations.size()) + 1;
        return py::make_tuple(to_numpy(std::move(walks.pairs)), to_numpy(std::move(walks.entities), {n, width}));
      },
      py::arg("expand"), py::arg("metapath").noconvert(), py::arg("sources").noconvert(),
      py::arg("targets").noconvert(), py::arg("count"), py::arg("seed") = 0, py::arg("hidden") = -1,
      py::arg("max_fan_out") = 0);

  m.def(
      "count_metapaths",
      [](const Expand& expand, const Offsets& offsets, const Ids& relations, const Ids& sources, const Ids& targets,
         RelationId hidden) {
        const std::vector<Metapath> metapaths = view_metapaths(offsets, relations);
        const auto from = view(sources, "sources"), to = view(targets, "targets");
        std::vector<std::int64_t> counts;
        {
          const py::gil_scoped_release release;
          counts = count_metapaths(expand, metapaths, from, to, hidden);
        }
        return to_numpy(std::move(counts), {sources.size(), static_cast<py::ssize_t>(metapaths.size())});
      },
      py::arg("expand"), py::arg("offsets").noconvert(), py::arg("relations").noconvert(),
      py::arg("sources").noconvert(), py::arg("targets").noconvert(), py::arg("hidden") = -1);

  m.def(
      "metapath_ends",
      [](const Expand& expand, const Ids& metapath, const Ids& sources) {
        const auto relations = view(metapath, "metapath");
        const auto from = view(sources, "sources");
        MetapathEnds ends;
        {
          const py::gil_scoped_release release;
          ends = metapath_ends(expand, relations, from);
        }
        return py::make_tuple(to_numpy(std::move(ends.offsets)), to_numpy(std::move(ends.entities)),
                              to_numpy(std::move(ends.counts)));
      },
      py::arg("expand"), py::arg("metapath").noconvert(), py::arg("sources").noconvert());

  m.def(
      "metapath_search",
      [](const Expand& expand, const Ids& parents, const Ids& relations, const Ids& users, const Ids& budgets,
         const Floats& node_queries, const Floats& entity_table, const Floats& log_norm,
         const std::optional<Floats>& entity_bias, RelationId interact, const std::optional<Offsets>& closed_offsets,
         const std::optional<Ids>& closed) {
        const MetapathTree tree(expand.graph(), view(parents, "parents"), view(relations, "relations"));
        const py::ssize_t n = users.size(), nodes = parents.size();
        check_shape(entity_table, "entity_table", {-1, -1});
        const py::ssize_t rows = entity_table.shape(0), dim = entity_table.shape(1);
        check_shape(node_queries, "node_queries", {n, nodes, dim});
        MetapathQueries queries;
        queries.users = view(users, "users");
        queries.budgets = view_matrix(budgets, "budgets", n, nodes);
        queries.log_norm = view_matrix(log_norm, "log_norm", n, nodes);
        queries.node_queries = node_queries.data();
        queries.entity_table = entity_table.data();
        if (entity_bias) queries.entity_bias = view(*entity_bias, "entity_bias", rows).data();
        queries.num_rows = rows;
        queries.dim = dim;
        queries.interact = interact;
        if (closed_offsets.has_value() != closed.has_value()) {
          throw std::invalid_argument("closed and closed_offsets go together");
        }
        if (closed) {
          queries.closed_offsets = view(*closed_offsets, "closed_offsets", n + 1);
          queries.closed = view(*closed, "closed");
        }
        MetapathPaths out;
        {
          const py::gil_scoped_release release;
          out = metapath_search(expand, tree, queries);
        }
        const auto p = static_cast<py::ssize_t>(out.users.size()), hops = static_cast<py::ssize_t>(tree.hops());
        return py::make_tuple(to_numpy(std::move(out.users)), to_numpy(std::move(out.nodes)),
                              to_numpy(std::move(out.entities), {p, hops + 1}),
                              to_numpy(std::move(out.relations), {p, hops}), to_numpy(std::move(out.log_prob)),
                              to_numpy(std::move(out.last_log_prob)));
      },
      py::arg("expand"), py::arg("parents").noconvert(), py::arg("relations").noconvert(), py::arg("users").noconvert(),
      py::arg("budgets").noconvert(), py::arg("node_queries").noconvert(), py::arg("entity_table").noconvert(),
      py::arg("log_norm").noconvert(), py::arg("entity_bias") = py::none(), py::arg("interact") = -1,
      py::arg("closed_offsets") = py::none(), py::arg("closed") = py::none());
}

}  // namespace kgwalk
