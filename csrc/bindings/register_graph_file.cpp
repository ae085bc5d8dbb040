#include <pybind11/stl.h>
#include <pybind11/stl/filesystem.h>

#include <filesystem>

#include "bindings/arrays.h"
#include "core/errors.h"
#include "core/graph_file.h"
#include "core/view_file.h"

namespace kgwalk {
namespace {

/// The OSError that Python's own open() would raise: FileNotFoundError, PermissionError and so on.
void raise_io_error(std::exception_ptr p) {
  try {
    if (p) std::rethrow_exception(p);
  } catch (const IoError& e) {
    errno = e.code().value();
    PyErr_SetFromErrnoWithFilename(PyExc_OSError, e.path().c_str());
  }
}

}  // namespace

void register_graph_file(py::module_& m) {
  py::register_exception_translator(&raise_io_error);

  m.def(
      "save_graph",
      [](const std::filesystem::path& path, const Graph& graph, std::optional<Names> entities,
         std::optional<Names> relations, std::optional<Names> labels) {
        save_graph(path.string(), {graph, std::move(entities), std::move(relations), std::move(labels)});
      },
      py::arg("path"), py::arg("graph"), py::arg("entities") = py::none(), py::arg("relations") = py::none(),
      py::arg("labels") = py::none(), py::call_guard<py::gil_scoped_release>());
  m.def(
      "open_graph",
      [](const std::filesystem::path& path, std::optional<bool> verify) {
        const Verify how = !verify ? Verify::kAuto : *verify ? Verify::kContents : Verify::kHeader;
        GraphFile f = [&] {
          const py::gil_scoped_release release;
          return open_graph(path.string(), how);
        }();
        return py::make_tuple(std::move(f.graph), std::move(f.entities), std::move(f.relations), std::move(f.labels),
                              f.checksum);
      },
      py::arg("path"), py::arg("verify") = py::none());
  m.def(
      "open_view",
      [](const std::filesystem::path& path, const Graph& graph, std::uint64_t checksum, int max_out_degree,
         std::optional<bool> verify) {
        const Verify how = !verify ? Verify::kAuto : *verify ? Verify::kContents : Verify::kHeader;
        const py::gil_scoped_release release;
        return open_view(path.string(), {graph, {}, {}, {}, checksum}, max_out_degree, how);
      },
      py::arg("path"), py::arg("graph"), py::arg("checksum"), py::arg("max_out_degree"),
      py::arg("verify") = py::none());
  m.def("fingerprint", &fingerprint, py::arg("graph"), py::call_guard<py::gil_scoped_release>());
}

}  // namespace kgwalk
