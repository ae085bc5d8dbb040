#include <pybind11/stl.h>

#include "bindings/arrays.h"
#include "core/graph.h"

namespace kgwalk {

void register_graph(py::module_& m) {
  m.attr("ANY") = kAnyRelation;

  py::class_<Graph>(m, "Graph")
      .def_static(
          "from_triples",
          [](const Array<std::int32_t>& triples, EntityId num_entities, RelationId num_relations,
             std::vector<EntityId> type_offsets) {
            const auto facts = view_triples(triples, "triples");
            const py::gil_scoped_release release;
            return Graph::from_triples(facts, num_entities, num_relations, std::move(type_offsets));
          },
          py::arg("triples"), py::arg("num_entities"), py::arg("num_relations"),
          py::arg("type_offsets") = std::vector<EntityId>{})
      .def("__repr__",
           [](const Graph& g) {
             return "<Graph: " + std::to_string(g.num_entities()) + " entities, " + std::to_string(g.num_relations()) +
                    " relations, " + std::to_string(g.num_facts()) + " facts>";
           })
      .def_property_readonly("num_entities", &Graph::num_entities)
      .def_property_readonly("num_relations", &Graph::num_relations)
      .def_property_readonly("num_facts", &Graph::num_facts)
      .def_property_readonly("num_edges", &Graph::num_edges)
      .def_property_readonly("stay", &Graph::stay)
      .def_property_readonly("type_offsets", &Graph::type_offsets)
      .def_property_readonly("offsets",
                             [](const py::object& self) {
                               const auto& g = self.cast<const Graph&>();
                               return borrow(g.offsets().data(), {static_cast<py::ssize_t>(g.offsets().size())}, self);
                             })
      .def_property_readonly("edges",
                             [](const py::object& self) {
                               const auto& g = self.cast<const Graph&>();
                               return borrow(reinterpret_cast<const std::int32_t*>(g.edges().data()),
                                             {g.num_edges(), 2}, self);
                             })
      .def(
          "inverse",
          [](const Graph& g, RelationId r) {
            if (r != g.stay()) g.check_relation(r);
            return g.inverse(r);
          },
          py::arg("relation"))
      .def("type_of", &Graph::type_of, py::arg("entity"))
      .def(
          "find",
          [](const Graph& g, EntityId head, RelationId relation, EntityId tail) {
            return g.find(head, relation, tail);
          },
          py::arg("head"), py::arg("relation"), py::arg("tail"))
      .def(
          "slice",
          [](const py::object& self, EntityId head, RelationId relation) {
            const auto& g = self.cast<const Graph&>();
            if (relation != kAnyRelation) g.check_relation(relation);
            const Span<const Edge> row = g.slice(head, relation);
            return borrow(reinterpret_cast<const std::int32_t*>(row.data()), {static_cast<py::ssize_t>(row.size()), 2},
                          self);
          },
          py::arg("head"), py::arg("relation") = kAnyRelation)
      .def(
          "pagerank",
          [](const Graph& g, double damping, int iterations) {
            std::vector<double> rank;
            {
              const py::gil_scoped_release release;
              rank = g.pagerank(damping, iterations);
            }
            return to_numpy(std::move(rank));
          },
          py::arg("damping") = 0.85, py::arg("iterations") = 50);
}

}  // namespace kgwalk
