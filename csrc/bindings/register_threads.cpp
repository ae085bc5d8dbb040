#include <pybind11/pybind11.h>

#include "core/thread_pool.h"

namespace kgwalk {

namespace py = pybind11;

void register_threads(py::module_& m) {
  m.def("num_threads", &num_threads);
  m.def("set_num_threads", &set_num_threads, py::arg("n"));
}

}  // namespace kgwalk
