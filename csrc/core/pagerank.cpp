#include "core/pagerank.h"

#include <algorithm>
#include <stdexcept>
#include <string>

#include "core/dynamic_for.h"

namespace kgwalk {
namespace {

constexpr std::int64_t kRunEdges = std::int64_t{1} << 16;  // edges that one thread takes at a time

/// Cuts rows into runs as each_run does.
std::vector<EntityId> runs_of(Span<const std::int64_t> offsets, std::int64_t edges) {
  std::vector<EntityId> firsts{0};
  const auto n = static_cast<EntityId>(offsets.size() - 1);
  for (EntityId row = 1; row < n; ++row) {
    const auto next = static_cast<std::size_t>(row) + 1, first = static_cast<std::size_t>(firsts.back());
    if (offsets[next] - offsets[first] > edges) firsts.push_back(row);
  }
  firsts.push_back(n);
  return firsts;
}

}  // namespace

std::vector<double> pagerank(Span<const std::int64_t> offsets, double damping, int iterations, const SortedTails& tails,
                             const std::function<void(int)>& step) {
  if (!(damping >= 0 && damping <= 1) || iterations < 0) {
    throw std::invalid_argument("pagerank: expected damping in [0, 1] and iterations >= 0, got " +
                                std::to_string(damping) + " and " + std::to_string(iterations));
  }
  const std::size_t n = offsets.size() - 1;
  if (n == 0) return {};
  const std::vector<EntityId> runs = runs_of(offsets, kRunEdges);
  std::vector<double> rank(n, 1.0 / static_cast<double>(n)), share(n);
  for (int iteration = 0; iteration < iterations; ++iteration) {
    double dangling = 0;
    for (std::size_t h = 0; h < n; ++h) {
      const std::int64_t degree = offsets[h + 1] - offsets[h];
      if (degree == 0) {
        dangling += rank[h];
      } else {
        share[h] = rank[h] / static_cast<double>(degree);
      }
    }
    const double base = (1.0 - damping + damping * dangling) / static_cast<double>(n);
    for_each_dynamic(
        static_cast<std::int64_t>(runs.size()) - 1, 1, [] { return std::vector<EntityId>(); },
        [&](std::vector<EntityId>& scratch, std::int64_t run) {
          const EntityId first = runs[static_cast<std::size_t>(run)], last = runs[static_cast<std::size_t>(run) + 1];
          const EntityId* tail = tails(first, last, scratch).data();
          for (auto row = static_cast<std::size_t>(first); row < static_cast<std::size_t>(last); ++row) {
            double sum = 0;
            for (std::int64_t left = offsets[row + 1] - offsets[row]; left > 0; --left) {
              sum += share[static_cast<std::size_t>(*tail++)];
            }
            rank[row] = base + damping * sum;
          }
        },
        [](const std::vector<EntityId>&) {});
    if (step) step(iteration + 1);
  }
  return rank;
}

void sort_tails(const Graph& graph, EntityId first, EntityId last, EntityId* to) {
  for (EntityId row = first; row < last; ++row) {
    EntityId* const begin = to;
    for (const Edge& e : graph.slice(row)) {
      graph.check_entity(e.tail);
      *to++ = e.tail;
    }
    std::sort(begin, to);
  }
}

void each_run(const Graph& graph, std::int64_t edges, const std::function<void(EntityId, EntityId)>& part) {
  if (graph.num_entities() == 0) return;
  for (EntityId e = 0; e < graph.num_entities(); ++e) static_cast<void>(graph.slice(e));
  const std::vector<EntityId> runs = runs_of(graph.offsets(), edges);
  for (std::size_t i = 0; i + 1 < runs.size(); ++i) part(runs[i], runs[i + 1]);
}

}  // namespace kgwalk
