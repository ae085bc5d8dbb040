#pragma once

#include <pybind11/numpy.h>
#include <pybind11/pybind11.h>

#include <cstdint>
#include <memory>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "core/graph.h"
#include "core/span.h"

namespace kgwalk {

namespace py = pybind11;

/// An array as taken from Python: contiguous, of exactly this dtype (integers are never silently cut or rounded).
template <class T>
using Array = py::array_t<T, py::array::c_style>;

/// Checks the shape once at the border; -1 matches any length.
template <class T>
void check_shape(const Array<T>& a, const char* name, const std::vector<py::ssize_t>& shape) {
  bool ok = a.ndim() == static_cast<py::ssize_t>(shape.size());
  for (std::size_t i = 0; ok && i < shape.size(); ++i) {
    ok = shape[i] < 0 || a.shape(static_cast<py::ssize_t>(i)) == shape[i];
  }
  if (ok) return;
  const auto text = [](auto begin, auto end) {
    std::string s = "(";
    for (auto it = begin; it != end; ++it) s += (*it < 0 ? std::string("n") : std::to_string(*it)) + ", ";
    return s + ")";
  };
  throw std::invalid_argument(std::string(name) + ": expected shape " + text(shape.begin(), shape.end()) + ", got " +
                              text(a.shape(), a.shape() + a.ndim()));
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
