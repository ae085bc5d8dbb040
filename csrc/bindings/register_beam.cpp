#include <pybind11/stl.h>

#include <optional>
#include <utility>
#include <vector>

#include "bindings/arrays.h"
#include "core/beam.h"
#include "core/propagate.h"
#include "core/split_propagate.h"

namespace kgwalk {
namespace {

using Ids = Array<std::int32_t>;
using Offsets = Array<std::int64_t>;
using Floats = Array<float>;
using Doubles = Array<double>;

PrefixMass view_mass(const Offsets& query_offsets, const Ids& prefixes, const Ids& entities, const Doubles& mass) {
  return {view(query_offsets, "query_offsets"), view(prefixes, "prefixes"), view(entities, "entities"),
          view(mass, "mass")};
}

RelationLogits view_logits(const Floats& logits) {
  check_shape(logits, "logits", {-1, -1});
  return {{logits.data(), static_cast<std::size_t>(logits.size())}, static_cast<std::size_t>(logits.shape(1))};
}

ragged::Matrix<const float> view_matrix(const std::optional<Floats>& a, const char* name) {
  if (!a) return {};
  check_shape(*a, name, {-1, -1});
  return {a->data(), a->shape(0), a->shape(1)};
}

py::tuple to_tuple(Propagated&& out) {
  return py::make_tuple(to_numpy(std::move(out.query_offsets)), to_numpy(std::move(out.prefixes)),
                        to_numpy(std::move(out.relations)), to_numpy(std::move(out.entities)),
                        to_numpy(std::move(out.mass)), to_numpy(std::move(out.dropped)));
}

}  // namespace

void register_beam(py::module_& m) {
  py::class_<BeamLayout, std::shared_ptr<BeamLayout>>(m, "BeamLayout")
      .def(py::init([](const Ids& parents, const Ids& relations, const Offsets& budgets, bool per_path) {
             return std::make_shared<BeamLayout>(view(parents, "parents"), view(relations, "relations"),
                                                 view(budgets, "budgets"), per_path);
           }),
           py::arg("parents").noconvert(), py::arg("relations").noconvert(), py::arg("budgets").noconvert(),
           py::arg("per_path"))
      .def(
          "select",
          [](const BeamLayout& layout, const Offsets& query_offsets, const Ids& nodes, const Doubles& log_prob,
             const Offsets& offsets, const Ids& relations, const Floats& logits, const Floats& log_norm,
             bool keep_all) {
            const BeamFrontier frontier{view(query_offsets, "query_offsets"), view(nodes, "nodes"),
                                        view(log_prob, "log_prob")};
            const BeamMoves moves{view(offsets, "offsets"), view(relations, "relations"), view(logits, "logits"),
                                  view(log_norm, "log_norm")};
            BeamSelection out;
            {
              const py::gil_scoped_release release;
              out = beam_select(layout, frontier, moves, keep_all);
            }
            return py::make_tuple(to_numpy(std::move(out.query_offsets)), to_numpy(std::move(out.rows)),
                                  to_numpy(std::move(out.moves)), to_numpy(std::move(out.nodes)),
                                  to_numpy(std::move(out.log_prob)));
          },
          py::arg("query_offsets").noconvert(), py::arg("nodes").noconvert(), py::arg("log_prob").noconvert(),
          py::arg("offsets").noconvert(), py::arg("relations").noconvert(), py::arg("logits").noconvert(),
          py::arg("log_norm").noconvert(), py::arg("keep_all") = false);

  m.def(
      "split_frontier",
      [](const ActionSets& actions, const Ids& at, const Offsets& query_offsets, std::int64_t max_moves) {
        const auto nodes = view(at, "at");
        const auto offsets = view(query_offsets, "query_offsets");
        std::vector<std::int64_t> cuts;
        {
          const py::gil_scoped_release release;
          cuts = split_frontier(actions, nodes, offsets, max_moves);
        }
        return to_numpy(std::move(cuts));
      },
      py::arg("actions"), py::arg("at").noconvert(), py::arg("query_offsets").noconvert(), py::arg("max_moves"));

  m.def(
      "pool_entities",
      [](const Offsets& offsets, const Ids& entities, const Doubles& log_prob) {
        const auto rows = view(offsets, "offsets");
        const auto ids = view(entities, "entities");
        const auto scores = view(log_prob, "log_prob");
        Pooled out;
        {
          const py::gil_scoped_release release;
          out = pool_entities(rows, ids, scores);
        }
        return py::make_tuple(to_numpy(std::move(out.offsets)), to_numpy(std::move(out.entities)),
                              to_numpy(std::move(out.logsumexp)), to_numpy(std::move(out.max)));
      },
      py::arg("offsets").noconvert(), py::arg("entities").noconvert(), py::arg("log_prob").noconvert());

  m.def(
      "rank_order",
      [](const Offsets& offsets, const Ids& entities, const Doubles& scores) {
        const auto rows = view(offsets, "offsets");
        const auto ids = view(entities, "entities");
        const auto values = view(scores, "scores");
        std::vector<std::int64_t> order;
        {
          const py::gil_scoped_release release;
          order = rank_order(rows, ids, values);
        }
        return to_numpy(std::move(order));
      },
      py::arg("offsets").noconvert(), py::arg("entities").noconvert(), py::arg("scores").noconvert());

  m.def(
      "propagate_hop",
      [](const ActionSets& actions, const Ids& queries, const Offsets& query_offsets, const Ids& prefixes,
         const Ids& entities, const Doubles& mass, const Floats& logits, std::int64_t keep_prefixes) {
        const auto asked = view_queries(queries);
        const auto from = view_mass(query_offsets, prefixes, entities, mass);
        const auto scores = view_logits(logits);
        Propagated out;
        {
          const py::gil_scoped_release release;
          out = propagate_hop(actions, asked, from, scores, keep_prefixes);
        }
        return to_tuple(std::move(out));
      },
      py::arg("actions"), py::arg("queries").noconvert(), py::arg("query_offsets").noconvert(),
      py::arg("prefixes").noconvert(), py::arg("entities").noconvert(), py::arg("mass").noconvert(),
      py::arg("logits").noconvert(), py::arg("keep_prefixes") = 0);

  m.def(
      "propagate_last",
      [](const ActionSets& actions, const Ids& queries, const Offsets& query_offsets, const Ids& prefixes,
         const Ids& entities, const Doubles& mass, const Floats& logits) {
        const auto asked = view_queries(queries);
        const auto from = view_mass(query_offsets, prefixes, entities, mass);
        const auto scores = view_logits(logits);
        EntityMass out;
        {
          const py::gil_scoped_release release;
          out = propagate_last(actions, asked, from, scores);
        }
        return py::make_tuple(to_numpy(std::move(out.offsets)), to_numpy(std::move(out.entities)),
                              to_numpy(std::move(out.mass)));
      },
      py::arg("actions"), py::arg("queries").noconvert(), py::arg("query_offsets").noconvert(),
      py::arg("prefixes").noconvert(), py::arg("entities").noconvert(), py::arg("mass").noconvert(),
      py::arg("logits").noconvert());

  m.def(
      "split_relations",
      [](const ActionSets& actions, const Ids& queries, const Offsets& query_offsets, const Ids& prefixes,
         const Ids& entities, const Doubles& mass, const Floats& logits, bool last_hop, std::int64_t keep) {
        const auto asked = view_queries(queries);
        const auto from = view_mass(query_offsets, prefixes, entities, mass);
        const auto scores = view_logits(logits);
        Propagated out;
        {
          const py::gil_scoped_release release;
          out = split_relations(actions, asked, from, scores, last_hop, keep);
        }
        return to_tuple(std::move(out));
      },
      py::arg("actions"), py::arg("queries").noconvert(), py::arg("query_offsets").noconvert(),
      py::arg("prefixes").noconvert(), py::arg("entities").noconvert(), py::arg("mass").noconvert(),
      py::arg("logits").noconvert(), py::arg("last_hop"), py::arg("keep") = 0);

  m.def(
      "split_entities",
      [](const ActionSets& actions, const Ids& queries, const Offsets& query_offsets, const Ids& prefixes,
         const Ids& relations, const Ids& entities, const Doubles& mass, const std::optional<Floats>& entity_query,
         const std::optional<Floats>& entity_table, bool last_hop) {
        const auto asked = view_queries(queries);
        const ChosenRelations from{view(query_offsets, "query_offsets"), view(prefixes, "prefixes"),
                                   view(relations, "relations"), view(entities, "entities"), view(mass, "mass")};
        const auto query = view_matrix(entity_query, "entity_query");
        const auto table = view_matrix(entity_table, "entity_table");
        SplitMass out;
        {
          const py::gil_scoped_release release;
          out = split_entities(actions, asked, from, query, table, last_hop);
        }
        return py::make_tuple(to_numpy(std::move(out.query_offsets)), to_numpy(std::move(out.prefixes)),
                              to_numpy(std::move(out.entities)), to_numpy(std::move(out.mass)));
      },
      py::arg("actions"), py::arg("queries").noconvert(), py::arg("query_offsets").noconvert(),
      py::arg("prefixes").noconvert(), py::arg("relations").noconvert(), py::arg("entities").noconvert(),
      py::arg("mass").noconvert(), py::arg("entity_query").noconvert(), py::arg("entity_table").noconvert(),
      py::arg("last_hop"));
}

}  // namespace kgwalk
