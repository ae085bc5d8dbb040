#include <pybind11/pybind11.h>
#include <pybind11/stl.h>

#include "core/instruction_sets.h"
#include "core/thread_pool.h"

namespace kgwalk {

namespace py = pybind11;

void register_threads(py::module_& m) {
  m.def("num_threads", &num_threads);
  m.def("set_num_threads", &set_num_threads, py::arg("n"));
  m.def("instruction_sets", [] {
    std::vector<std::string> names;
    for (const InstructionSet set : available_instruction_sets()) names.push_back(name_of(set));
    return names;
  });
  m.def("use_instruction_set", &use_instruction_set, py::arg("name"));
}

}  // namespace kgwalk
