#include "core/expand.h"

#include <algorithm>
#include <cmath>
#include <stdexcept>
#include <string>
#include <utility>

#include "core/thread_pool.h"

namespace kgwalk {
namespace {

struct Scored {
  double score;
  Edge edge;
};

/// The `keep` edges of the highest score, in row order; score_of(slot, edge) gives it.
template <class ScoreOf>
std::vector<Edge> best_edges(Span<const Edge> row, std::size_t keep, const ScoreOf& score_of) {
  std::vector<Scored> scored;
  scored.reserve(row.size());
  for (std::size_t slot = 0; slot < row.size(); ++slot) scored.push_back({score_of(slot, row[slot]), row[slot]});
  std::nth_element(scored.begin(), scored.begin() + static_cast<std::ptrdiff_t>(keep), scored.end(),
                   [](const Scored& a, const Scored& b) {
                     if (a.score != b.score) return a.score > b.score;
                     if (a.edge.tail != b.edge.tail) return a.edge.tail < b.edge.tail;
                     return a.edge.relation < b.edge.relation;
                   });
  std::vector<Edge> edges;
  edges.reserve(keep);
  for (std::size_t i = 0; i < keep; ++i) edges.push_back(scored[i].edge);
  std::sort(edges.begin(), edges.end());
  return edges;
}

}  // namespace

Expand::Expand(Graph graph, std::shared_ptr<const Overlay> overlay, int max_out_degree, Span<const float> edge_scores)
    : graph_(std::move(graph)),
      overlay_(std::move(overlay)),
      max_out_degree_(max_out_degree),
      scored_(!edge_scores.empty()) {
  if (max_out_degree < 0) {
    throw std::invalid_argument("max_out_degree must be 0 (no cap) or positive, got " + std::to_string(max_out_degree));
  }
  if (!edge_scores.empty()) {
    if (overlay_)
      throw std::invalid_argument("edge_scores: expected none beside an overlay, whose edges have no score");
    if (edge_scores.size() != static_cast<std::size_t>(graph_.num_edges())) {
      throw std::invalid_argument("edge_scores: expected " + std::to_string(graph_.num_edges()) + ", got " +
                                  std::to_string(edge_scores.size()));
    }
  }
  if (max_out_degree_ == 0) return;
  for (EntityId e = 0; e < num_entities(); ++e) cap_row(e, edge_scores);
}

void Expand::cap_row(EntityId head, Span<const float> edge_scores) {
  const Span<const Edge> full = full_row(head);
  const auto keep = static_cast<std::size_t>(max_out_degree_);
  if (full.size() <= keep) return;
  if (!edge_scores.empty()) {
    const auto first = static_cast<std::size_t>(graph_.row_begin(head));
    capped_.append(
        head, best_edges(full, keep, [&](std::size_t slot, Edge) {
          const float score = edge_scores[first + slot];
          if (std::isnan(score)) {
            throw std::invalid_argument("edge_scores: expected numbers, got nan at " + std::to_string(first + slot));
          }
          return static_cast<double>(score);
        }));
    return;
  }
  if (!rank_) rank_ = std::make_shared<const std::vector<double>>(graph_.pagerank());
  capped_.append(head, best_edges(full, keep, [this](std::size_t, Edge edge) {
                   const auto tail = static_cast<std::size_t>(edge.tail);
                   return tail < rank_->size() ? (*rank_)[tail] : 0.0;  // one that an overlay added has no rank
                 }));
}

Expand Expand::with_overlay(std::shared_ptr<const Overlay> overlay) const {
  if (overlay_) throw std::invalid_argument("with_overlay: there is an overlay already");
  if (scored_)
    throw std::invalid_argument("with_overlay: edges are shown by scores, and those of an overlay have none");
  if (!overlay) throw std::invalid_argument("with_overlay: expected an overlay");
  Expand seen(graph_);
  seen.overlay_ = std::move(overlay);
  seen.max_out_degree_ = max_out_degree_;
  seen.rank_ = rank_;
  if (max_out_degree_ == 0) return seen;
  const std::vector<EntityId>& touched = seen.overlay_->rows().heads();
  std::size_t t = 0;
  const auto cap_touched_below = [&](EntityId end) {
    while (t < touched.size() && touched[t] < end) seen.cap_row(touched[t++], {});
  };
  for (std::size_t i = 0; i < capped_.heads().size(); ++i) {
    const EntityId head = capped_.heads()[i];
    cap_touched_below(head);
    if (t < touched.size() && touched[t] == head) continue;
    const Span<const Edge> row = capped_.row(static_cast<std::int64_t>(i));
    seen.capped_.append(head, {row.begin(), row.end()});
  }
  cap_touched_below(seen.num_entities());
  return seen;
}

Span<const Edge> Expand::overlaid_row(EntityId head, RelationId relation) const {
  const std::int64_t position = overlay_->rows().find(head);
  return position < 0 ? graph_.slice(head, relation) : of_relation(overlay_->rows().row(position), relation);
}

std::int64_t Expand::row_begin(EntityId head) const {
  const Span<const Edge> full = full_row(head);
  const std::int64_t after_graph = graph_.num_edges();
  if (max_out_degree_ != 0 && full.size() > static_cast<std::size_t>(max_out_degree_)) {
    const std::int64_t overlaid = overlay_ ? static_cast<std::int64_t>(overlay_->rows().edges().size()) : 0;
    return after_graph + overlaid + capped_.row_begin(capped_.find(head));
  }
  if (overlay_) {
    const std::int64_t position = overlay_->rows().find(head);
    if (position >= 0) return after_graph + overlay_->rows().row_begin(position);
  }
  return graph_.row_begin(head);
}

std::vector<Edge> Expand::replaced_edges() const {
  std::vector<Edge> edges;
  if (overlay_) edges = overlay_->rows().edges();
  edges.insert(edges.end(), capped_.edges().begin(), capped_.edges().end());
  return edges;
}

int Expand::hidden_slots(Span<const Edge> row, EntityId head, const Triple& hidden, std::int32_t slots[2]) const {
  if (hidden.tail < 0 || (head != hidden.head && head != hidden.tail)) return 0;
  int count = 0;
  const auto look = [&](Edge wanted) {
    const auto it = std::lower_bound(row.begin(), row.end(), wanted);
    if (it != row.end() && *it == wanted) slots[count++] = static_cast<std::int32_t>(it - row.begin());
  };
  if (head == hidden.head) look({hidden.relation, hidden.tail});
  if (head == hidden.tail) look({graph_.inverse(hidden.relation), hidden.head});
  if (count == 2 && slots[0] > slots[1]) std::swap(slots[0], slots[1]);
  return count;
}

Ragged Expand::expand(Span<const EntityId> frontier, Span<const RelationId> relations, Span<const Triple> exclude,
                      bool capped) const {
  const std::size_t n = frontier.size();
  if (relations.size() != 1 && relations.size() != n) {
    throw std::invalid_argument("expand: expected 1 or " + std::to_string(n) + " relations, got " +
                                std::to_string(relations.size()));
  }
  if (!exclude.empty() && exclude.size() != n) {
    throw std::invalid_argument("expand: expected no or " + std::to_string(n) + " excluded facts, got " +
                                std::to_string(exclude.size()));
  }
  for (const Triple& hidden : exclude) {
    if (hidden.tail >= 0) graph_.check_relation(hidden.relation);
  }
  const auto relation_of = [&](std::size_t i) { return relations[relations.size() == 1 ? 0 : i]; };
  const auto row_of = [&](std::size_t i) {
    const RelationId r = relation_of(i);
    if (r != kAnyRelation) graph_.check_relation(r);
    return of_relation(capped ? row(frontier[i]) : full_row(frontier[i]), r);
  };
  const auto hidden_of = [&](Span<const Edge> edges, std::size_t i, std::int32_t slots[2]) {
    return exclude.empty() ? 0 : hidden_slots(edges, frontier[i], exclude[i], slots);
  };
  Ragged out;
  out.offsets.assign(n + 1, 0);
  constexpr std::int64_t kGrain = 4096;
  parallel_for(static_cast<std::int64_t>(n), kGrain, [&](std::int64_t begin, std::int64_t end) {
    std::int32_t slots[2];
    for (auto i = static_cast<std::size_t>(begin); i < static_cast<std::size_t>(end); ++i) {
      const Span<const Edge> edges = row_of(i);
      out.offsets[i + 1] = static_cast<std::int64_t>(edges.size()) - hidden_of(edges, i, slots);
    }
  });
  for (std::size_t i = 0; i < n; ++i) out.offsets[i + 1] += out.offsets[i];
  out.relations.resize(static_cast<std::size_t>(out.offsets[n]));
  out.tails.resize(out.relations.size());
  parallel_for(static_cast<std::int64_t>(n), kGrain, [&](std::int64_t begin, std::int64_t end) {
    std::int32_t slots[2];
    for (auto i = static_cast<std::size_t>(begin); i < static_cast<std::size_t>(end); ++i) {
      const Span<const Edge> edges = row_of(i);
      const int hidden = hidden_of(edges, i, slots);
      auto at = static_cast<std::size_t>(out.offsets[i]);
      for (std::size_t slot = 0; slot < edges.size(); ++slot) {
        const auto s = static_cast<std::int32_t>(slot);
        if ((hidden > 0 && s == slots[0]) || (hidden > 1 && s == slots[1])) continue;
        out.relations[at] = edges[slot].relation;
        out.tails[at++] = edges[slot].tail;
      }
    }
  });
  return out;
}

}  // namespace kgwalk
