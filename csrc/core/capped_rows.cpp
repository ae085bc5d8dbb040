#include "core/capped_rows.h"

#include <algorithm>
#include <stdexcept>
#include <string>

#include "core/thread_pool.h"

namespace kgwalk {
namespace {

struct Scored {
  double score;
  Edge edge;
};

}  // namespace

void CappedRows::bad_position(std::int64_t position) const {
  throw std::out_of_range("corrupt view: row " + std::to_string(position) + " is not in [0, " +
                          std::to_string(num_rows_) + ")");
}

EdgeScore score_by_rank(Span<const double> rank) {
  return [rank](std::int64_t, Edge edge) {
    const auto tail = static_cast<std::size_t>(edge.tail);
    return tail < rank.size() ? rank[tail] : 0.0;  // one that an overlay added has no rank
  };
}

void best_edges(Span<const Edge> row, std::int64_t first, std::size_t keep, const EdgeScore& score, Edge* to) {
  thread_local std::vector<Scored> scored;
  scored.clear();
  for (std::size_t slot = 0; slot < row.size(); ++slot) {
    scored.push_back({score(first + static_cast<std::int64_t>(slot), row[slot]), row[slot]});
  }
  std::nth_element(scored.begin(), scored.begin() + static_cast<std::ptrdiff_t>(keep), scored.end(),
                   [](const Scored& a, const Scored& b) {
                     if (a.score != b.score) return a.score > b.score;
                     if (a.edge.tail != b.edge.tail) return a.edge.tail < b.edge.tail;
                     return a.edge.relation < b.edge.relation;
                   });
  for (std::size_t i = 0; i < keep; ++i) to[i] = scored[i].edge;
  std::sort(to, to + keep);
}

Crowded crowded_heads(const Graph& graph, int cap) {
  Crowded found;
  const auto n = static_cast<std::size_t>(graph.num_entities());
  found.marks.resize((n + 63) / 64);
  for (std::size_t h = 0; h < n; ++h) {
    CappedRows::Mark& mark = found.marks[h / 64];
    if (h % 64 == 0) mark.before = found.heads.size();
    if (graph.slice(static_cast<EntityId>(h)).size() <= static_cast<std::size_t>(cap)) continue;
    mark.bits |= std::uint64_t{1} << (h % 64);
    found.heads.push_back(static_cast<EntityId>(h));
  }
  return found;
}

void cut_rows(const Graph& graph, Span<const EntityId> heads, int cap, const EdgeScore& score, Edge* to) {
  constexpr std::int64_t kGrain = 64;
  parallel_for(static_cast<std::int64_t>(heads.size()), kGrain, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t i = begin; i < end; ++i) {
      const EntityId head = heads[static_cast<std::size_t>(i)];
      best_edges(graph.slice(head), graph.row_begin(head), static_cast<std::size_t>(cap), score, to + i * cap);
    }
  });
}

}  // namespace kgwalk
