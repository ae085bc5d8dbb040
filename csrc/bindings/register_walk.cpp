#include <pybind11/stl.h>

#include <optional>
#include <string>

#include "bindings/walk_arrays.h"

namespace kgwalk {
namespace {

template <class T>
T parse(const char* what, const std::string& word, const std::vector<std::pair<const char*, T>>& words) {
  std::string known;
  for (const auto& [name, value] : words) {
    if (word == name) return value;
    known += (known.empty() ? "" : ", ") + std::string(name);
  }
  throw std::invalid_argument(std::string(what) + ": expected one of " + known + ", got " + word);
}

}  // namespace

void register_walk(py::module_& m) {
  py::register_exception<ResetNeeded>(m, "ResetNeeded", PyExc_RuntimeError);

  py::class_<WalkEnv>(m, "Walk")
      .def(py::init([](std::shared_ptr<ActionSets> actions, const Array<std::int32_t>& queries, std::int32_t num_envs,
                       std::int32_t horizon, const std::string& decision, const std::string& candidates,
                       const std::string& autoreset, bool training, bool in_order, double hit_reward, bool batched) {
             if (!actions) throw std::invalid_argument("actions: expected an ActionSets, got None");
             WalkConfig config;
             config.num_envs = num_envs;
             config.horizon = horizon;
             config.decision =
                 parse<Decision>("decision", decision, {{"edge", Decision::kEdge}, {"split", Decision::kSplit}});
             config.form = parse<Form>("candidates", candidates,
                                       {{"padded", Form::kPadded}, {"ragged", Form::kRagged}, {"index", Form::kIndex}});
             config.autoreset = parse<Autoreset>("autoreset", autoreset,
                                                 {{"NextStep", Autoreset::kNextStep},
                                                  {"SameStep", Autoreset::kSameStep},
                                                  {"Disabled", Autoreset::kDisabled}});
             config.training = training;
             config.in_order = in_order;
             config.hit_reward = hit_reward;
             if (!batched) config.max_planned = 0;  // one walker asks for a plan a walk, and there may be many of it
             return std::make_unique<WalkEnv>(std::move(actions), queries, config, batched);
           }),
           py::arg("actions"), py::arg("queries").noconvert(), py::kw_only(), py::arg("num_envs") = 1,
           py::arg("horizon") = 3, py::arg("decision") = "edge", py::arg("candidates") = "padded",
           py::arg("autoreset") = "NextStep", py::arg("training") = true, py::arg("in_order") = false,
           py::arg("hit_reward") = 1.0, py::arg("batched") = true)
      .def_property_readonly("num_envs", [](const WalkEnv& e) { return e.walk().size(); })
      .def_property_readonly("num_actions", [](const WalkEnv& e) { return e.walk().num_actions(); })
      .def_property_readonly("begun", [](const WalkEnv& e) { return e.walk().begun(); })
      .def(
          "seed",
          [](WalkEnv& e, const Array<std::uint64_t>& seeds, const Array<std::uint64_t>& streams,
             const Array<bool>& mask) {
            const auto n = static_cast<py::ssize_t>(e.walk().size());
            const auto keys = view(seeds, "seeds", n);
            const auto numbers = view(streams, "streams", n);
            const auto chosen = view(mask, "mask", n);
            for (std::size_t i = 0; i < chosen.size(); ++i) {
              if (chosen[i]) e.walk().seed(i, keys[i], numbers[i]);
            }
          },
          py::arg("seeds").noconvert(), py::arg("streams").noconvert(), py::arg("mask").noconvert())
      .def(
          "reset",
          [](WalkEnv& e, const std::optional<Array<bool>>& mask, const std::optional<Array<std::int64_t>>& rows,
             const py::object& out) {
            const auto n = static_cast<py::ssize_t>(e.walk().size());
            return e.reset(mask ? view(*mask, "mask", n) : Span<const bool>{},
                           rows ? view(*rows, "rows", n) : Span<const std::int64_t>{}, out);
          },
          py::arg("mask") = py::none(), py::arg("rows") = py::none(), py::arg("out") = py::none())
      .def("step", &WalkEnv::step, py::arg("actions"), py::arg("out") = py::none())
      .def("act", &WalkEnv::act, py::arg("action"))
      .def("action_masks", &WalkEnv::action_masks)
      .def("sample_actions", &WalkEnv::sample_actions)
      .def("finished", &WalkEnv::finished)
      .def("path", &WalkEnv::path, py::arg("env") = 0)
      .def("moves", &WalkEnv::moves, py::arg("env") = 0);
}

}  // namespace kgwalk
