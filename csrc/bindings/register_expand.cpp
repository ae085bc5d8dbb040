#include <pybind11/stl.h>

#include "bindings/arrays.h"
#include "core/actions.h"
#include "core/expand.h"
#include "core/overlay.h"
#include "core/path_finder.h"
#include "core/path_sampler.h"

namespace kgwalk {
namespace {

using Ids = Array<std::int32_t>;

py::tuple ragged_to_numpy(Ragged&& r) {
  return py::make_tuple(to_numpy(std::move(r.offsets)), to_numpy(std::move(r.relations)), to_numpy(std::move(r.tails)));
}

}  // namespace

void register_expand(py::module_& m) {
  py::class_<Overlay, std::shared_ptr<Overlay>>(m, "Overlay")
      .def(py::init([](const Graph& graph, const Ids& hidden, const Ids& added, std::vector<int> added_types) {
             return std::make_shared<Overlay>(graph, view_triples(hidden, "hidden"), view_triples(added, "added"),
                                              std::move(added_types));
           }),
           py::arg("graph"), py::arg("hidden"), py::arg("added"), py::arg("added_types") = std::vector<int>{})
      .def_property_readonly("num_entities", &Overlay::num_entities)
      .def_property_readonly("heads",
                             [](const Overlay& o) { return to_numpy(std::vector<EntityId>(o.rows().heads())); });

  py::class_<Expand>(m, "Expand")
      .def(py::init([](const Graph& graph, std::shared_ptr<Overlay> overlay, int max_out_degree,
                       const std::optional<Array<float>>& edge_scores) {
             const auto scores = edge_scores
                                     ? view(*edge_scores, "edge_scores", static_cast<py::ssize_t>(graph.num_edges()))
                                     : Span<const float>{};
             const py::gil_scoped_release release;
             return Expand(graph, std::move(overlay), max_out_degree, scores);
           }),
           py::arg("graph"), py::arg("overlay") = py::none(), py::arg("max_out_degree") = 0,
           py::arg("edge_scores") = py::none())
      .def_property_readonly("graph", &Expand::graph)
      .def_property_readonly("overlay", [](const Expand& e) { return std::const_pointer_cast<Overlay>(e.overlay()); })
      .def(
          "with_overlay",
          [](const Expand& e, std::shared_ptr<Overlay> overlay) {
            const py::gil_scoped_release release;
            return e.with_overlay(std::move(overlay));
          },
          py::arg("overlay"))
      .def_property_readonly("num_entities", &Expand::num_entities)
      .def_property_readonly("max_out_degree", &Expand::max_out_degree)
      .def("edge_table",
           [](const Expand& e) {
             std::vector<Edge> edges(e.graph().edges().begin(), e.graph().edges().end());
             const std::vector<Edge> replaced = e.replaced_edges();
             edges.insert(edges.end(), replaced.begin(), replaced.end());
             std::vector<std::int32_t> flat(2 * edges.size());
             for (std::size_t i = 0; i < edges.size(); ++i) {
               flat[2 * i] = edges[i].relation;
               flat[2 * i + 1] = edges[i].tail;
             }
             return to_numpy(std::move(flat), {static_cast<py::ssize_t>(edges.size()), 2});
           })
      .def(
          "__call__",
          [](const Expand& e, const Ids& frontier, const Ids& relations, const std::optional<Ids>& exclude,
             bool capped) {
            const auto heads = view(frontier, "frontier");
            const auto wanted = view(relations, "relations");
            const auto hidden = exclude ? view_triples(*exclude, "exclude") : Span<const Triple>{};
            Ragged out;
            {
              const py::gil_scoped_release release;
              out = e.expand(heads, wanted, hidden, capped);
            }
            return ragged_to_numpy(std::move(out));
          },
          py::arg("frontier"), py::arg("relations"), py::arg("exclude") = py::none(), py::arg("capped") = true);

  py::class_<ActionSets, std::shared_ptr<ActionSets>>(m, "ActionSets")
      .def(py::init([](const Expand& expand, bool hide_fact, bool hide_answers) {
             return std::make_shared<ActionSets>(expand, ActionRules{hide_fact, hide_answers});
           }),
           py::arg("expand"), py::arg("hide_fact") = true, py::arg("hide_answers") = true)
      .def_property_readonly("expand", &ActionSets::expand)
      .def_property_readonly("graph", &ActionSets::graph)
      .def(
          "candidates",
          [](const ActionSets& actions, const Ids& at, const Ids& query_of, const Ids& queries, bool last_hop) {
            const auto nodes = view(at, "at");
            const auto index = view(query_of, "query_of", at.size());
            const auto wanted = view_queries(queries);
            Ragged out;
            {
              const py::gil_scoped_release release;
              out = actions.candidates(nodes, index, wanted, last_hop);
            }
            return ragged_to_numpy(std::move(out));
          },
          py::arg("at"), py::arg("query_of"), py::arg("queries"), py::arg("last_hop"))
      .def(
          "relations",
          [](const ActionSets& actions, const Ids& at, const Ids& query_of, const Ids& queries, bool last_hop) {
            const auto nodes = view(at, "at");
            const auto index = view(query_of, "query_of", at.size());
            const auto wanted = view_queries(queries);
            OpenRelations out;
            {
              const py::gil_scoped_release release;
              out = actions.relations(nodes, index, wanted, last_hop);
            }
            return py::make_tuple(to_numpy(std::move(out.offsets)), to_numpy(std::move(out.relations)),
                                  to_numpy(std::move(out.counts)));
          },
          py::arg("at"), py::arg("query_of"), py::arg("queries"), py::arg("last_hop"))
      .def(
          "tails",
          [](const ActionSets& actions, const Ids& at, const Ids& relations, const Ids& query_of, const Ids& queries,
             bool last_hop) {
            const auto nodes = view(at, "at");
            const auto along = view(relations, "relations", at.size());
            const auto index = view(query_of, "query_of", at.size());
            const auto wanted = view_queries(queries);
            OpenTails out;
            {
              const py::gil_scoped_release release;
              out = actions.tails(nodes, along, index, wanted, last_hop);
            }
            return py::make_tuple(to_numpy(std::move(out.offsets)), to_numpy(std::move(out.entities)));
          },
          py::arg("at"), py::arg("relations"), py::arg("query_of"), py::arg("queries"), py::arg("last_hop"));

  m.def(
      "find_paths",
      [](const ActionSets& actions, const Ids& queries, int hops, int max_paths, int max_branch, std::uint64_t seed) {
        const auto wanted = view_queries(queries);
        FoundPaths found;
        {
          const py::gil_scoped_release release;
          found = find_paths(actions, wanted, {hops, max_paths, max_branch}, seed);
        }
        const auto n = static_cast<py::ssize_t>(found.query.size());
        return py::make_tuple(to_numpy(std::move(found.query)), to_numpy(std::move(found.entities), {n, hops + 1}),
                              to_numpy(std::move(found.relations), {n, hops}));
      },
      py::arg("actions"), py::arg("queries"), py::arg("hops") = 3, py::arg("max_paths") = 64,
      py::arg("max_branch") = 256, py::arg("seed") = 0);

  m.def(
      "sample_paths",
      [](const ActionSets& actions, const Ids& queries, int hops, int max_paths, int max_branch, std::uint64_t seed) {
        const auto wanted = view_queries(queries);
        SampledPaths found;
        {
          const py::gil_scoped_release release;
          found = sample_paths(actions, wanted, {hops, max_paths, max_branch}, seed);
        }
        const auto n = static_cast<py::ssize_t>(found.paths.query.size());
        return py::make_tuple(
            to_numpy(std::move(found.paths.query)), to_numpy(std::move(found.paths.entities), {n, hops + 1}),
            to_numpy(std::move(found.paths.relations), {n, hops}), to_numpy(std::move(found.log_weight)));
      },
      py::arg("actions"), py::arg("queries"), py::arg("hops") = 3, py::arg("max_paths") = 64,
      py::arg("max_branch") = 32, py::arg("seed") = 0);
}

}  // namespace kgwalk
