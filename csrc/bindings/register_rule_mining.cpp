#include <pybind11/stl.h>

#include <optional>
#include <string>

#include "bindings/arrays.h"
#include "core/rule_miner.h"
#include "core/rule_predictor.h"

namespace kgwalk {
namespace {

using Ids = Array<std::int32_t>;

/// Walks the graph, or what an Expand with an overlay makes of it.
Expand as_expand(const py::object& graph) {
  if (py::isinstance<Expand>(graph)) return graph.cast<Expand>();
  if (py::isinstance<Graph>(graph)) return Expand(graph.cast<Graph>());
  throw py::type_error("graph: expected a Graph or an Expand, got " + std::string(py::str(py::type::of(graph))));
}

Aggregation aggregation_of(const std::string& name) {
  if (name == "noisy-or") return Aggregation::kNoisyOr;
  if (name == "max-plus") return Aggregation::kMaxPlus;
  throw std::invalid_argument("aggregation: expected 'noisy-or' or 'max-plus', got '" + name + "'");
}

}  // namespace

void register_rule_mining(py::module_& m) {
  py::class_<RuleMiner>(m, "RuleMiner")
      .def(py::init([](const py::object& graph, int max_length, bool object_identity, bool cyclic, bool constants,
                       bool existential, bool zero, std::int64_t min_support, double min_confidence,
                       const std::optional<Array<RelationId>>& heads, int slices, std::uint64_t seed) {
             MinerConfig config;
             config.max_length = max_length;
             config.object_identity = object_identity;
             config.cyclic = cyclic;
             config.constants = constants;
             config.existential = existential;
             config.zero = zero;
             config.filter = {min_support, min_confidence};
             if (heads) {
               const auto chosen = view(*heads, "heads");
               if (chosen.empty()) throw std::invalid_argument("heads: expected one relation or more, or None for all");
               config.heads.assign(chosen.begin(), chosen.end());
             }
             config.slices = slices;
             config.seed = seed;
             const Expand expand = as_expand(graph);
             const py::gil_scoped_release release;
             return std::make_unique<RuleMiner>(expand, config);
           }),
           py::arg("graph"), py::kw_only(), py::arg("max_length") = 3, py::arg("object_identity") = false,
           py::arg("cyclic") = true, py::arg("constants") = true, py::arg("existential") = true, py::arg("zero") = true,
           py::arg("min_support") = 2, py::arg("min_confidence") = 0.001, py::arg("heads") = py::none(),
           py::arg("slices") = 64, py::arg("seed") = 0)
      .def("step", &RuleMiner::step, py::call_guard<py::gil_scoped_release>())
      .def_property_readonly("rounds", py::cpp_function(&RuleMiner::rounds, py::call_guard<py::gil_scoped_release>()))
      .def_property_readonly("total_rounds", &RuleMiner::total_rounds)
      .def_property_readonly("num_candidates",
                             py::cpp_function(&RuleMiner::num_candidates, py::call_guard<py::gil_scoped_release>()))
      .def("result", [](const RuleMiner& miner) {
        RuleMiner::Result result;
        std::shared_ptr<RuleSet> rules;
        {
          const py::gil_scoped_release release;
          result = miner.result();
          rules = std::make_shared<RuleSet>(std::move(result.rules));
        }
        return py::make_tuple(rules, to_numpy(std::move(result.errors)));
      });

  py::class_<RulePredictor>(m, "RulePredictor")
      .def(py::init([](const py::object& graph, std::shared_ptr<RuleSet> rules, const Array<double>& confidence,
                       const std::optional<Array<double>>& against, bool object_identity,
                       const std::string& aggregation, int top_k, double discount) {
             const PredictorConfig config{object_identity, aggregation_of(aggregation), top_k, discount};
             const auto along = view(confidence, "confidence");
             const auto turned = against ? view(*against, "against") : along;
             const Expand expand = as_expand(graph);
             const py::gil_scoped_release release;
             return std::make_unique<RulePredictor>(expand, std::move(rules), along, turned, config);
           }),
           py::arg("graph"), py::arg("rules").none(false), py::arg("confidence"), py::kw_only(),
           py::arg("against") = py::none(), py::arg("object_identity") = false, py::arg("aggregation") = "noisy-or",
           py::arg("top_k") = 10, py::arg("discount") = 1.0)
      .def(
          "answer",
          [](const RulePredictor& predictor, const Ids& queries, std::int64_t limit, bool skip_known) {
            const auto rows = view_triples(queries, "queries");
            RulePredictor::Answers answers;
            {
              const py::gil_scoped_release release;
              answers = predictor.answer(rows, limit, skip_known);
            }
            return py::make_tuple(to_numpy(std::move(answers.offsets)), to_numpy(std::move(answers.entities)),
                                  to_numpy(std::move(answers.scores)));
          },
          py::arg("queries"), py::arg("limit") = 0, py::arg("skip_known") = true)
      .def(
          "evidence",
          [](const RulePredictor& predictor, EntityId source, RelationId relation, EntityId answer,
             int max_groundings) {
            std::vector<RulePredictor::Evidence> found;
            {
              const py::gil_scoped_release release;
              found = predictor.evidence(source, relation, answer, max_groundings);
            }
            py::list all;
            for (auto& evidence : found) {
              py::list groundings;
              for (auto& g : evidence.groundings) groundings.append(py::make_tuple(g.entities, g.relations));
              all.append(py::make_tuple(evidence.rule, groundings));
            }
            return all;
          },
          py::arg("source"), py::arg("relation"), py::arg("answer"), py::arg("max_groundings") = 1);
}

}  // namespace kgwalk
