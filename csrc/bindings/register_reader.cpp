#include <pybind11/stl.h>

#include "bindings/arrays.h"
#include "core/errors.h"
#include "core/reader.h"

namespace kgwalk {

void register_reader(py::module_& m) {
  py::register_exception<FormatError>(m, "FormatError", PyExc_ValueError);

  py::class_<TripleReader>(m, "TripleReader")
      .def(py::init<>())
      .def(
          "add",
          [](TripleReader& reader, const py::bytes& data, const std::string& path, const std::string& delimiter,
             const std::array<int, 3>& columns, bool header, int num_columns, std::int64_t first_line) {
            if (delimiter.size() != 1) {
              throw std::invalid_argument("delimiter: expected one ASCII character, got '" + delimiter + "'");
            }
            const std::string_view text = data;
            std::vector<Triple> triples;
            {
              const py::gil_scoped_release release;
              triples = reader.add(text, path, {delimiter[0], columns, num_columns, header}, first_line);
            }
            return triples_to_numpy(std::move(triples));
          },
          py::arg("data"), py::arg("path"), py::arg("delimiter") = "\t",
          py::arg("columns") = std::array<int, 3>{0, 1, 2}, py::arg("header") = false, py::arg("num_columns") = 0,
          py::arg("first_line") = 1)
      .def(
          "entity_lines", [](const TripleReader& r, EntityId from) { return py::bytes(r.entity_lines(from)); },
          py::arg("first") = 0)
      .def(
          "relation_lines", [](const TripleReader& r, RelationId from) { return py::bytes(r.relation_lines(from)); },
          py::arg("first") = 0)
      .def(
          "restore",
          [](TripleReader& r, const py::bytes& entities, const py::bytes& relations) {
            r.restore(std::string_view(entities), std::string_view(relations));
          },
          py::arg("entities"), py::arg("relations"))
      .def_property_readonly("num_entities", &TripleReader::num_entities)
      .def_property_readonly("num_relations", &TripleReader::num_relations)
      .def_property_readonly("entities",
                             py::cpp_function(&TripleReader::entities, py::call_guard<py::gil_scoped_release>()))
      .def_property_readonly("relations",
                             py::cpp_function(&TripleReader::relations, py::call_guard<py::gil_scoped_release>()));
}

}  // namespace kgwalk
