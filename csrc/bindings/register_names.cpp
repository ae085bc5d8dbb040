#include <pybind11/stl.h>

#include <string_view>

#include "bindings/arrays.h"
#include "core/names.h"

namespace kgwalk {
namespace {

/// The strings of a Python list as views of their UTF-8. The tuple keeps them alive without the GIL, whatever happens
/// to the list meanwhile.
class Strings {
 public:
  explicit Strings(const py::list& list) : held_(list) {
    views_.reserve(held_.size());
    for (const py::handle item : held_) {
      py::ssize_t size = 0;
      const char* utf8 = PyUnicode_AsUTF8AndSize(item.ptr(), &size);
      if (utf8 == nullptr) throw py::error_already_set();  // no str, or lone surrogates
      views_.emplace_back(utf8, static_cast<std::size_t>(size));
    }
  }
  const std::vector<std::string_view>& views() const { return views_; }

 private:
  py::tuple held_;
  std::vector<std::string_view> views_;
};

}  // namespace

void register_names(py::module_& m) {
  py::class_<Names>(m, "Names")
      .def(py::init([](const py::list& list) {
             const Strings names(list);
             const py::gil_scoped_release release;
             return Names(names.views());
           }),
           py::arg("names"))
      .def("__repr__", [](const Names& table) { return "<Names: " + std::to_string(table.size()) + ">"; })
      .def("__len__", &Names::size)
      .def("__getitem__", &Names::operator[], py::arg("id"))
      .def("__iter__",
           [](const py::object& self) { return py::reinterpret_steal<py::object>(PySeqIter_New(self.ptr())); })
      .def("find", &Names::find, py::arg("name"))
      .def(
          "find_all",
          [](const Names& table, const py::list& list) {
            const Strings names(list);
            std::vector<std::int32_t> ids(names.views().size());
            {
              const py::gil_scoped_release release;
              for (std::size_t i = 0; i < ids.size(); ++i) ids[i] = table.find(names.views()[i]);
            }
            return to_numpy(std::move(ids));
          },
          py::arg("names"))
      .def("to_list", [](const Names& table) {
        py::list list(static_cast<std::size_t>(table.size()));
        for (std::int32_t id = 0; id < table.size(); ++id) {
          const std::string_view name = table[id];
          list[static_cast<std::size_t>(id)] = py::str(name.data(), name.size());
        }
        return list;
      });
}

}  // namespace kgwalk
