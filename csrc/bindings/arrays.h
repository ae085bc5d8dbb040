#pragma once

#include <pybind11/numpy.h>
#include <pybind11/pybind11.h>

#include <cstdint>
#include <memory>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "core/actions.h"
#include "core/graph.h"
#include "core/span.h"

namespace kgwalk {

namespace py = pybind11;

/// An input array as taken from Python. Its dtype must be exactly T's (integers are never silently cut or rounded),
/// which check_shape() says by the argument's name; one that is not contiguous is copied.
template <class T>
class Array {
 public:
  Array() = default;
  explicit Array(py::array given) : given_(std::move(given)) {
    if (!py::isinstance<py::array_t<T>>(given_)) return;
    constexpr int kFlags = py::array::c_style | py::detail::npy_api::NPY_ARRAY_ALIGNED_;
    checked_ = py::array_t<T, kFlags>::ensure(given_);
    if (!checked_) throw py::error_already_set();
  }

  py::ssize_t ndim() const { return given_.ndim(); }
  py::ssize_t size() const { return given_.size(); }
  const py::ssize_t* shape() const { return given_.shape(); }
  py::ssize_t shape(py::ssize_t axis) const { return given_.shape(axis); }
  const T* data() const {
    check_dtype("array");
    return static_cast<const T*>(checked_.data());
  }
  void check_dtype(const char* name) const {
    if (checked_) return;
    throw std::invalid_argument(std::string(name) + ": expected dtype " + std::string(py::str(py::dtype::of<T>())) +
                                ", got " + std::string(py::str(given_.dtype())));
  }

 private:
  // Null until set: py::array's own default makes an array.
  py::array given_ = py::reinterpret_steal<py::array>(py::handle());
  py::array checked_ = py::reinterpret_steal<py::array>(py::handle());
};

/// A shape as Python writes it; an axis of any length, -1, reads n.
inline std::string shape_text(const py::ssize_t* shape, std::size_t ndim) {
  std::string s = "(";
  for (std::size_t i = 0; i < ndim; ++i) s += (i == 0 ? "" : ", ") + (shape[i] < 0 ? "n" : std::to_string(shape[i]));
  return s + (ndim == 1 ? ",)" : ")");
}

/// Checks dtype and shape once at the border; -1 matches any length.
template <class T>
void check_shape(const Array<T>& a, const char* name, const std::vector<py::ssize_t>& shape) {
  a.check_dtype(name);
  bool ok = a.ndim() == static_cast<py::ssize_t>(shape.size());
  for (std::size_t i = 0; ok && i < shape.size(); ++i) {
    ok = shape[i] < 0 || a.shape(static_cast<py::ssize_t>(i)) == shape[i];
  }
  if (ok) return;
  throw std::invalid_argument(std::string(name) + ": expected shape " + shape_text(shape.data(), shape.size()) +
                              ", got " + shape_text(a.shape(), static_cast<std::size_t>(a.ndim())));
}

/// A one-dimensional input as a span; `length` -1 takes any.
template <class T>
Span<const T> view(const Array<T>& a, const char* name, py::ssize_t length = -1) {
  check_shape(a, name, {length});
  return {a.data(), static_cast<std::size_t>(a.size())};
}

/// An (n, 3) int32 input as triples.
inline Span<const Triple> view_triples(const Array<std::int32_t>& a, const char* name) {
  check_shape(a, name, {-1, 3});
  static_assert(sizeof(Triple) == 3 * sizeof(std::int32_t), "triples are three packed ids");
  return {reinterpret_cast<const Triple*>(a.data()), static_cast<std::size_t>(a.shape(0))};
}

/// An (n, 3) int32 input as queries.
inline Span<const Query> view_queries(const Array<std::int32_t>& queries) {
  const auto triples = view_triples(queries, "queries");
  static_assert(sizeof(Query) == sizeof(Triple), "a query is three packed ids");
  return {reinterpret_cast<const Query*>(triples.data()), triples.size()};
}

/// Runs kernel(span of the result) without the GIL and gives the result, (n,).
template <class T, class Kernel>
py::array_t<T> make_array(py::ssize_t n, const Kernel& kernel) {
  py::array_t<T> out(n);
  const Span<T> to(out.mutable_data(), static_cast<std::size_t>(n));
  {
    const py::gil_scoped_release release;
    kernel(to);
  }
  return out;
}

/// Hands a vector to numpy without a copy: the capsule owns it.
template <class T>
py::array_t<T> to_numpy(std::vector<T>&& v, std::vector<py::ssize_t> shape = {}) {
  auto owned = std::make_unique<std::vector<T>>(std::move(v));
  T* data = owned->data();
  if (shape.empty()) shape = {static_cast<py::ssize_t>(owned->size())};
  const py::capsule owner(owned.get(), [](void* p) { delete static_cast<std::vector<T>*>(p); });
  static_cast<void>(owned.release());
  return py::array_t<T>(shape, data, owner);
}

/// Triples as an (n, 3) int32 array, without a copy: the capsule owns them.
inline py::array_t<std::int32_t> triples_to_numpy(std::vector<Triple>&& v) {
  auto owned = std::make_unique<std::vector<Triple>>(std::move(v));
  const auto* data = reinterpret_cast<const std::int32_t*>(owned->data());
  const std::vector<py::ssize_t> shape{static_cast<py::ssize_t>(owned->size()), 3};
  const py::capsule owner(owned.get(), [](void* p) { delete static_cast<std::vector<Triple>*>(p); });
  static_cast<void>(owned.release());
  return py::array_t<std::int32_t>(shape, data, owner);
}

/// A read-only array over memory that `owner` keeps alive.
template <class T>
py::array_t<T> borrow(const T* data, std::vector<py::ssize_t> shape, py::handle owner) {
  py::array_t<T> a(shape, data, owner);
  a.attr("setflags")(py::arg("write") = false);
  return a;
}

}  // namespace kgwalk

namespace pybind11::detail {

/// Takes any numpy array, so that a wrong dtype is a ValueError of ours that names the argument.
template <class T>
struct type_caster<kgwalk::Array<T>> {
  PYBIND11_TYPE_CASTER(kgwalk::Array<T>,
                       const_name("numpy.typing.NDArray[") + npy_format_descriptor<T>::name + const_name("]"));
  bool load(handle source, bool) {
    if (!isinstance<array>(source)) return false;
    value = kgwalk::Array<T>(reinterpret_borrow<array>(source));
    return true;
  }
};

}  // namespace pybind11::detail
