#include "core/graph.h"

#include <algorithm>
#include <stdexcept>
#include <utility>

#include "core/checksum.h"
#include "core/pagerank.h"
#include "core/thread_pool.h"

namespace kgwalk {
namespace {

struct OwnedStorage {
  std::vector<std::int64_t> offsets;
  std::vector<Edge> edges;
};

std::vector<EntityId> checked_type_offsets(std::vector<EntityId> t, EntityId num_entities) {
  if (t.empty()) return {0, num_entities};
  if (t.size() < 2 || t.front() != 0 || t.back() != num_entities || !std::is_sorted(t.begin(), t.end())) {
    throw std::invalid_argument("type offsets must rise from 0 to num_entities = " + std::to_string(num_entities));
  }
  return t;
}

}  // namespace

Span<const Edge> of_relation(Span<const Edge> row, RelationId relation) {
  if (relation == kAnyRelation) return row;
  const auto first =
      std::lower_bound(row.begin(), row.end(), relation, [](Edge e, RelationId r) { return e.relation < r; });
  const auto last = std::upper_bound(first, row.end(), relation, [](RelationId r, Edge e) { return r < e.relation; });
  return {first, static_cast<std::size_t>(last - first)};
}

Graph Graph::from_triples(Span<const Triple> facts, EntityId num_entities, RelationId num_relations,
                          std::vector<EntityId> type_offsets) {
  if (num_entities < 0 || num_relations < 0 || num_relations > (INT32_MAX - 1) / 2) {
    throw std::invalid_argument("counts must be non-negative and 2 * relations must fit 32 bits, got " +
                                std::to_string(num_entities) + " entities, " + std::to_string(num_relations) +
                                " relations");
  }
  for (std::size_t i = 0; i < facts.size(); ++i) {
    const Triple& f = facts[i];
    if (f.head < 0 || f.head >= num_entities || f.tail < 0 || f.tail >= num_entities || f.relation < 0 ||
        f.relation >= num_relations) {
      throw std::out_of_range("fact " + std::to_string(i) + " is (" + std::to_string(f.head) + ", " +
                              std::to_string(f.relation) + ", " + std::to_string(f.tail) + "), but there are " +
                              std::to_string(num_entities) + " entities and " + std::to_string(num_relations) +
                              " relations");
    }
  }
  auto store = std::make_shared<OwnedStorage>();
  const auto n = static_cast<std::size_t>(num_entities);
  auto& offsets = store->offsets;
  offsets.assign(n + 1, 0);
  for (const Triple& f : facts) {
    ++offsets[static_cast<std::size_t>(f.head) + 1];
    ++offsets[static_cast<std::size_t>(f.tail) + 1];
  }
  for (std::size_t i = 0; i < n; ++i) offsets[i + 1] += offsets[i];
  std::vector<Edge> raw(2 * facts.size());
  std::vector<std::int64_t> cursor(offsets.begin(), offsets.end() - 1);
  for (const Triple& f : facts) {
    raw[static_cast<std::size_t>(cursor[static_cast<std::size_t>(f.head)]++)] = {f.relation, f.tail};
    raw[static_cast<std::size_t>(cursor[static_cast<std::size_t>(f.tail)]++)] = {f.relation + num_relations, f.head};
  }
  store->edges.reserve(raw.size());
  std::int64_t num_facts = 0;
  for (std::size_t h = 0; h < n; ++h) {
    const auto begin = raw.begin() + offsets[h];
    const auto end = raw.begin() + offsets[h + 1];
    std::sort(begin, end);
    offsets[h] = static_cast<std::int64_t>(store->edges.size());
    const auto last = std::unique(begin, end);
    for (auto it = begin; it != last; ++it) {
      num_facts += it->relation < num_relations;
      store->edges.push_back(*it);
    }
  }
  offsets[n] = static_cast<std::int64_t>(store->edges.size());
  store->edges.shrink_to_fit();
  const Span<const std::int64_t> offset_view(store->offsets);
  const Span<const Edge> edge_view(store->edges);
  return Graph(std::move(store), num_entities, num_relations, num_facts, offset_view, edge_view,
               std::move(type_offsets));
}

Graph::Graph(std::shared_ptr<const void> owner, EntityId num_entities, RelationId num_relations, std::int64_t num_facts,
             Span<const std::int64_t> offsets, Span<const Edge> edges, std::vector<EntityId> type_offsets)
    : owner_(std::move(owner)),
      num_entities_(num_entities),
      num_relations_(num_relations),
      num_facts_(num_facts),
      offsets_(offsets),
      edges_(edges),
      type_offsets_(checked_type_offsets(std::move(type_offsets), num_entities)) {
  if (offsets_.size() != static_cast<std::size_t>(num_entities_) + 1) {
    throw std::invalid_argument("expected num_entities + 1 offsets");
  }
}

std::int64_t Graph::find(EntityId head, RelationId relation, EntityId tail) const {
  check_relation(relation);
  check_entity(tail);
  const Span<const Edge> row = slice(head);
  const Edge wanted{relation, tail};
  const auto it = std::lower_bound(row.begin(), row.end(), wanted);
  return it != row.end() && *it == wanted ? it - edges_.begin() : -1;
}

int Graph::type_of(EntityId entity) const {
  check_entity(entity);
  const auto it = std::upper_bound(type_offsets_.begin(), type_offsets_.end(), entity);
  return static_cast<int>(it - type_offsets_.begin()) - 1;
}

void Graph::check() const {
  const auto corrupt = [](const std::string& what) { return std::out_of_range("corrupt graph: " + what); };
  if (offsets_[0] != 0 || offsets_[static_cast<std::size_t>(num_entities_)] != num_edges()) {
    throw corrupt("the offsets do not span the edge table");
  }
  std::int64_t num_forward = 0;
  std::uint64_t balance = 0;  // facts' hashes less those of the inverses' facts: zero if they are the same facts
  const auto fact_hash = [](EntityId head, RelationId relation, EntityId tail) {
    const Triple fact{head, relation, tail};
    return hash64(&fact, sizeof fact);
  };
  for (EntityId h = 0; h < num_entities_; ++h) {
    const Span<const Edge> row = slice(h);
    for (std::size_t i = 0; i < row.size(); ++i) {
      const Edge e = row[i];
      if (e.relation < 0 || e.relation >= 2 * num_relations_ || e.tail < 0 || e.tail >= num_entities_) {
        throw corrupt("entity " + std::to_string(h) + " has an edge (" + std::to_string(e.relation) + ", " +
                      std::to_string(e.tail) + ") out of range");
      }
      if (i > 0 && !(row[i - 1] < e)) throw corrupt("the edges of entity " + std::to_string(h) + " are not sorted");
      if (e.relation < num_relations_) {
        ++num_forward;
        balance += fact_hash(h, e.relation, e.tail);
      } else {
        balance -= fact_hash(e.tail, e.relation - num_relations_, h);
      }
    }
  }
  if (num_forward != num_facts_ || 2 * num_facts_ != num_edges() || balance != 0) {
    throw corrupt("facts and inverse edges do not match");
  }
}

std::vector<double> Graph::pagerank(double damping, int iterations) const {
  if (num_entities_ == 0) return kgwalk::pagerank(offsets_, damping, 0, {});
  for (EntityId e = 0; e < num_entities_; ++e) static_cast<void>(slice(e));
  const std::int64_t begin = offsets_[0];
  std::vector<EntityId> tails(static_cast<std::size_t>(offsets_[static_cast<std::size_t>(num_entities_)] - begin));
  const auto tails_of = [&](EntityId row) { return tails.data() + (offsets_[static_cast<std::size_t>(row)] - begin); };
  constexpr std::int64_t kGrain = 1024;
  parallel_for(num_entities_, kGrain, [&](std::int64_t first, std::int64_t last) {
    const auto row = static_cast<EntityId>(first);
    sort_tails(*this, row, static_cast<EntityId>(last), tails_of(row));
  });
  return kgwalk::pagerank(offsets_, damping, iterations, [&](EntityId first, EntityId last, std::vector<EntityId>&) {
    return Span<const EntityId>(tails_of(first), static_cast<std::size_t>(tails_of(last) - tails_of(first)));
  });
}

void Graph::bad_entity(EntityId e) const {
  throw std::out_of_range("entity id " + std::to_string(e) + " is not in [0, " + std::to_string(num_entities_) + ")");
}
void Graph::bad_relation(RelationId r) const {
  throw std::out_of_range("relation id " + std::to_string(r) + " is not in [0, " + std::to_string(2 * num_relations_) +
                          "), forward and inverse");
}
void Graph::bad_offsets(EntityId head) const {
  throw std::out_of_range("corrupt graph: the edges of entity " + std::to_string(head) + " lie outside the edge table");
}

}  // namespace kgwalk
