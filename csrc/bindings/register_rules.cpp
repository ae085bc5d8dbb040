#include <pybind11/stl.h>

#include "bindings/arrays.h"
#include "core/rule_set.h"
#include "core/rule_text.h"

namespace kgwalk {
namespace {

template <class T>
std::vector<T> copied(const Array<T>& a, const char* name) {
  const Span<const T> given = view(a, name);
  return {given.begin(), given.end()};
}

/// A getter of one of the arrays, read-only and without a copy: the rule set lives as long as the array.
template <class T>
auto array_of(std::vector<T> RuleSet::* field) {
  return [field](const py::object& self) {
    const std::vector<T>& values = self.cast<const RuleSet&>().*field;
    return borrow(values.data(), {static_cast<py::ssize_t>(values.size())}, self);
  };
}

}  // namespace

void register_rules(py::module_& m) {
  m.attr("VARIABLE") = kVariable;
  m.attr("SELF") = kSelf;

  py::class_<RuleSet, std::shared_ptr<RuleSet>>(m, "RuleSet")
      .def(py::init([](const Array<std::int32_t>& head, const Array<std::int32_t>& head_constant,
                       const Array<std::int64_t>& body_offsets, const Array<std::int32_t>& body,
                       const Array<std::int32_t>& body_constant, const Array<std::int64_t>& support,
                       const Array<std::int64_t>& predictions, const Array<double>& confidence, EntityId num_entities,
                       RelationId num_relations) {
             auto rules = std::make_shared<RuleSet>();
             rules->head = copied(head, "head");
             rules->head_constant = copied(head_constant, "head_constant");
             rules->body_offsets = copied(body_offsets, "body_offsets");
             rules->body = copied(body, "body");
             rules->body_constant = copied(body_constant, "body_constant");
             rules->support = copied(support, "support");
             rules->predictions = copied(predictions, "predictions");
             rules->confidence = copied(confidence, "confidence");
             const py::gil_scoped_release release;
             rules->check(num_entities, num_relations);
             return rules;
           }),
           py::arg("head"), py::arg("head_constant"), py::arg("body_offsets"), py::arg("body"),
           py::arg("body_constant"), py::arg("support"), py::arg("predictions"), py::arg("confidence"), py::kw_only(),
           py::arg("num_entities"), py::arg("num_relations"))
      .def("__repr__", [](const RuleSet& rules) { return "<RuleSet: " + std::to_string(rules.size()) + " rules>"; })
      .def("__len__", &RuleSet::size)
      .def_property_readonly("head", array_of(&RuleSet::head))
      .def_property_readonly("head_constant", array_of(&RuleSet::head_constant))
      .def_property_readonly("body_offsets", array_of(&RuleSet::body_offsets))
      .def_property_readonly("body", array_of(&RuleSet::body))
      .def_property_readonly("body_constant", array_of(&RuleSet::body_constant))
      .def_property_readonly("support", array_of(&RuleSet::support))
      .def_property_readonly("predictions", array_of(&RuleSet::predictions))
      .def_property_readonly("confidence", array_of(&RuleSet::confidence))
      .def(
          "select",
          [](const RuleSet& rules, const Array<std::int64_t>& indices) {
            const auto chosen = view(indices, "indices");
            const py::gil_scoped_release release;
            return std::make_shared<RuleSet>(rules.select(chosen));
          },
          py::arg("indices"));

  m.def(
      "read_rules",
      [](const py::bytes& data, const std::string& path, const Names& entities, const Names& relations, bool skip_bad) {
        const std::string_view text = data;
        RuleText read;
        std::shared_ptr<RuleSet> rules;
        {
          const py::gil_scoped_release release;
          read = read_rules(text, path, entities, relations, skip_bad);
          rules = std::make_shared<RuleSet>(std::move(read.rules));
        }
        return py::make_tuple(rules, read.skipped, read.reasons);
      },
      py::arg("data"), py::arg("path"), py::arg("entities"), py::arg("relations"), py::arg("skip_bad") = false);
  m.def(
      "format_rules",
      [](const RuleSet& rules, const Names& entities, const Names& relations, bool skip_bad) {
        std::string text;
        {
          const py::gil_scoped_release release;
          text = format_rules(rules, entities, relations, skip_bad);
        }
        return py::bytes(text);
      },
      py::arg("rules"), py::arg("entities"), py::arg("relations"), py::arg("skip_bad") = false);
  m.def(
      "format_rule",
      [](const RuleSet& rules, std::int64_t rule, const Names& entities, const Names& relations) {
        if (rule < 0 || rule >= static_cast<std::int64_t>(rules.size())) {
          throw std::out_of_range("rule " + std::to_string(rule) + " is not in [0, " + std::to_string(rules.size()) +
                                  ")");
        }
        return format_rule(rules, static_cast<std::size_t>(rule), entities, relations);
      },
      py::arg("rules"), py::arg("rule"), py::arg("entities"), py::arg("relations"));
}

}  // namespace kgwalk
