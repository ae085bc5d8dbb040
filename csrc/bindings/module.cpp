#include <pybind11/pybind11.h>

namespace kgwalk {
void register_threads(pybind11::module_& m);
void register_graph(pybind11::module_& m);
void register_graph_file(pybind11::module_& m);
void register_graph_builder(pybind11::module_& m);
void register_names(pybind11::module_& m);
void register_reader(pybind11::module_& m);
void register_expand(pybind11::module_& m);
void register_receptive_field(pybind11::module_& m);
void register_ragged(pybind11::module_& m);
void register_pair_scores(pybind11::module_& m);
void register_walk(pybind11::module_& m);
void register_beam(pybind11::module_& m);
void register_metapaths(pybind11::module_& m);
void register_rules(pybind11::module_& m);
void register_rule_mining(pybind11::module_& m);
}  // namespace kgwalk

PYBIND11_MODULE(_core, m) {
  m.doc() = "The C++ graph core of kgwalk. Typed and documented in _core.pyi.";
  kgwalk::register_threads(m);
  kgwalk::register_names(m);
  kgwalk::register_reader(m);
  kgwalk::register_graph(m);
  kgwalk::register_graph_file(m);
  kgwalk::register_expand(m);
  kgwalk::register_graph_builder(m);
  kgwalk::register_receptive_field(m);
  kgwalk::register_ragged(m);
  kgwalk::register_pair_scores(m);
  kgwalk::register_walk(m);
  kgwalk::register_beam(m);
  kgwalk::register_metapaths(m);
  kgwalk::register_rules(m);
  kgwalk::register_rule_mining(m);
}
