#include <memory>

#include "core/expand.h"
#include "core/overlay.h"
#include "tests/check.h"
#include "tests/samples.h"

namespace kgwalk {

TEST(overlay_hides_and_adds_both_directions) {
  for (const Sample& s : samples()) {
    const Graph g = s.graph();
    const Triple gone = s.facts[3];
    const EntityId added_entity = s.num_entities;
    const std::vector<Triple> added{{added_entity, 0, 1}, {2, 1, added_entity}, {added_entity, 0, added_entity}};
    const auto overlay = std::make_shared<Overlay>(g, Span<const Triple>(&gone, 1), added, std::vector<int>{0});
    CHECK_EQ(overlay->num_entities(), s.num_entities + 1);
    Sample changed = s;
    ++changed.num_entities;
    changed.facts.clear();
    for (const Triple& f : s.facts) {
      if (f.head != gone.head || f.relation != gone.relation || f.tail != gone.tail) changed.facts.push_back(f);
    }
    changed.facts.insert(changed.facts.end(), added.begin(), added.end());
    const Expand expand(g, overlay);
    for (EntityId h = 0; h < changed.num_entities; ++h) {
      CHECK(same(expand.full_row(h), changed.row(h)));
      for (RelationId r = 0; r < 2 * s.num_relations; ++r) {
        CHECK_EQ(expand.full_row(h, r).size(), of_relation(expand.full_row(h), r).size());
      }
    }
    CHECK(same(g.slice(gone.head), s.row(gone.head)));  // the graph itself is as it was
    CHECK_THROWS(std::out_of_range, "entity id", expand.row(changed.num_entities));
  }
}

TEST(overlay_gives_an_added_entity_without_facts_an_empty_row) {
  for (const Sample& s : samples()) {
    const Graph g = s.graph();
    const Expand expand(g,
                        std::make_shared<Overlay>(g, Span<const Triple>{}, Span<const Triple>{}, std::vector<int>{0}));
    CHECK(expand.row(s.num_entities).empty());
    CHECK(expand.overlay()->added_types() == std::vector<int>{0});
  }
}

TEST(overlay_refuses_what_is_not_there) {
  for (const Sample& s : samples()) {
    const Graph g = s.graph();
    const auto build = [&](std::vector<Triple> hidden, std::vector<Triple> added, std::vector<int> types) {
      return Overlay(g, hidden, added, std::move(types));
    };
    const EntityId n = s.num_entities;
    CHECK_THROWS(std::invalid_argument, "not in the graph", build({{0, 0, 0}}, {}, {}));
    CHECK_THROWS(std::out_of_range, "entity id", build({{0, 0, n}}, {}, {}));
    CHECK_THROWS(std::out_of_range, "relation id", build({{0, -1, 0}}, {}, {}));
    CHECK_THROWS(std::out_of_range, "added fact", build({}, {{n, 0, 0}}, {}));
    CHECK_THROWS(std::out_of_range, "relation id", build({}, {{0, 2 * s.num_relations, 0}}, {}));
    CHECK_THROWS(std::out_of_range, "type", build({}, {}, {9}));
    CHECK_THROWS(std::out_of_range, "type", build({}, {}, {-1}));
  }
}

TEST(row_table_takes_rising_heads_only) {
  RowTable table;
  table.append(3, {{0, 1}});
  table.append(7, {});
  CHECK_EQ(table.find(3), 0);
  CHECK_EQ(table.find(7), 1);
  CHECK_EQ(table.find(5), -1);
  CHECK(table.row(1).empty());
  CHECK_THROWS(std::invalid_argument, "rising", table.append(7, {}));
}

}  // namespace kgwalk
